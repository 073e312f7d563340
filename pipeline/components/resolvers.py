"""Which earlier model, statistics and hyperparameters a run takes up on a laptop."""

from __future__ import annotations

from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx import v1 as tfx

from pipeline.components.accepted_statistics import ACCEPTED
from pipeline.components.replay_gate import PASSED
from serving.versions.push_folder import was_taken_back


class ServableModelStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """Resolves the latest blessed model of those that may serve.

    One that the replay refused, or that was taken back, may not.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Resolves a model and its blessing; empty lists where there is none."""
        left_out = self._left_out(store, [model.id for model in input_dict["model"]])
        models = [model for model in input_dict["model"] if model.id not in left_out]
        return super().resolve_artifacts(store, input_dict | {"model": models})

    def _left_out(self, store: mlmd.MetadataStore, models: list[int]) -> set[int]:
        return (_pushed(store) - _served(store)) | _refused(store)


class OtherPushedModelStrategy(ServableModelStrategy):
    """Resolves the latest of those models that was pushed, other than the candidate.

    The stock strategy answers with the candidate itself as soon as that is blessed, so a second,
    unchanged run would compare a model with itself, and the Evaluator would never be cached. The
    Resolver must run after the Trainer.
    """

    def _left_out(self, store: mlmd.MetadataStore, models: list[int]) -> set[int]:
        others = _served(store) - {_last_output(store, models)}
        return super()._left_out(store, models) | (set(models) - others)


class LatestOrNoneStrategy(tfx.dsl.experimental.LatestArtifactStrategy):
    """Resolves the latest artifact, or none; where there is none, the stock one makes runs fail."""

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Resolves the latest artifact of each channel."""
        return super().resolve_artifacts(store, input_dict) or {key: [] for key in input_dict}


class OtherAcceptedStrategy(LatestOrNoneStrategy):
    """Resolves the latest statistics that `AcceptedStatistics` has marked, of other examples.

    The stock strategy also takes those of runs that the gate has stopped. Without a look at the
    examples, a second, unchanged run would compare them with themselves: the gate would never be
    cached, nor the report behind it, and a drift that the first run has told would be gone from it.
    The Resolver must run after StatisticsGen.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Resolves statistics; an empty list where there are none."""
        accepted, described = [], []
        for artifact in input_dict["statistics"]:
            marked = artifact.get_int_custom_property(ACCEPTED)
            (accepted if marked else described).append(artifact)
        now = _last_output(store, [artifact.id for artifact in described])
        others = [artifact for artifact in accepted if now not in _made_of(store, artifact.id)]
        return super().resolve_artifacts(store, {"statistics": others})


def _last_output(store: mlmd.MetadataStore, artifact_ids: list[int]) -> int | None:
    """The artifact that the latest execution put out, be it from the cache."""
    outputs = [
        event
        for event in store.get_events_by_artifact_ids(artifact_ids)
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    return max(outputs, key=lambda event: event.execution_id).artifact_id if outputs else None


def _made_of(store: mlmd.MetadataStore, artifact_id: int, key: str = "") -> set[int]:
    """The artifacts that those executions read which put out this one; of one input, or all."""
    makers = [
        event.execution_id
        for event in store.get_events_by_artifact_ids([artifact_id])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    events = store.get_events_by_execution_ids(makers) if makers else []
    read = (e for e in events if e.type == metadata_store_pb2.Event.INPUT)
    return {e.artifact_id for e in read if not key or e.path.steps[0].key == key}


def _refused(store: mlmd.MetadataStore) -> set[int]:
    """Models that did not pass the replay, when they were last asked."""
    found = sorted(store.get_artifacts_by_type("InfraBlessing"), key=lambda each: each.id)
    passed = {
        model: blessing.custom_properties[PASSED].int_value
        for blessing in found
        for model in _made_of(store, blessing.id, "model")
    }
    return {model for model, value in passed.items() if not value}


def _pushed(store: mlmd.MetadataStore) -> set[int]:
    """Models of which a version was ever pushed."""
    return {model for models in _models_of_versions(store).values() for model in models}


def _served(store: mlmd.MetadataStore) -> set[int]:
    """Those of which one has not been taken back, by `release rollback`."""
    found = _models_of_versions(store).items()
    return {model for version, models in found if not was_taken_back(version) for model in models}


def _models_of_versions(store: mlmd.MetadataStore) -> dict[Path, set[int]]:
    """What was read by the Pusher that made a version; the model is among it."""
    return {
        Path(pushed.custom_properties["pushed_destination"].string_value): _made_of(
            store, pushed.id
        )
        for pushed in store.get_artifacts_by_type("PushedModel")
        if pushed.custom_properties["pushed"].int_value
    }
