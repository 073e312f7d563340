"""The tasks of a pipeline spec; known without loading TFX."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any


def tasks_in_order(spec: Mapping[str, Any]) -> dict[str, list[str]]:
    """The tasks of a pipeline spec, in an order in which they can run.

    Args:
        spec: The `pipelineSpec` of a job.

    Returns:
        By task, the tasks it waits for: those it names, and those whose artifacts or parameters it
        takes.
    """
    waits = {name: _waits_for(task) for name, task in sorted(spec["root"]["dag"]["tasks"].items())}
    return {name: waits[name] for name in TopologicalSorter(waits).static_order()}


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
