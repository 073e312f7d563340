"""The runner runs components in order, and tells how they do."""

from __future__ import annotations

from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from number_pipeline import End, Witness, numbers, run
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.types.standard_artifacts import Integer

from common.errors import UserError
from pipeline.cli.status import State
from pipeline.local.runner import ObservedRunner, run_options


@pytest.fixture
def connection(tmp_path: Path) -> metadata_store_pb2.ConnectionConfig:
    return metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))


def states_in_metadata(connection: metadata_store_pb2.ConnectionConfig, name: str) -> list[str]:
    store = mlmd.MetadataStore(connection)
    context = store.get_context_by_type_and_name("pipeline_run", name)
    assert context is not None
    executions = sorted(store.get_executions_by_context(context.id), key=lambda e: e.id)
    return [metadata_store_pb2.Execution.State.Name(e.last_known_state) for e in executions]


def test_order_and_states_are_told(tmp_path: Path, connection):
    witness = run(numbers(tmp_path, connection), "a")
    assert witness.names == ["Start", "Double", "End"]
    assert witness.told == [
        (name, state) for name in witness.names for state in (State.RUNNING, State.DONE)
    ]
    assert all(seconds > 0 for seconds in witness.seconds.values())
    assert states_in_metadata(connection, "a") == ["COMPLETE"] * 3


def test_an_unchanged_run_is_cached_and_a_change_runs_what_depends_on_it(tmp_path, connection):
    run(numbers(tmp_path, connection), "a")
    again = run(numbers(tmp_path, connection), "b")
    assert again.ends == [(name, State.CACHED) for name in again.names]
    assert states_in_metadata(connection, "b") == ["CACHED"] * 3
    changed = run(numbers(tmp_path, connection, word="other"), "c")
    assert [state for _, state in changed.ends] == [State.CACHED, State.DONE, State.DONE]


def test_a_failure_stops_the_run_with_what_the_component_raised(tmp_path: Path, connection):
    witness = Witness()
    pipeline = numbers(tmp_path, connection, word="fail")
    with pytest.raises(UserError, match="The word is fail") as caught:
        ObservedRunner(witness, "a").run(pipeline)
    assert caught.value.cure == "Choose another."
    assert witness.ends == [("Start", State.DONE), ("Double", State.FAILED)]
    assert states_in_metadata(connection, "a") == ["COMPLETE", "FAILED"]
    # The next run goes on from there.
    assert run(numbers(tmp_path, connection), "b").ends[0] == ("Start", State.CACHED)


def test_missing_inputs_stop_the_run(tmp_path: Path, connection):
    nothing = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        number=tfx.dsl.Channel(type=Integer),
    )
    end = End(number=nothing.outputs["number"])
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="nothing",
        pipeline_root=str(tmp_path / "pipeline"),
        components=[nothing, end],
        metadata_connection_config=connection,
    )
    witness = Witness()
    with pytest.raises(UserError, match="found no inputs"):
        ObservedRunner(witness, "a").run(pipeline)
    assert witness.ends[-1][1] is State.FAILED


def test_from_reuses_and_to_skips(tmp_path: Path, connection):
    run(numbers(tmp_path, connection, value=3), "a")
    first = run(numbers(tmp_path, connection, value=4, word="x"), "b", "Double", None)
    assert first.ends == [("Start", State.REUSED), ("Double", State.DONE), ("End", State.DONE)]
    last = run(numbers(tmp_path, connection, value=5), "c", None, "Double")
    assert last.ends == [("Start", State.DONE), ("Double", State.DONE), ("End", State.SKIPPED)]


def test_from_needs_an_earlier_run(tmp_path: Path, connection):
    with pytest.raises(UserError, match="not all that a partial run reuses") as caught:
        run(numbers(tmp_path, connection), "a", "Double", None)
    assert "without --from" in caught.value.cure


def test_no_ends_are_a_full_run():
    assert run_options(None, None) is None
