"""Runs the tasks of a pipeline: when each runs, on what, and what it made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from common.errors import UserError
from pipeline.rehearsal.conditions import Condition
from pipeline.rehearsal.container import Container
from pipeline.rehearsal.filters import Filter
from pipeline.rehearsal.outcome import Rehearsed
from pipeline.rehearsal.spec import Job, Task
from pipeline.rehearsal.store import Outputs, Store
from pipeline.cli.status import Observer, State

Made = TypeVar("Made")


def observed(
    observer: Observer, name: str, work: Callable[[], tuple[State, Made]]
) -> tuple[State, Made, float]:
    """Does something while an observer is told.

    Args:
        observer: Who is told.
        name: Of what.
        work: Does it; returns how it ended, and what it made.

    Returns:
        The same, and how many seconds it took.
    """
    started = time.monotonic()
    observer.changed(name, State.RUNNING)
    state = State.FAILED
    try:
        state, made = work()
    finally:
        seconds = time.monotonic() - started
        observer.changed(name, state, seconds)
    return state, made, seconds


class Tasks:
    """The tasks of a pipeline, in order.

    Args:
        job: The pipeline.
        values: Its runtime parameters.
        rerun: Names of the tasks to run; other containers' outputs are reused.
        container: Runs containers.
        store: Knows what earlier rehearsals made.
        observer: Who is told.

    Attributes:
        outputs: What each task made, so far.

    Raises:
        UserError: If a filter, a condition or a container says something that is not known.
    """

    def __init__(
        self,
        job: Job,
        values: Mapping[str, Any],
        rerun: set[str],
        container: Container,
        store: Store,
        observer: Observer,
    ) -> None:
        self.outputs: dict[str, Outputs] = {}
        self._job = job
        self._values = values
        self._conditions = {
            t.name: Condition(t.condition) for t in job.tasks.values() if t.condition
        }
        self._filters = {t.name: _filters(t) for t in job.tasks.values() if t.kind == "resolver"}
        self._rerun = rerun
        self._container = container
        self._store = store
        self._observer = observer

    def run(self, outcome: Rehearsed) -> None:
        """Runs them; the first that fails is the last.

        Args:
            outcome: Gets how each ended.

        Raises:
            UserError: If one cannot run.
            TaskFailed: If one failed.
        """
        before = self._store.begin()
        for task in self._job.tasks.values():
            if self._reuses(task) and task.name not in before:
                raise UserError(
                    f"The latest rehearsal has no outputs of {task.name} to reuse.",
                    f"Rehearse without --from, or from {task.name}.",
                )
        for task in self._job.tasks.values():
            state, made, seconds = observed(
                self._observer, task.name, lambda task=task: self._task(task, before)
            )
            self.outputs[task.name] = made
            self._store.ended(task.name, made)
            outcome.states[task.name], outcome.seconds[task.name] = state, seconds

    def _reuses(self, task: Task) -> bool:
        """Resolvers and importers are asked again: that costs nothing."""
        return task.kind == "container" and task.name not in self._rerun

    def _task(self, task: Task, before: Mapping[str, Outputs]) -> tuple[State, Outputs]:
        if self._reuses(task):
            made = before[task.name]
            return State.SKIPPED if made.skipped else State.REUSED, made
        if any(self.outputs[name].skipped for name in task.upstream):
            return State.SKIPPED, Outputs(skipped=True)
        inputs = {
            key: self.outputs[producer].artifacts.get(output, [])
            for key, (producer, output) in task.artifacts.items()
        }
        parameters = {k: self._parameter(task, p) for k, p in task.parameters.items()}
        condition = self._conditions.get(task.name)
        if condition and not condition.holds(inputs, parameters):
            return State.SKIPPED, Outputs(skipped=True)
        if task.kind == "resolver":
            return State.DONE, self._resolve(task, inputs)
        if task.kind == "importer":
            return State.DONE, self._import(task, parameters)
        return self._container.run(task, inputs, parameters)

    def _parameter(self, task: Task, parameter: Mapping[str, Any]) -> Any:
        if "runtimeValue" in parameter:
            return parameter["runtimeValue"]["constant"]
        if "componentInputParameter" in parameter:
            return self._runtime(task, parameter["componentInputParameter"])
        source = parameter["taskOutputParameter"]
        producer, key = source["producerTask"], source["outputParameterKey"]
        try:
            return self.outputs[producer].parameters[key]
        except KeyError as error:
            raise UserError(
                f"{task.name} needs parameter {key} of {producer}, which did not put it out.",
                f"See the log of {producer}.",
            ) from error

    def _runtime(self, task: Task, name: str) -> Any:
        if name not in self._values:
            raise UserError(
                f"{task.name} needs the runtime parameter {name}, which the pipeline has not.",
                "The spec is damaged, or was edited by hand: compile it again.",
            )
        return self._values[name]

    def _resolve(self, task: Task, inputs: Mapping[str, list[Any]]) -> Outputs:
        found = self._store.artifacts
        return Outputs({k: f.latest(found, inputs) for k, f in self._filters[task.name].items()})

    def _import(self, task: Task, parameters: Mapping[str, Any]) -> Outputs:
        source, metadata = task.executor["artifactUri"], task.executor.get("metadata", {})
        uri = source["constant"] if "constant" in source else parameters[source["runtimeParameter"]]
        kind = task.executor["typeSchema"]
        found = [] if task.executor.get("reimport") else self._store.imported(uri, kind, metadata)
        if not found:
            found = [{"name": self._store.name(), "uri": uri, "type": kind, "metadata": metadata}]
        outputs = Outputs(dict.fromkeys(task.outputs, found))
        self._store.add(outputs)
        return outputs


def _filters(resolver: Task) -> dict[str, Filter]:
    queries = resolver.executor["outputArtifactQueries"]
    return {key: Filter(query["filter"]) for key, query in queries.items()}
