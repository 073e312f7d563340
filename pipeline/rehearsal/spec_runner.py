"""Runs a compiled pipeline on this machine, task by task, as Vertex AI would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.cli.run_root import new_log, sole_run
from pipeline.cli.status import Observer, State
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.container import Containers
from pipeline.rehearsal.image_environment import Environment
from pipeline.rehearsal.outcome import Rehearsed, conclude
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.replacements import replaced
from pipeline.rehearsal.spec import Job
from pipeline.rehearsal.store import Store
from pipeline.rehearsal.task_runner import TaskRunner, observed
from pipeline.rehearsal.vertex_service import Vertex
from pipeline.settings import ROOT

ENVIRONMENT = "environment"
"""What an observer is told of before the first task: the containers' environment is made."""


def rehearse(
    job: Mapping[str, Any],
    root: Path,
    *,
    source: str,
    observer: Observer,
    from_task: str | None = None,
    uploads: Mapping[str, Path] | None = None,
    environment: Environment | None = None,
) -> Rehearsed:
    """Rehearses a compiled pipeline, and returns what came of it.

    Args:
        job: The PipelineJob of schema 2.1, as JSON values.
        root: Folder of all that rehearsals write; a second one finds what the first made.
        source: What stands in for the table, as `open_source` takes it.
        observer: Who is told how it goes.
        from_task: First task to run; what does not depend on it is reused from the latest
            rehearsal.
        uploads: Files that are copied to gs:// names before a run is submitted.
        environment: Where the containers run; one of this checkout, under the root, if None.

    Raises:
        UserError: If the pipeline cannot be rehearsed.
        TaskFailed: If a task failed.
    """
    root = root.resolve()
    environment = environment or Environment(root / "environment", ROOT)
    written = Job(job)
    compiled = Job(replaced(job, source, environment.source / "setup.py"))
    rerun = compiled.downstream(from_task) if from_task else set(compiled.tasks)
    with sole_run(root, "--root"):
        buckets = Buckets(root / "buckets")
        store = Store(root / "store.json")
        home, logs = root / "home", new_log(root, suffix="", option="--root")
        home.mkdir(exist_ok=True)
        logs.mkdir()
        outcome = Rehearsed(logs)
        processes = Processes(environment.variables(home), home)
        with Vertex(processes, buckets, root / "endpoints", logs) as vertex:
            containers = Containers(compiled, written, processes, buckets, store, vertex, logs)
            runner = TaskRunner(compiled, rerun, containers, store, observer)
            observer.planned([ENVIRONMENT, *compiled.tasks])
            buckets.upload(uploads or {})
            observed(observer, ENVIRONMENT, lambda: (_made(environment), None))
            try:
                runner.run(outcome)
                containers.tell_run(outcome.states, runner.outputs, None)
            finally:
                processes.stop()
        conclude(outcome, compiled, runner.outputs, buckets, vertex.folder_of)
    return outcome


def _made(environment: Environment) -> State:
    return State.DONE if environment.make() else State.REUSED
