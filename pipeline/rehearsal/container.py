"""One container of a task: its inputs and outputs as Vertex AI tells it, its driver, its cache."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from pipeline.rehearsal import placeholders
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.environment import LOOPBACK
from pipeline.rehearsal.processes import Processes, end_of
from pipeline.rehearsal.replacements import talks_to_vertex
from pipeline.rehearsal.spec import Job, Task
from pipeline.rehearsal.store import Artifact, Outputs, Store, cache_key
from pipeline.rehearsal.vertex_service import Vertex
from pipeline.cli.status import State

Json = dict[str, Any]


class TaskFailed(UserError):  # noqa: N818, as one says it
    """A container ended with an error.

    Args:
        task: The task.
        what: What ended, and how, as one sentence.
        end: The end of its log.
        log: The log.

    Attributes:
        task: The task.
        log: The log.
    """

    def __init__(self, task: str, what: str, end: str, log: Path) -> None:
        super().__init__(
            f"{what} The end of its log:\n\n{end}\n",
            f"The whole log is {log}. Once it is mended, --from {task} continues there.",
        )
        self.task = task
        self.log = log

    def __reduce__(self) -> tuple[Any, ...]:
        return UserError, (self.cause, self.cure)


class Container:
    """Runs containers.

    Args:
        job: The pipeline.
        processes: Starts them.
        buckets: Stand in for Cloud Storage.
        store: Knows what earlier ones made.
        vertex: Answers what they ask of Vertex AI.
        logs: Folder of their logs; its name is the run's.

    Raises:
        UserError: If a container says something that is not known.
    """

    def __init__(
        self,
        job: Job,
        processes: Processes,
        buckets: Buckets,
        store: Store,
        vertex: Vertex,
        logs: Path,
    ) -> None:
        self._root = f"{job.output_directory}/1/{job.name}-{logs.name}"
        self._run = {
            "pipeline_job_name": f"{job.name}-{logs.name}",
            "pipeline_job_uuid": logs.name,
            "pipeline_job_resource_name": (
                f"projects/1/locations/rehearsal/pipelineJobs/{job.name}-{logs.name}"
            ),
        }
        self._processes = processes
        self._buckets = buckets
        self._store = store
        self._vertex = vertex
        self._logs = logs
        for task in job.tasks.values():
            if task.kind == "container":
                _check(task)

    def run(
        self, task: Task, inputs: Mapping[str, list[Artifact]], parameters: Mapping[str, Any]
    ) -> tuple[State, Outputs]:
        """Runs a container, or finds what an equal one made earlier.

        Args:
            task: Its task.
            inputs: Input artifacts.
            parameters: Parameters.

        Raises:
            TaskFailed: If it failed.
        """
        number = str(uuid.uuid4().int % 10**18)
        folder = f"{self._root}/{task.name}_{number}"
        facts = self._run | {"pipeline_task_name": task.name, "pipeline_task_uuid": number}
        outputs = self._declared(task, folder)
        told = _executor_input(task, inputs, parameters, outputs, folder)
        self._buckets.path(folder).mkdir(parents=True)
        if _driver(task):
            self._launch(task, f"{task.name}-driver", _driver(task), told, facts)
        found = self._read(told["outputs"]["outputFile"])
        key = None
        if task.caches:
            names = {name: [a["name"] for a in given] for name, given in inputs.items()}
            key = cache_key([task.component, task.executor, names, parameters, _facts(found)])
            earlier = self._store.made(key)
            if earlier and self._still_there(earlier):
                shutil.rmtree(self._buckets.path(folder))
                return State.CACHED, earlier
        self._launch(task, task.name, task.executor, told, facts)
        made = self._collected(task, outputs, told)
        self._store.add(made, key)
        return State.DONE, made

    def _declared(self, task: Task, folder: str) -> dict[str, list[Artifact]]:
        return {
            key: [
                {
                    "name": self._store.name(),
                    "uri": f"{folder}/{key}",
                    "type": declared["artifactType"],
                    "metadata": dict(declared.get("metadata", {})),
                }
            ]
            for key, declared in task.outputs.items()
        }

    def _launch(
        self,
        task: Task,
        name: str,
        program: Mapping[str, Any],
        told: Json,
        facts: Mapping[str, str],
    ) -> None:
        log = self._logs / f"{name}.log"
        command = [
            self._buckets.local(placeholders.substitute(part, told, facts))
            for part in _command(program)
        ]
        variables = {v["name"]: v["value"] for v in task.executor.get("env", [])}
        if talks_to_vertex(told["inputs"].get("parameterValues", {})):
            variables[LOOPBACK] = json.dumps(self._vertex.access())
        self._vertex.task = name
        jobs = set(self._vertex.jobs)
        status = self._processes.run(command, log, variables)
        if status == 0:
            return
        failed = [j for n, j in self._vertex.jobs.items() if n not in jobs and j.error]
        if failed:
            raise self._failed(
                task, f"{task.name} failed: {failed[0].error}", failed[0].failed_log or log
            )
        how = f"was killed by signal {-status}" if status < 0 else f"failed with status {status}"
        raise self._failed(task, f"{name} {how}.", log)

    def _failed(self, task: Task, what: str, log: Path) -> TaskFailed:
        return TaskFailed(task.name, what, self._buckets.remote(end_of(log)), log)

    def _read(self, uri: str) -> Json:
        """What a driver or executor wrote as its ExecutorOutput; it need not write one."""
        file = self._buckets.path(uri)
        if not file.exists():
            return {}
        return self._buckets.remote_json(json.loads(file.read_text(encoding="utf-8")))

    def _collected(self, task: Task, outputs: dict[str, list[Artifact]], told: Json) -> Outputs:
        written = self._read(told["outputs"]["outputFile"])
        for key, listed in written.get("artifacts", {}).items():
            if key in outputs and listed.get("artifacts"):
                artifact = listed["artifacts"][0]
                outputs[key][0]["uri"] = artifact.get("uri", outputs[key][0]["uri"])
                outputs[key][0]["metadata"] |= artifact.get("metadata", {})
        parameters = dict(written.get("parameterValues", {}))
        for name, declared in task.output_parameters.items():
            file = self._buckets.path(told["outputs"]["parameters"][name]["outputFile"])
            if name not in parameters and file.exists():
                text = file.read_text(encoding="utf-8")
                kind = declared.get("parameterType", "STRING")
                parameters[name] = text if kind == "STRING" else json.loads(text)
        return Outputs(outputs, parameters)

    def _still_there(self, outputs: Outputs) -> bool:
        return all(
            self._buckets.path(os.path.dirname(artifact["uri"])).exists()
            for made in outputs.artifacts.values()
            for artifact in made
        )


def _facts(driven: Json) -> Json:
    """What a driver found, without the folder of this very task."""
    artifacts = driven.get("artifacts", {})
    metadata = {k: [a.get("metadata") for a in v["artifacts"]] for k, v in artifacts.items()}
    return {"parameters": driven.get("parameterValues"), "metadata": metadata}


def _check(task: Task) -> None:
    """Refuses before the first task what would else be refused after an hour."""
    where = f"The container of {task.name}"
    placeholders.check(_command(task.executor), where)
    placeholders.check(_command(_driver(task)), f"The driver of {task.name}")
    if not _command(task.executor):
        raise UserError(
            f"{where} has no command.",
            "Compile it with one: what the image would run by itself is not known here.",
        )


def _executor_input(
    task: Task,
    inputs: Mapping[str, list[Artifact]],
    parameters: Mapping[str, Any],
    outputs: Mapping[str, list[Artifact]],
    folder: str,
) -> Json:
    """The ExecutorInput of schema 2.1; what is empty is left out of it, as JSON of a proto does."""
    # An input for which a resolver found nothing is not mentioned.
    given = {key: {"artifacts": found} for key, found in inputs.items() if found}
    out = {name: {"outputFile": f"{folder}/{name}"} for name in task.output_parameters}
    made = {key: {"artifacts": artifacts} for key, artifacts in outputs.items()}
    return {
        "inputs": _filled({"artifacts": given, "parameterValues": dict(parameters)}),
        "outputs": _filled(
            {
                "artifacts": made,
                "parameters": out,
                "outputFile": f"{folder}/executor_output.json",
            }
        ),
    }


def _filled(values: Json) -> Json:
    return {name: value for name, value in values.items() if value}


def _driver(task: Task) -> Json:
    return task.executor.get("lifecycle", {}).get("preCacheCheck", {})


def _command(program: Mapping[str, Sequence[str]]) -> list[str]:
    return [*program.get("command", []), *program.get("args", [])]
