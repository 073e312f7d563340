"""The tasks of a pipeline spec; known without loading TFX."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any


def all_tasks(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tasks of a pipeline spec that run something, by name.

    Args:
        spec: The `pipelineSpec` of a job. With an exit handler, it holds the others in one task.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, task in spec["root"]["dag"]["tasks"].items():
        found |= _held(spec, task) or {name: task}
    return found


def tasks_in_order(spec: Mapping[str, Any]) -> dict[str, list[str]]:
    """The tasks of a pipeline spec, in an order in which they can run.

    Returns:
        By task, the tasks it waits for: those it names, and those whose artifacts or parameters it
        takes.
    """
    held = {name: _held(spec, task) for name, task in spec["root"]["dag"]["tasks"].items()}
    waits = {
        name: [each for before in _waits_for(task) for each in held.get(before) or [before]]
        for name, task in sorted(all_tasks(spec).items())
    }
    return {name: waits[name] for name in TopologicalSorter(waits).static_order()}


def _held(spec: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tasks that a task holds; none if it runs something itself."""
    component = spec.get("components", {}).get(task["componentRef"]["name"], {})
    return component.get("dag", {}).get("tasks", {})


def _waits_for(task: Mapping[str, Any]) -> list[str]:
    inputs = task.get("inputs", {})
    taken = [*inputs.get("artifacts", {}).values(), *inputs.get("parameters", {}).values()]
    producers = {
        source["producerTask"]
        for value in taken
        for kind in ("taskOutputArtifact", "taskOutputParameter")
        if (source := value.get(kind))
    }
    return sorted(producers | set(task.get("dependentTasks", [])))
