"""Runs that are killed or stopped leave a root on which the next run carries on."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import Ended, Project
from ml_metadata.proto import metadata_store_pb2

pytestmark = pytest.mark.slow

LONG = ("--train-steps", "1500", "--checkpoint-interval", "50")
SENTENCE = (
    "Stopped in {}. The next run continues with what is done, "
    "and training from its last checkpoint.\n"
)


def test_killed_again_and_again_it_ends_well(project: Project):
    """One root, on which each run is killed a little later than the one before."""
    for component in ("BigQueryExampleGen", "Transform"):
        ended = project.stop(signal.SIGKILL, running(project, component), *LONG)
        assert ended.status == -signal.SIGKILL
        assert project.states[component] == "RUNNING"

    stopped = project.stop(signal.SIGTERM, running(project, "Transform"), *LONG, times=2)
    assert_calm_stop(stopped, "Transform")

    ended = project.stop(signal.SIGKILL, checkpointed(project), *LONG)
    assert ended.status == -signal.SIGKILL
    assert project.states["Transform"] == "COMPLETE"
    assert project.states["Trainer"] == "RUNNING"
    trained = last_step(project)

    stopped = project.stop(signal.SIGINT, trained_beyond(project, trained), *LONG, times=2)
    assert_calm_stop(stopped, "Trainer")
    assert project.states["Transform"] == "CACHED"
    assert first_step(project) > 50, "it went on from its checkpoint"

    ended = project.stop(signal.SIGKILL, running(project, "Evaluator"), *LONG)
    assert ended.status == -signal.SIGKILL
    assert project.states["Trainer"] == "COMPLETE"
    assert project.states["Evaluator"] == "RUNNING"
    assert first_step(project) > 50, "it went on from its checkpoint"
    assert last_step(project) == 1500

    ended = project.stop(signal.SIGKILL, pushing(project), *LONG)
    assert ended.status == -signal.SIGKILL

    ended = project.run(*LONG)
    assert ended.status == 0, ended.out
    assert project.states["Trainer"] == "CACHED"
    assert project.states["Pusher"] in ("COMPLETE", "CACHED")
    assert "Pushed to" in ended.out
    assert_nothing_is_left(project)


def running(project: Project, component: str) -> Callable[[], bool]:
    """Whether a component has been started that was not there before."""
    work = project.root / "pipeline" / component / ".system" / "executor_execution"
    return new_in(work, "*")


def pushing(project: Project) -> Callable[[], bool]:
    return new_in(project.root / "serving" / "natality", "*")


def new_in(folder: Path, pattern: str) -> Callable[[], bool]:
    before = set(folder.glob(pattern))
    return lambda: bool(set(folder.glob(pattern)) - before)


def checkpointed(project: Project) -> Callable[[], bool]:
    return lambda: (
        any((project.root / "checkpoints").glob("*/backup/*/*.index")) and bool(steps(project))
    )


def trained_beyond(project: Project, step: int) -> Callable[[], bool]:
    before = project.log
    return lambda: project.log != before and any(s > step for s in steps(project))


def steps(project: Project) -> list[int]:
    """The steps the latest log tells of."""
    return [int(step) for step in re.findall(r"step (\d+): rmse", project.log.read_text())]


def first_step(project: Project) -> int:
    return steps(project)[0]


def last_step(project: Project) -> int:
    return steps(project)[-1]


def assert_calm_stop(ended: Ended, component: str) -> None:
    assert ended.status == 130
    assert ended.out.endswith(SENTENCE.format(component))
    assert ended.out.count("Stopped") == 1
    assert "Traceback" not in ended.out
    assert ended.err == ""


def assert_nothing_is_left(project: Project) -> None:
    """Neither executions that seem to run nor what they wrote."""
    executions = project.store.get_executions()
    states = {execution.id: execution.last_known_state for execution in executions}
    assert metadata_store_pb2.Execution.RUNNING not in states.values()
    cancelled = [i for i, s in states.items() if s == metadata_store_pb2.Execution.CANCELED]
    assert len(cancelled) >= 4
    for execution in cancelled:
        assert not list((project.root / "pipeline").glob(f"*/*/{execution}"))
    assert not list((project.root / "checkpoints").iterdir())


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("loading", [False, True], ids=["at the start", "while libraries load"])
def test_stopped_before_the_first_component(
    project: Project, signal_: signal.Signals, loading: bool
):
    log = new_in(project.root / "logs", "*")
    process = project.start()
    when = log if loading else lambda: catches(process.pid, signal.SIGTERM)
    ended = project.end(process, signal_, when, times=2)
    assert ended.status == 130
    assert (ended.out + ended.err).count("Stopped") == 1
    assert "Traceback" not in ended.out + ended.err


def catches(pid: int, signal_: signal.Signals) -> bool:
    """Whether a process has got so far that it handles a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = re.findall(r"^SigCgt:\t([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (signal_ - 1) & 1)
