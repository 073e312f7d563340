"""Which earlier model and statistics a run is compared with on a laptop."""

from __future__ import annotations

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx import v1 as tfx

from pipeline.components.accepted_statistics import ACCEPTED


class OtherBlessedModelStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """Resolves the latest blessed model other than the candidate.

    The stock strategy answers with the candidate itself as soon as that is blessed, so a second,
    unchanged run would compare a model with itself, and the Evaluator would never be cached. The
    Resolver must run after the Trainer.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Resolves a model and its blessing; empty lists where there is none.

        Args:
            store: The metadata store.
            input_dict: All models under `model`, all blessings under `model_blessing`.

        Returns:
            The same keys, with one artifact each or none.
        """
        models = input_dict["model"]
        candidate = _last_output(store, [model.id for model in models])
        others = [model for model in models if model.id != candidate]
        return super().resolve_artifacts(store, input_dict | {"model": others})


class LatestAcceptedStrategy(tfx.dsl.experimental.LatestArtifactStrategy):
    """Resolves the latest statistics that `AcceptedStatistics` has marked, or none.

    On Vertex AI, the filter that `pipeline/vertex/compile.py` writes does the same. The stock
    strategy also takes those of runs that the gate has stopped, and makes a first run fail.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Resolves the latest artifact of each channel.

        Args:
            store: The metadata store.
            input_dict: All artifacts of each channel.

        Returns:
            The same keys, with one artifact each or none.
        """
        accepted = {
            key: [each for each in artifacts if each.get_int_custom_property(ACCEPTED)]
            for key, artifacts in input_dict.items()
        }
        return super().resolve_artifacts(store, accepted) or {key: [] for key in input_dict}


def _last_output(store: mlmd.MetadataStore, artifact_ids: list[int]) -> int | None:
    """The artifact that the latest execution put out, be it from the cache."""
    outputs = [
        event
        for event in store.get_events_by_artifact_ids(artifact_ids)
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    return max(outputs, key=lambda event: event.execution_id).artifact_id if outputs else None
