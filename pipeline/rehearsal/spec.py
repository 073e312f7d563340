"""A compiled pipeline, as Vertex AI reads it: PipelineJob, schema 2.1.

What this module does not know, it refuses: a rehearsal that skips something proves nothing.
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import UserError

SCHEMA = "2.1"
KINDS = ("container", "importer", "resolver")

_TASK_FIELDS = {
    *("taskInfo", "componentRef", "inputs", "dependentTasks", "cachingOptions", "triggerPolicy"),
    "retryPolicy",  # Here the first failure is what one wants to see.
}
_REFUSED = "Rehearse a pipeline as TFX compiles it, or teach pipeline/rehearsal/ what this means."


@dataclass(frozen=True)
class Task:
    """One task, with all that the spec says of it.

    Attributes:
        name: Its name.
        kind: One of `KINDS`.
        spec: The PipelineTaskSpec.
        component: The ComponentSpec it refers to.
        executor: The container, importer or resolver spec.
    """

    name: str
    kind: str
    spec: Mapping[str, Any]
    component: Mapping[str, Any]
    executor: Mapping[str, Any]

    @property
    def artifacts(self) -> dict[str, tuple[str, str]]:
        """For each input artifact, the task that makes it and under which key."""
        inputs = self.spec.get("inputs", {}).get("artifacts", {})
        sources = {key: value.get("taskOutputArtifact") for key, value in inputs.items()}
        for key, source in sources.items():
            if source is None:
                raise _unknown(f"Input {key} of task {self.name} is {list(inputs[key])}")
        return {k: (s["producerTask"], s["outputArtifactKey"]) for k, s in sources.items()}

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Where each parameter comes from."""
        return self.spec.get("inputs", {}).get("parameters", {})

    @property
    def outputs(self) -> dict[str, Mapping[str, Any]]:
        """What each output artifact is declared to be."""
        return self.component.get("outputDefinitions", {}).get("artifacts", {})

    @property
    def output_parameters(self) -> dict[str, Mapping[str, Any]]:
        """What each output parameter is declared to be."""
        return self.component.get("outputDefinitions", {}).get("parameters", {})

    @property
    def condition(self) -> str | None:
        """A CEL expression that must be true for the task to run."""
        return self.spec.get("triggerPolicy", {}).get("condition")

    @property
    def caches(self) -> bool:
        """Whether earlier outputs may be reused."""
        return bool(self.spec.get("cachingOptions", {}).get("enableCache"))

    @property
    def upstream(self) -> set[str]:
        """The tasks it waits for: those it names, and those whose outputs it reads."""
        read = {producer for producer, _ in self.artifacts.values()}
        for parameter in self.parameters.values():
            if "taskOutputParameter" in parameter:
                read.add(parameter["taskOutputParameter"]["producerTask"])
        return read | set(self.spec.get("dependentTasks", ()))


class Job:
    """A compiled pipeline.

    Args:
        job: The PipelineJob, as JSON values.

    Raises:
        UserError: If it has something that cannot be rehearsed.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        spec = job.get("pipelineSpec", {})
        version = str(spec.get("schemaVersion", "none"))
        if not version.startswith(SCHEMA):
            raise UserError(
                f"The spec has schema version {version}; a rehearsal reads {SCHEMA}.",
                "Compile it with use_pipeline_spec_2_1=True, to JSON.",
            )
        self.name: str = spec.get("pipelineInfo", {}).get("name", "pipeline")
        runtime = job.get("runtimeConfig", {})
        root = runtime.get("gcsOutputDirectory") or spec.get("defaultPipelineRoot") or ""
        if not root.startswith("gs://"):
            raise UserError(
                f"The pipeline's root is {root or 'not set'}; tasks of Vertex AI write to gs://.",
                "Compile it with a gs:// folder as its root.",
            )
        self.output_directory: str = root.rstrip("/")
        self._given = runtime.get("parameterValues", {})
        self._declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        tasks = spec["root"].get("dag", {}).get("tasks", {})
        read = {name: _task(name, task, spec) for name, task in tasks.items()}
        self.tasks: dict[str, Task] = {name: read[name] for name in _order(read)}

    def parameter_values(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Runtime parameters: chosen ones, then those of the job, then defaults.

        Args:
            chosen: Values by name, of the declared type or as text.

        Raises:
            UserError: If one is not declared, has no value, or is not of its type.
        """
        for name in chosen:
            if name not in self._declared:
                raise UserError(
                    f"The pipeline has no runtime parameter {name}.",
                    f"It has {', '.join(sorted(self._declared)) or 'none'}.",
                )
        values = {}
        for name, declared in self._declared.items():
            if name in chosen:
                values[name] = _typed(name, chosen[name], declared)
            elif name in self._given:
                values[name] = self._given[name]
            elif "defaultValue" in declared:
                values[name] = declared["defaultValue"]
            elif not declared.get("isOptional"):
                raise UserError(
                    f"Runtime parameter {name} has no value and no default.", f"Set {name}."
                )
        return values

    def downstream(self, first: str) -> set[str]:
        """A task and all that depends on it.

        Raises:
            UserError: If there is no such task.
        """
        if first not in self.tasks:
            raise UserError(
                f"There is no task {first} to start from.", f"There are {', '.join(self.tasks)}."
            )
        found = {first}
        for task in self.tasks.values():  # In order, so one pass is enough.
            if task.upstream & found:
                found.add(task.name)
        return found


def artifact_title(artifact_type: Mapping[str, str]) -> str:
    """Title of an artifact type, such as `tfx.Model`."""
    if "schemaTitle" in artifact_type:
        return artifact_type["schemaTitle"]
    match = re.search(r"^title: *(\S+)", artifact_type.get("instanceSchema", ""), re.MULTILINE)
    return match[1] if match else "system.Artifact"


def _task(name: str, spec: Mapping[str, Any], pipeline: Mapping[str, Any]) -> Task:
    unknown = set(spec) - _TASK_FIELDS
    if unknown:
        raise _unknown(f"Task {name} has {', '.join(sorted(unknown))}")
    strategy = spec.get("triggerPolicy", {}).get("strategy", "ALL_UPSTREAM_TASKS_SUCCEEDED")
    if strategy != "ALL_UPSTREAM_TASKS_SUCCEEDED":
        raise _unknown(f"Task {name} has the trigger strategy {strategy}")
    component = pipeline["components"][spec["componentRef"]["name"]]
    if "executorLabel" not in component:
        raise _unknown(f"Task {name} is a pipeline within the pipeline")
    executor = pipeline["deploymentSpec"]["executors"][component["executorLabel"]]
    kind = next((kind for kind in KINDS if kind in executor), None)
    if kind is None:
        raise _unknown(f"The executor of task {name} is {', '.join(executor) or 'empty'}")
    for key, parameter in spec.get("inputs", {}).get("parameters", {}).items():
        _check_parameter(f"Parameter {key} of task {name}", parameter)
    return Task(name, kind, spec, component, executor[kind])


def _check_parameter(what: str, parameter: Mapping[str, Any]) -> None:
    if "runtimeValue" in parameter:
        if "constant" not in parameter["runtimeValue"]:
            raise _unknown(f"{what} is {', '.join(parameter['runtimeValue'])}")
    elif not {"componentInputParameter", "taskOutputParameter"} & set(parameter):
        raise _unknown(f"{what} is {', '.join(parameter)}")


def _order(tasks: Mapping[str, Task]) -> list[str]:
    """Each task after those it waits for; else by name, so that it is always the same."""
    for task in tasks.values():
        for name in sorted(task.upstream - set(tasks)):
            raise UserError(
                f"Task {task.name} waits for {name}, which the pipeline has not.",
                "The spec is damaged, or was edited by hand: compile it again.",
            )
    sorter = graphlib.TopologicalSorter({t.name: t.upstream for t in tasks.values()})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise UserError(
            f"These tasks wait for each other: {', '.join(error.args[1])}.",
            "The spec is damaged, or was edited by hand: compile it again.",
        ) from error
    order: list[str] = []
    while sorter.is_active():
        ready: Iterable[str] = sorted(sorter.get_ready())
        order.extend(ready)
        sorter.done(*ready)
    return order


def _typed(name: str, value: Any, declared: Mapping[str, Any]) -> Any:
    kind = declared.get("parameterType", "STRING")
    try:
        if kind == "NUMBER_INTEGER":
            return int(value)
        if kind == "NUMBER_DOUBLE":
            return float(value)
        if kind == "BOOLEAN":
            return {"true": True, "false": False}[str(value).lower()]
    except (ValueError, KeyError) as error:
        raise UserError(
            f"Runtime parameter {name} is {value!r}, and should be {kind}.", f"Change {name}."
        ) from error
    if kind != "STRING":
        raise _unknown(f"Runtime parameter {name} is of type {kind}")
    return str(value)


def _unknown(what: str) -> UserError:
    return UserError(f"{what}, which is not rehearsed.", _REFUSED)
