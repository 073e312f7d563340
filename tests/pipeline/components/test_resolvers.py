"""What a run is compared with: the latest other blessed model, the latest accepted statistics."""

from __future__ import annotations

from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.orchestration import metadata
from tfx.types import artifact_utils, standard_artifacts

from pipeline.components.accepted_statistics import ACCEPTED
from pipeline.components.resolvers import LatestAcceptedStrategy, OtherBlessedModelStrategy


class History:
    """Models and blessings, in a metadata store."""

    def __init__(self, folder: Path) -> None:
        config = metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
        with metadata.Metadata(config) as handle:
            self.store: mlmd.MetadataStore = handle.store
        self._training = self.store.put_execution_type(
            metadata_store_pb2.ExecutionType(name="Trainer")
        )
        self._models: list[types.Artifact] = []
        self._blessings: list[types.Artifact] = []
        self._statistics: list[types.Artifact] = []

    def trained(self) -> int:
        """A new model; returns its id."""
        model = standard_artifacts.Model()
        model.uri = f"/models/{len(self._models)}"
        self._put(model)
        self._models.append(model)
        self.put_out(model.id)
        return model.id

    def put_out(self, model: int) -> None:
        """An execution puts out a model: the Trainer's, or one from the cache."""
        (execution,) = self.store.put_executions(
            [metadata_store_pb2.Execution(type_id=self._training)]
        )
        self.store.put_events(
            [
                metadata_store_pb2.Event(
                    artifact_id=model,
                    execution_id=execution,
                    type=metadata_store_pb2.Event.OUTPUT,
                )
            ]
        )

    def judged(self, model: int, *, blessed: bool) -> None:
        blessing = standard_artifacts.ModelBlessing()
        blessing.uri = f"/blessings/{len(self._blessings)}"
        blessing.set_int_custom_property("blessed", int(blessed))
        blessing.set_int_custom_property("current_model_id", model)
        blessing.set_string_custom_property("current_model", "")
        self._put(blessing)
        self._blessings.append(blessing)

    def baseline(self) -> int | None:
        resolved = OtherBlessedModelStrategy().resolve_artifacts(
            self.store, {"model": self._models, "model_blessing": self._blessings}
        )
        assert resolved is not None
        return resolved["model"][0].id if resolved["model"] else None

    def described(self, *, accepted: bool) -> int:
        """New statistics, of StatisticsGen or of AcceptedStatistics; returns their id."""
        statistics = standard_artifacts.ExampleStatistics()
        statistics.uri = f"/statistics/{len(self._statistics)}"
        if accepted:
            statistics.set_int_custom_property(ACCEPTED, 1)
        self._put(statistics)
        self._statistics.append(statistics)
        return statistics.id

    def previous(self) -> list[int]:
        resolved = LatestAcceptedStrategy().resolve_artifacts(
            self.store, {"statistics": self._statistics}
        )
        return [statistics.id for statistics in resolved["statistics"]]

    def _put(self, artifact: types.Artifact) -> None:
        artifact.type_id = self.store.put_artifact_type(artifact.artifact_type)
        (artifact.id,) = self.store.put_artifacts([artifact.mlmd_artifact])
        (stored,) = self.store.get_artifacts_by_id([artifact.id])
        again = artifact_utils.deserialize_artifact(artifact.artifact_type, stored)
        artifact.set_mlmd_artifact(again.mlmd_artifact)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_there_is_none_at_first(history: History):
    assert history.baseline() is None
    history.trained()
    assert history.baseline() is None


def test_it_is_the_latest_blessed_model(history: History):
    old, other = history.trained(), history.trained()
    history.judged(old, blessed=True)
    history.judged(other, blessed=True)
    history.trained()
    assert history.baseline() == other


def test_it_is_none_that_was_not_blessed(history: History):
    good, bad = history.trained(), history.trained()
    history.judged(good, blessed=True)
    history.judged(bad, blessed=False)
    history.trained()
    assert history.baseline() == good


def test_it_is_not_the_candidate_itself(history: History):
    old, candidate = history.trained(), history.trained()
    history.judged(old, blessed=True)
    history.judged(candidate, blessed=True)
    assert history.baseline() == old


def test_the_only_model_has_no_baseline_however_often_it_comes_from_the_cache(history: History):
    only = history.trained()
    history.judged(only, blessed=True)
    history.put_out(only)
    assert history.baseline() is None


def test_a_candidate_from_the_cache_is_compared_with_the_newer_one(history: History):
    reverted_to, newer = history.trained(), history.trained()
    history.judged(reverted_to, blessed=True)
    history.judged(newer, blessed=True)
    history.put_out(reverted_to)
    assert history.baseline() == newer


def test_previous_statistics_are_the_latest_that_were_accepted(history: History):
    assert history.previous() == []
    history.described(accepted=False)
    assert history.previous() == []
    history.described(accepted=True)
    latest = history.described(accepted=True)
    history.described(accepted=False)
    assert history.previous() == [latest]
