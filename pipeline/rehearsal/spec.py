"""A compiled pipeline, as Vertex AI reads it: PipelineJob of schema 2.1, as far as TFX writes it.

A field that is not declared here is refused by its name: a rehearsal that skips something proves
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from common.errors import UserError
from pipeline.vertex.task_order import tasks_in_order

SCHEMA = "2.1"


class _Message(BaseModel):
    """A message of the schema; JSON has its fields in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class _Named(_Message):
    name: str


class _Produced(_Message):
    producer_task: str
    output_artifact_key: str


class _InputArtifact(_Message):
    task_output_artifact: _Produced


class _Constant(_Message):
    constant: Any


class _FinalStatus(_Message):
    producer_task: str


class _InputParameter(_Message):
    runtime_value: _Constant | None = None
    task_final_status: _FinalStatus | None = None


class _TriggerPolicy(_Message):
    strategy: Literal["ALL_UPSTREAM_TASKS_COMPLETED"]


class _Inputs(_Message):
    artifacts: dict[str, _InputArtifact] = {}
    parameters: dict[str, _InputParameter] = {}


class _CachingOptions(_Message):
    enable_cache: bool = False


class _RetryPolicy(_Message):
    max_retry_count: int
    backoff_duration: str
    backoff_factor: float
    backoff_max_duration: str


class _TaskSpec(_Message):
    component_ref: _Named
    task_info: _Named
    inputs: _Inputs = _Inputs()
    dependent_tasks: tuple[str, ...] = ()
    caching_options: _CachingOptions = _CachingOptions()
    trigger_policy: _TriggerPolicy | None = None
    retry_policy: _RetryPolicy | None = None  # Not acted on: what fails here fails again.


class _OutputArtifact(_Message):
    artifact_type: dict[str, str]


class _OutputDefinitions(_Message):
    artifacts: dict[str, _OutputArtifact] = {}


class _Dag(_Message):
    tasks: dict[str, _TaskSpec]


class _ComponentSpec(_Message):
    executor_label: str = ""
    dag: _Dag | None = None
    input_definitions: dict[str, Any] = {}
    output_definitions: _OutputDefinitions = _OutputDefinitions()


class ContainerSpec(_Message):
    """What a container runs."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()


class _ArtifactQuery(_Message):
    filter: str


class _ResolverSpec(_Message):
    output_artifact_queries: dict[str, _ArtifactQuery]


class _Executor(_Message):
    container: ContainerSpec | None = None
    resolver: _ResolverSpec | None = None


class _DeploymentSpec(_Message):
    executors: dict[str, _Executor]


class _Root(_Message):
    dag: _Dag


class _PipelineSpec(_Message):
    schema_version: str
    sdk_version: str = ""
    pipeline_info: _Named
    default_pipeline_root: str = ""
    root: _Root
    components: dict[str, _ComponentSpec]
    deployment_spec: _DeploymentSpec

    def task(self, name: str) -> _TaskSpec:
        """A task, also of those that an exit handler waits for."""
        dags = [self.root.dag, *(c.dag for c in self.components.values() if c.dag)]
        return next(dag.tasks[name] for dag in dags if name in dag.tasks)


class _RuntimeConfig(_Message):
    gcs_output_directory: str = ""


@dataclass(frozen=True)
class Task:
    """One task, with all that the spec says of it.

    Attributes:
        name: Its name.
        upstream: The tasks it waits for.
        inputs: For each input artifact, the task that makes it and under which key.
        parameters: Their values.
        outputs: The type of each output artifact.
        container: What it runs; None for a resolver.
        filters: Of a resolver, the filter of each output.
        caches: Whether earlier outputs may be reused.
        at_exit: Whether it runs whatever becomes of the tasks it waits for.
        final_status: Its parameter that tells how those ended, if it has one.
    """

    name: str
    upstream: frozenset[str]
    inputs: Mapping[str, tuple[str, str]]
    parameters: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, str]]
    container: ContainerSpec | None
    filters: Mapping[str, str]
    caches: bool
    at_exit: bool = False
    final_status: str | None = None


class Job:
    """A compiled pipeline.

    Args:
        job: The PipelineJob, as JSON values.

    Attributes:
        name: The pipeline's.
        output_directory: gs:// folder of what tasks write.
        tasks: By name, each behind those it waits for.

    Raises:
        UserError: If it has something that cannot be rehearsed.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        raw = job.get("pipelineSpec", {})
        version = str(raw.get("schemaVersion", "none"))
        if not version.startswith(SCHEMA):
            raise UserError(
                f"The spec has schema version {version}; a rehearsal reads {SCHEMA}.",
                "Compile it with use_pipeline_spec_2_1=True, to JSON.",
            )
        try:
            spec = _PipelineSpec.model_validate(raw)
            runtime = _RuntimeConfig.model_validate(job.get("runtimeConfig", {}))
        except ValidationError as error:
            raise _refused(error) from error
        root = runtime.gcs_output_directory or spec.default_pipeline_root
        if not root.startswith("gs://"):
            raise UserError(
                f"The pipeline's root is {root or 'not set'}; tasks of Vertex AI write to gs://.",
                "Compile it with a gs:// folder as its root.",
            )
        self.name = spec.pipeline_info.name
        self.output_directory = root.rstrip("/")
        self.tasks = {
            name: _task(name, upstream, spec) for name, upstream in tasks_in_order(raw).items()
        }

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


def _task(name: str, upstream: list[str], spec: _PipelineSpec) -> Task:
    task = spec.task(name)
    component = spec.components[task.component_ref.name]
    executor = spec.deployment_spec.executors[component.executor_label]
    queries = executor.resolver.output_artifact_queries if executor.resolver else {}
    sources = {key: i.task_output_artifact for key, i in task.inputs.artifacts.items()}
    return Task(
        name=name,
        upstream=frozenset(upstream),
        inputs={k: (s.producer_task, s.output_artifact_key) for k, s in sources.items()},
        parameters={
            k: p.runtime_value.constant
            for k, p in task.inputs.parameters.items()
            if p.runtime_value
        },
        outputs={k: o.artifact_type for k, o in component.output_definitions.artifacts.items()},
        container=executor.container,
        filters={key: query.filter for key, query in queries.items()},
        caches=task.caching_options.enable_cache,
        at_exit=task.trigger_policy is not None,
        final_status=next(
            (k for k, p in task.inputs.parameters.items() if p.task_final_status), None
        ),
    )


def _refused(error: ValidationError) -> UserError:
    """What the spec has, and the models above have not; or the other way round."""
    found = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")[0]
    place = ".".join(map(str, found["loc"]))
    what = f"has {place}" if found["type"] == "extra_forbidden" else f"lacks a {place}"
    return UserError(
        f"The spec {what}, which is not rehearsed.",
        "Rehearse a pipeline as TFX compiles it, or teach pipeline/rehearsal/spec.py the rest.",
    )
