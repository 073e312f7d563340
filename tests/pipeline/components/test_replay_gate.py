"""The gate before the push: what it asks, what it keeps, and that the Pusher heeds it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from served_rows import ROWS
from small_model import write_model
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from common.errors import UserError
from pipeline.components.replay_gate import Replay
from pipeline.components.whole_pusher import Executor
from report.collect.replayed_requests import read_replay
from report.collect.run_artifacts import RunArtifacts
from report.collect.verdict import blessed
from report.facts import Artifact
from serving.examples import example_of
from serving.instances import from_rows
from serving.replay.comparison import Replayed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> standard_artifacts.Model:
    """As the Trainer leaves it."""
    made = standard_artifacts.Model()
    made.uri = str(tmp_path_factory.mktemp("model"))
    write_model(Path(made.uri), 1).rename(Path(made.uri, "Format-Serving"))
    return made


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> standard_artifacts.Examples:
    made = standard_artifacts.Examples()
    made.uri, made.split_names = str(tmp_path_factory.mktemp("examples")), '["eval", "test"]'
    for split, rows in (("eval", []), ("test", ROWS)):
        file = Path(made.uri, f"Split-{split}", "data_tfrecord-00000-of-00001.gz")
        file.parent.mkdir()
        columns = from_rows([dict(row) for row in rows])
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for i in range(len(rows)):
                row = {name: values[i] for name, values in columns.items()}
                writer.write(example_of(row).SerializeToString())
    return made


def replayed(
    folder: Path,
    examples: standard_artifacts.Examples,
    model: standard_artifacts.Model,
    champion: standard_artifacts.Model | None = None,
    max_p99_ms: float = 60_000.0,
    requests: str = "",
) -> tuple[standard_artifacts.InfraBlessing, Replayed]:
    blessing = standard_artifacts.InfraBlessing()
    blessing.uri = str(folder / "blessing")
    Replay.test_call(
        examples=examples,
        model=model,
        champion=champion,
        blessing=blessing,
        requests=requests,
        max_p99_ms=max_p99_ms,
    )
    return blessing, read_replay(blessing.uri)


def push(
    folder: Path, model: standard_artifacts.Model, infra: standard_artifacts.InfraBlessing
) -> bool:
    evaluated = standard_artifacts.ModelBlessing()
    evaluated.set_int_custom_property("blessed", 1)
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(folder / "archive")
    destination = pusher_pb2.PushDestination()
    destination.filesystem.base_directory = str(folder / "serving")
    Executor().Do(
        {"model": [model], "model_blessing": [evaluated], "infra_blessing": [infra]},
        {"pushed_model": [pushed]},
        {"push_destination": proto_utils.proto_to_json(destination), "custom_config": "null"},
    )
    return pushed.get_int_custom_property("pushed") == 1


def test_a_model_that_answers_is_pushed(tmp_path: Path, examples, model):
    blessing, found = replayed(tmp_path, examples, model, champion=model)
    assert (found.source, found.rows, found.reasons) == ("the test split", len(ROWS), ())
    assert found.changes and {c.candidate - c.champion for c in found.changes.largest} == {0}
    assert push(tmp_path, model, blessing)


def test_one_that_is_too_slow_is_not(tmp_path: Path, examples, model):
    blessing, found = replayed(tmp_path, examples, model, max_p99_ms=1e-6)
    (reason,) = found.reasons
    assert "max_replay_p99_ms allows 1e-06" in reason
    assert not push(tmp_path, model, blessing)
    assert not (tmp_path / "serving").exists()


def test_requests_that_are_not_there_are_named(tmp_path: Path, examples, model):
    with pytest.raises(UserError, match="no requests to replay in the log of requests /nowhere"):
        replayed(tmp_path, examples, model, requests="/nowhere")


@pytest.mark.parametrize(
    ("evaluated", "replay", "may_serve"),
    [(1, 1, True), (1, 0, False), (0, 1, False), (1, None, True), (None, None, None)],
)
def test_a_model_may_serve_if_both_gates_let_it_pass(
    evaluated: int | None, replay: int | None, may_serve: bool | None
):
    def mark(number: int, value: int | None) -> Artifact | None:
        return None if value is None else Artifact(number, "", "", {"blessed": value})

    run = RunArtifacts(blessing=mark(1, evaluated), replay=mark(2, replay))
    assert blessed(run) is may_serve
