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
from pipeline.components.resolvers import (
    OtherAcceptedStrategy,
    OtherPushedModelStrategy,
    ServableModelStrategy,
)
from serving.versions.push_folder import restore, roll_back


class History:
    """Models and blessings, in a metadata store."""

    def __init__(self, folder: Path) -> None:
        self.serving = folder / "serving"
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

    def put_out(self, artifact: int, made_of: int | None = None) -> None:
        """An execution puts out an artifact, made anew or from the cache."""
        (execution,) = self.store.put_executions(
            [metadata_store_pb2.Execution(type_id=self._training)]
        )
        ends = {artifact: metadata_store_pb2.Event.OUTPUT}
        if made_of is not None:
            ends[made_of] = metadata_store_pb2.Event.INPUT
        self.store.put_events(
            [
                metadata_store_pb2.Event(artifact_id=end, execution_id=execution, type=kind)
                for end, kind in ends.items()
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

    def served(self, model: int) -> None:
        """A model is blessed, and pushed as a version of its own number."""
        self.judged(model, blessed=True)
        version = self.serving / str(model)
        version.mkdir(parents=True)
        (version / "saved_model.pb").touch()
        pushed = standard_artifacts.PushedModel()
        pushed.uri = f"/pushed/{model}"
        pushed.set_int_custom_property("pushed", 1)
        pushed.set_string_custom_property("pushed_destination", str(version))
        self._put(pushed)
        kind = metadata_store_pb2.ExecutionType(name="Pusher")
        execution = metadata_store_pb2.Execution(type_id=self.store.put_execution_type(kind))
        (pusher,) = self.store.put_executions([execution])
        event = metadata_store_pb2.Event
        self.store.put_events(
            [
                event(artifact_id=model, execution_id=pusher, type=event.INPUT),
                event(artifact_id=pushed.id, execution_id=pusher, type=event.OUTPUT),
            ]
        )

    def replayed(self, model: int, champion: int, *, passed: bool) -> None:
        """The replay of a model, against another."""
        blessing = standard_artifacts.InfraBlessing()
        blessing.uri = "/replayed"
        blessing.set_int_custom_property("blessed", int(passed))
        self._put(blessing)
        kind = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name="Replay"))
        (execution,) = self.store.put_executions([metadata_store_pb2.Execution(type_id=kind)])
        event = metadata_store_pb2.Event
        ends = [("model", model, event.INPUT), ("champion", champion, event.INPUT)]
        for key, artifact, direction in [*ends, ("blessing", blessing.id, event.OUTPUT)]:
            path = event.Path(steps=[event.Path.Step(key=key), event.Path.Step(index=0)])
            made = event(artifact_id=artifact, execution_id=execution, type=direction, path=path)
            self.store.put_events([made])

    def baseline(self) -> int | None:
        """What a candidate is compared with."""
        return self._resolved(OtherPushedModelStrategy())

    def base(self) -> int | None:
        """What a training goes on from."""
        return self._resolved(ServableModelStrategy())

    def _resolved(self, strategy: ServableModelStrategy) -> int | None:
        resolved = strategy.resolve_artifacts(
            self.store, {"model": self._models, "model_blessing": self._blessings}
        )
        assert resolved is not None
        return resolved["model"][0].id if resolved["model"] else None

    def described(self) -> int:
        """New statistics, of StatisticsGen; returns their id."""
        return self._put_statistics(standard_artifacts.ExampleStatistics())

    def accepted(self, of: int) -> int:
        """What AcceptedStatistics makes of statistics; returns its id."""
        statistics = standard_artifacts.ExampleStatistics()
        statistics.set_int_custom_property(ACCEPTED, 1)
        return self._put_statistics(statistics, made_of=of)

    def _put_statistics(self, statistics: types.Artifact, made_of: int | None = None) -> int:
        statistics.uri = f"/statistics/{len(self._statistics)}"
        self._put(statistics)
        self._statistics.append(statistics)
        self.put_out(statistics.id, made_of)
        return statistics.id

    def previous(self) -> list[int]:
        resolved = OtherAcceptedStrategy().resolve_artifacts(
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


def test_it_is_the_latest_pushed_model(history: History):
    old, other = history.trained(), history.trained()
    history.served(old)
    history.served(other)
    history.trained()
    assert history.baseline() == history.base() == other


def test_it_is_none_that_was_not_blessed(history: History):
    good, bad = history.trained(), history.trained()
    history.served(good)
    history.judged(bad, blessed=False)
    history.trained()
    assert history.baseline() == history.base() == good


def test_it_is_none_that_was_blessed_and_never_pushed(history: History):
    pushed, blessed = history.trained(), history.trained()
    history.served(pushed)
    history.judged(blessed, blessed=True)  # By a run that ended with the Evaluator.
    history.trained()
    assert history.baseline() == pushed
    assert history.base() == blessed, "training may go on from it"


def test_it_is_not_the_candidate_itself(history: History):
    old, candidate = history.trained(), history.trained()
    history.served(old)
    history.served(candidate)
    assert history.baseline() == old


def test_the_only_model_has_no_baseline_however_often_it_comes_from_the_cache(history: History):
    only = history.trained()
    history.served(only)
    history.put_out(only)
    assert history.baseline() is None


def test_a_candidate_from_the_cache_is_compared_with_the_newer_one(history: History):
    reverted_to, newer = history.trained(), history.trained()
    history.served(reverted_to)
    history.served(newer)
    history.put_out(reverted_to)
    assert history.baseline() == newer


def test_it_is_none_that_was_taken_back(history: History):
    older, newer = history.trained(), history.trained()
    history.served(older)
    history.served(newer)
    history.trained()
    assert history.baseline() == history.base() == newer
    roll_back(history.serving)
    assert history.baseline() == history.base() == older
    restore(history.serving)
    assert history.baseline() == history.base() == newer


def test_it_is_none_that_the_replay_refused_last(history: History):
    champion, refused = history.trained(), history.trained()
    history.served(champion)
    history.served(refused)
    history.replayed(refused, champion, passed=False)
    history.trained()
    assert history.baseline() == history.base() == champion
    history.replayed(refused, champion, passed=True)
    assert history.baseline() == history.base() == refused


def test_previous_statistics_are_the_latest_that_were_accepted(history: History):
    assert history.previous() == []
    history.accepted(history.described())
    latest = history.accepted(history.described())
    history.described()  # Of a run that the gate stopped.
    history.described()
    assert history.previous() == [latest]


def test_statistics_are_not_compared_with_themselves(history: History):
    first = history.described()
    history.accepted(first)
    history.put_out(first)
    assert history.previous() == []


def test_statistics_from_the_cache_are_compared_with_the_newer_ones(history: History):
    back_to = history.described()
    history.accepted(back_to)
    newer = history.accepted(history.described())
    history.put_out(back_to)
    assert history.previous() == [newer]
