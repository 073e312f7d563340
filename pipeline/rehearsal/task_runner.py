"""Runs the tasks of a pipeline in order, each on what those before it made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from common.errors import UserError
from pipeline.cli.status import Observer, State
from pipeline.rehearsal.container import Containers, TaskFailed
from pipeline.rehearsal.filters import Filter
from pipeline.rehearsal.outcome import Rehearsed
from pipeline.rehearsal.spec import Job, Task
from pipeline.rehearsal.store import Outputs, Store

Made = TypeVar("Made")


def observed(
    observer: Observer, name: str, work: Callable[[], tuple[State, Made]]
) -> tuple[State, Made, float]:
    """Does something while an observer is told; the third value is how many seconds it took."""
    started = time.monotonic()
    observer.changed(name, State.RUNNING)
    state = State.FAILED
    try:
        state, made = work()
    finally:
        seconds = time.monotonic() - started
        observer.changed(name, state, seconds)
    return state, made, seconds


class TaskRunner:
    """Runs the tasks of a pipeline.

    Args:
        job: The pipeline.
        rerun: Names of the tasks to run; other containers' outputs are reused.
        containers: Runs containers.
        store: Knows what earlier rehearsals made.
        observer: Who is told.

    Attributes:
        outputs: What each task made, so far.

    Raises:
        UserError: If a filter says something that is not known.
    """

    def __init__(
        self, job: Job, rerun: set[str], containers: Containers, store: Store, observer: Observer
    ) -> None:
        self.outputs: dict[str, Outputs] = {}
        self._job = job
        self._filters = {
            task.name: {key: Filter(text) for key, text in task.filters.items()}
            for task in job.tasks.values()
        }
        self._rerun = rerun
        self._containers = containers
        self._store = store
        self._observer = observer

    def run(self, outcome: Rehearsed) -> None:
        """Runs them; the first that fails is the last, but for an exit handler.

        Raises:
            UserError: If one cannot run.
            TaskFailed: If one failed.
        """
        before = self._store.begin(self._job.tasks)
        for task in self._job.tasks.values():
            if self._reuses(task) and task.name not in before:
                raise UserError(
                    f"The latest rehearsal has no outputs of {task.name} to reuse.",
                    f"Rehearse without --from, or from {task.name}.",
                )
        at_exit = [task for task in self._job.tasks.values() if task.at_exit]
        try:
            for task in self._job.tasks.values():
                if not task.at_exit:
                    self._observe(task, before, outcome)
        except TaskFailed as failure:
            for task in at_exit:
                self._observe(self._told(task, outcome, failure), before, outcome)
            raise
        for task in at_exit:
            self._observe(self._told(task, outcome), before, outcome)

    def _observe(self, task: Task, before: Mapping[str, Outputs], outcome: Rehearsed) -> None:
        state, made, seconds = observed(self._observer, task.name, lambda: self._run(task, before))
        self.outputs[task.name] = made
        self._store.ended(task.name, made)
        outcome.states[task.name], outcome.seconds[task.name] = state, seconds

    def _told(self, task: Task, outcome: Rehearsed, failure: TaskFailed | None = None) -> Task:
        """An exit handler, told how the tasks ended."""
        status = self._containers.tell_run(outcome.states, self.outputs, failure)
        given = {task.final_status: json.dumps(status)} if task.final_status else {}
        return replace(task, parameters={**task.parameters, **given})

    def _reuses(self, task: Task) -> bool:
        """Resolvers are asked again: that costs nothing."""
        return task.container is not None and task.name not in self._rerun

    def _run(self, task: Task, before: Mapping[str, Outputs]) -> tuple[State, Outputs]:
        if self._reuses(task):
            return State.REUSED, before[task.name]
        inputs = {
            key: self.outputs[producer].get(output, [])
            for key, (producer, output) in task.inputs.items()
        }
        if task.container is None:
            found, filters = self._store.artifacts, self._filters[task.name]
            return State.DONE, {key: f.latest(found, inputs) for key, f in filters.items()}
        return self._containers.run(task, task.container, inputs)
