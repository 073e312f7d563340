"""Tasks of the pipeline as compiled for Vertex AI, to be started by the command of their container.

What a task reads and writes is in folders here, as TensorFlow can't be led to other buckets than
Google's own; all else is as compiled.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.vertex.compile import Job, compile_job
from pipeline.vertex.vertex_settings import load_settings

PROJECT = "my-project"
BUCKET = "my-bucket"
ACCOUNT = f"natality@{PROJECT}.iam.gserviceaccount.com"
IMAGE = f"us-central1-docker.pkg.dev/{PROJECT}/natality/natality:1"

Properties = Mapping[str, Any]


def compiled(*flags: str) -> Job:
    """The pipeline for settings given as flags, beside those that must be set."""
    required = ("--project", PROJECT, "--run-root", f"gs://{BUCKET}/natality")
    required += ("--service-account", ACCOUNT, "--image", IMAGE)
    return compile_job(load_settings([*required, *flags]))


def parameters(job: Job, task: str) -> dict[str, Any]:
    """The execution properties of a task."""
    given = _task(job, task)["inputs"]["parameters"]
    return {name: value["runtimeValue"]["constant"] for name, value in given.items()}


def command(
    job: Job, task: str, folder: Path, inputs: Mapping[str, tuple[Path, Properties]]
) -> list[str]:
    """What the container of a task runs.

    Args:
        job: The pipeline.
        task: Its name.
        folder: Gets a folder for each output, and `executor_output.json`.
        inputs: Folder and properties of each input artifact there is.
    """
    spec = job["pipelineSpec"]
    component = spec["components"][_task(job, task)["componentRef"]["name"]]
    read = component.get("inputDefinitions", {}).get("artifacts", {})
    made = component["outputDefinitions"]["artifacts"]
    told = {
        "inputs": {
            "artifacts": {
                key: _artifact(key, uri, read[key], properties)
                for key, (uri, properties) in inputs.items()
            },
            "parameterValues": parameters(job, task),
        },
        "outputs": {
            "artifacts": {key: _artifact(key, folder / key, made[key], {}) for key in made},
            "outputFile": str(folder / "executor_output.json"),
        },
    }
    container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    program, *arguments = [*container["command"], *container["args"]]
    assert program == "python"
    # The only placeholder there is: all that Vertex AI tells a task.
    return [sys.executable, *(json.dumps(told) if a == "{{$}}" else a for a in arguments)]


def output_properties(folder: Path, key: str) -> Properties:
    """The properties that a task gave an output.

    Args:
        folder: As for `command`.
        key: The output.
    """
    output = json.loads((folder / "executor_output.json").read_text())
    (artifact,) = output["artifacts"][key]["artifacts"]
    assert artifact["uri"] == str(folder / key)
    return artifact.get("metadata", {})


def _task(job: Job, name: str) -> Mapping[str, Any]:
    return job["pipelineSpec"]["root"]["dag"]["tasks"][name]


def _artifact(name: str, uri: Path, declared: Mapping[str, Any], properties: Properties) -> Any:
    kind = declared["artifactType"]
    return {"artifacts": [{"name": name, "uri": str(uri), "type": kind, "metadata": properties}]}
