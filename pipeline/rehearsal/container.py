"""The containers of tasks: their inputs and outputs as Vertex AI tells them, and their cache."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from pipeline.cli.status import State
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.image_environment import LOOPBACK
from pipeline.rehearsal.processes import Processes, end_of
from pipeline.rehearsal.replacements import WEBHOOK, talks_to_google
from pipeline.rehearsal.spec import ContainerSpec, Job, Task
from pipeline.rehearsal.store import Artifact, Outputs, Store, cache_key, new_name
from pipeline.rehearsal.vertex_service import Vertex

Json = dict[str, Any]

EXECUTOR_INPUT = "{{$}}"
"""The one placeholder that TFX writes into a command: all that Vertex AI tells a task."""


class TaskFailed(UserError):  # noqa: N818, as one says it
    """A container ended with an error: `how` is the end of a sentence, `end` that of its log."""

    def __init__(self, task: str, how: str, end: str, log: Path) -> None:
        super().__init__(
            f"{task} {how} The end of its log:\n\n{end}\n",
            f"The whole log is {log}. Once it is mended, --from {task} continues there.",
        )
        self.task = task
        self.how = how
        self.log = log

    def __reduce__(self) -> tuple[Any, ...]:
        return UserError, (self.cause, self.cure)


@dataclass(frozen=True)
class Containers:
    """Runs containers.

    Attributes:
        job: The pipeline.
        written: The same, as it would be sent to Vertex AI: what its cache goes by.
        processes: Starts them.
        buckets: Stand in for Cloud Storage.
        store: Knows what earlier ones made.
        vertex: Answers what they ask of Vertex AI.
        logs: Folder of their logs; its name is the run's.

    Raises:
        UserError: If a command says something that is not known.
    """

    job: Job
    written: Job
    processes: Processes
    buckets: Buckets
    store: Store
    vertex: Vertex
    logs: Path

    def __post_init__(self) -> None:
        for task in self.job.tasks.values():
            if task.container:
                _check(task.name, task.container)

    @property
    def _run_id(self) -> str:
        return f"{self.job.name}-{self.logs.name}"

    def run(
        self, task: Task, container: ContainerSpec, inputs: Mapping[str, list[Artifact]]
    ) -> tuple[State, Outputs]:
        """Runs a container, or finds what an equal one made earlier; says which, and what.

        Raises:
            TaskFailed: If it failed.
        """
        key = None
        if task.caches:
            key = self._cache_key(task.name, inputs)
            earlier = self.store.cached(key)
            if earlier is not None and self._still_there(earlier):
                return State.CACHED, earlier
        root = f"{self.job.output_directory}/1/{self._run_id}"
        folder = f"{root}/{task.name}_{uuid.uuid4().int % 10**18}"
        self.buckets.path(folder).mkdir(parents=True)
        outputs = {
            output: [Artifact(name=new_name(), uri=f"{folder}/{output}", type=dict(kind))]
            for output, kind in task.outputs.items()
        }
        output_file = f"{folder}/executor_output.json"
        self._launch(task, container, _executor_input(task, inputs, outputs, output_file))
        self._update(outputs, output_file)
        self.store.add(outputs, key)
        return State.DONE, outputs

    def _cache_key(self, name: str, inputs: Mapping[str, list[Artifact]]) -> str:
        """What Vertex AI goes by: no content of files or tables, and no code in the image."""
        task = self.written.tasks[name]
        container = task.container.model_dump() if task.container else {}
        given = {key: [artifact.name for artifact in found] for key, found in inputs.items()}
        return cache_key([self.written.name, container, task.outputs, given, task.parameters])

    def tell_run(
        self, states: Mapping[str, State], made: Mapping[str, Outputs], failure: TaskFailed | None
    ) -> Json:
        """Has Vertex AI know how the tasks ended, as it does at the end, and for an exit handler.

        Returns:
            The PipelineTaskFinalStatus.
        """
        details = [
            {"taskName": name, "state": "SUCCEEDED", "outputs": _listed_outputs(made[name])}
            for name in states
        ]
        status: Json = {"state": "FAILED" if failure else "SUCCEEDED", "error": {}}
        if failure:
            status["error"] = {"code": 9, "message": f"it {failure.how}"}
            details.append({"taskName": failure.task, "state": "FAILED", "error": status["error"]})
        name = self.vertex.add_run(self._run_id, self.written.name, details)
        return {**status, "pipelineJobResourceName": name, "pipelineTaskName": "tfx-dag"}

    def _launch(self, task: Task, container: ContainerSpec, executor_input: Json) -> None:
        log = self.logs / f"{task.name}.log"
        told = json.dumps(executor_input, ensure_ascii=False)
        text = self.buckets.local(told).replace(WEBHOOK, self.vertex.webhook)
        command = [
            text if part == EXECUTOR_INPUT else self.buckets.local(part)
            for part in (*container.command, *container.args)
        ]
        talks = task.at_exit or talks_to_google(task.parameters)
        variables = {LOOPBACK: json.dumps(self.vertex.access())} if talks else {}
        self.vertex.task = task.name
        jobs = set(self.vertex.jobs)
        status = self.processes.run(command, log, variables)
        if status == 0:
            return
        failed = [j for n, j in self.vertex.jobs.items() if n not in jobs and j.error]
        if failed:
            raise self._failed(task, f"failed: {failed[0].error}", failed[0].failed_log or log)
        how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
        raise self._failed(task, f"{how}.", log)

    def _failed(self, task: Task, how: str, log: Path) -> TaskFailed:
        return TaskFailed(task.name, how, self.buckets.remote(end_of(log)), log)

    def _update(self, outputs: Outputs, output_file: str) -> None:
        """Reads what the executor wrote about its outputs; it need not write anything."""
        file = self.buckets.path(output_file)
        if not file.exists():
            return
        written = self.buckets.remote_json(json.loads(file.read_text(encoding="utf-8")))
        for key, listed in written.get("artifacts", {}).items():
            if key in outputs and listed.get("artifacts"):
                artifact, made = listed["artifacts"][0], outputs[key][0]
                made.uri = artifact.get("uri", made.uri)
                made.metadata |= artifact.get("metadata", {})

    def _still_there(self, outputs: Outputs) -> bool:
        return all(
            self.buckets.path(os.path.dirname(artifact.uri)).exists()
            for made in outputs.values()
            for artifact in made
        )


def _check(task: str, container: ContainerSpec) -> None:
    """Refuses before the first task what would else be refused after an hour."""
    for part in (*container.command, *container.args):
        if "{{$" in part and part != EXECUTOR_INPUT:
            raise UserError(
                f"The container of {task} has the placeholder {part!r}, which is not rehearsed.",
                "Use {{$}}, or teach pipeline/rehearsal/container.py what it means.",
            )


def _executor_input(
    task: Task, inputs: Mapping[str, list[Artifact]], outputs: Outputs, output_file: str
) -> Json:
    """The ExecutorInput of schema 2.1; what is empty is left out of it, as JSON of a proto does."""
    # An input for which a resolver found nothing is not mentioned.
    given = {key: _listed(found) for key, found in inputs.items() if found}
    made = {key: _listed(artifacts) for key, artifacts in outputs.items()}
    return {
        "inputs": _filled({"artifacts": given, "parameterValues": dict(task.parameters)}),
        "outputs": {**_filled({"artifacts": made}), "outputFile": output_file},
    }


def _listed(artifacts: list[Artifact]) -> Json:
    return {"artifacts": [artifact.model_dump() for artifact in artifacts]}


def _listed_outputs(outputs: Outputs) -> Json:
    """Outputs as Vertex AI tells of them."""
    return {
        key: {
            "artifacts": [
                {"name": a.name, "uri": a.uri, "schemaTitle": a.title, "metadata": a.metadata}
                for a in made
            ]
        }
        for key, made in outputs.items()
    }


def _filled(values: Json) -> Json:
    return {name: value for name, value in values.items() if value}
