"""Runs the tasks of a pipeline in order, each on what those before it made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
) -> tuple[State, Made]:
    """Does something while an observer is told how it ends, and after how many seconds."""
    started = time.monotonic()
    observer.changed(name, State.RUNNING)
    state = State.FAILED
    try:
        state, made = work()
    finally:
        observer.changed(name, state, time.monotonic() - started)
    return state, made


@dataclass
class TaskRunner:
    """Runs the tasks of a pipeline.

    Attributes:
        job: The pipeline.
        rerun: Names of the tasks to run; other containers' outputs are reused.
        containers: Runs containers.
        store: Knows what earlier rehearsals made.
        observer: Who is told.
        outputs: What each task made, so far.

    Raises:
        UserError: If a filter says something that is not known.
    """

    job: Job
    rerun: set[str]
    containers: Containers
    store: Store
    observer: Observer
    outputs: dict[str, Outputs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._filters = {
            task.name: {key: Filter(text) for key, text in task.filters.items()}
            for task in self.job.tasks.values()
        }

    def run(self, outcome: Rehearsed) -> None:
        """Runs them; the first that fails is the last, but for an exit handler.

        Raises:
            UserError: If one cannot run.
            TaskFailed: If one failed.
        """
        before = self.store.begin(self.job.tasks)
        for task in self.job.tasks.values():
            if self._reuses(task) and task.name not in before:
                raise UserError(
                    f"The latest rehearsal has no outputs of {task.name} to reuse.",
                    f"Rehearse without --from, or from {task.name}.",
                )
        at_exit = [task for task in self.job.tasks.values() if task.at_exit]
        try:
            for task in self.job.tasks.values():
                if not task.at_exit:
                    self._observe(task, before, outcome)
        except TaskFailed as failure:
            for task in at_exit:
                self._observe(self._told(task, outcome, failure), before, outcome)
            raise
        for task in at_exit:
            self._observe(self._told(task, outcome), before, outcome)

    def _observe(self, task: Task, before: Mapping[str, Outputs], outcome: Rehearsed) -> None:
        state, made = observed(self.observer, task.name, lambda: self._run(task, before))
        self.outputs[task.name] = made
        self.store.ended(task.name, made)
        outcome.states[task.name] = state

    def _told(self, task: Task, outcome: Rehearsed, failure: TaskFailed | None = None) -> Task:
        """An exit handler, told how the tasks ended."""
        status = self.containers.tell_run(outcome.states, self.outputs, failure)
        given = {task.final_status: json.dumps(status)} if task.final_status else {}
        return replace(task, parameters={**task.parameters, **given})

    def _reuses(self, task: Task) -> bool:
        """Resolvers are asked again: that costs nothing."""
        return task.container is not None and task.name not in self.rerun

    def _run(self, task: Task, before: Mapping[str, Outputs]) -> tuple[State, Outputs]:
        if self._reuses(task):
            return State.REUSED, before[task.name]
        inputs = {
            key: self.outputs[producer].get(output, [])
            for key, (producer, output) in task.inputs.items()
        }
        if task.container is None:
            found, filters = self.store.artifacts, self._filters[task.name]
            return State.DONE, {key: f.latest(found, inputs) for key, f in filters.items()}
        return self.containers.run(task, task.container, inputs)
