"""Small compiled pipelines, whose containers run a few lines of Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.status import State
from pipeline.rehearsal.image_environment import START, Environment
from pipeline.rehearsal.outcome import Rehearsed
from pipeline.rehearsal.spec_runner import rehearse
from pipeline.settings import ROOT

Json = dict[str, Any]

READ = "import json, sys; task = json.loads(sys.argv[1]); "
"""Begins a script whose one argument is `{{$}}`."""


class Here(Environment):
    """Containers run with what this process runs with: there is nothing to make."""

    def make(self) -> bool:
        return False

    @property
    def bin(self) -> Path:
        return Path("/usr/bin")


class Checkout(Environment):
    """Containers run with the Python that this process runs with, on the checkout."""

    def make(self) -> bool:
        self.source.mkdir(parents=True, exist_ok=True)
        (self.source / "sitecustomize.py").write_text(START)
        return False

    @property
    def bin(self) -> Path:
        return Path(sys.executable).parent

    def variables(self, home: Path) -> dict[str, str]:
        return super().variables(home) | {"PYTHONPATH": f"{self.source}:{ROOT}"}


class Watcher:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.plan: list[str] = []
        self.changes: list[tuple[str, State]] = []

    def loading(self) -> None: ...

    def noticed(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def planned(self, components: Sequence[str]) -> None:
        self.plan = list(components)

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None:
        self.changes.append((component, state))


def container(script: str, *arguments: str) -> Json:
    """An executor that runs Python."""
    command = ["python3", "-c", script]
    args = list(arguments) or ["{{$}}"]
    return {"container": {"image": "image:1", "command": command, "args": args}}


def task(
    executor: Json,
    *,
    inputs: dict[str, str] | None = None,
    outputs: dict[str, str] | None = None,
    parameters: Json | None = None,
    upstream: Sequence[str] = (),
    caches: bool = False,
) -> Json:
    """A task for `pipeline`.

    Args:
        executor: What it runs.
        inputs: `task.key` by input.
        outputs: Title of the artifact by output.
        parameters: Constants by name.
        upstream: Tasks it waits for.
        caches: Whether it may reuse.
    """
    spec: Json = {"inputs": {"artifacts": {}, "parameters": {}}}
    for key, source in (inputs or {}).items():
        producer, _, output = source.partition(".")
        origin = {"producerTask": producer, "outputArtifactKey": output}
        spec["inputs"]["artifacts"][key] = {"taskOutputArtifact": origin}
    for name, value in (parameters or {}).items():
        spec["inputs"]["parameters"][name] = {"runtimeValue": {"constant": value}}
    if upstream:
        spec["dependentTasks"] = list(upstream)
    if caches:
        spec["cachingOptions"] = {"enableCache": True}
    types = {key: {"artifactType": kind(title)} for key, title in (outputs or {}).items()}
    return {
        "task": spec,
        "component": {"outputDefinitions": {"artifacts": types}},
        "executor": executor,
    }


def kind(title: str) -> Json:
    """An artifact type, as TFX writes it."""
    return {"instanceSchema": f"title: {title}\ntype: object\n"}


def pipeline(**tasks: Json) -> Json:
    """A PipelineJob of these tasks."""
    root: Json = {"dag": {"tasks": {}}}
    components, executors = {}, {}
    for name, parts in tasks.items():
        component = {"componentRef": {"name": name}, "taskInfo": {"name": name}}
        root["dag"]["tasks"][name] = parts["task"] | component
        components[name] = parts["component"] | {"executorLabel": f"{name}_executor"}
        executors[f"{name}_executor"] = parts["executor"]
    return {
        "pipelineSpec": {
            "schemaVersion": "2.1.0",
            "pipelineInfo": {"name": "small"},
            "root": root,
            "components": components,
            "deploymentSpec": {"executors": executors},
        },
        "runtimeConfig": {"gcsOutputDirectory": "gs://bucket/root"},
    }


def run(job: Json, root: Path, watcher: Watcher | None = None, **options: Any) -> Rehearsed:
    """Rehearses with what is here."""
    return rehearse(
        job,
        root,
        source="",
        observer=watcher or Watcher(),
        environment=Here(root / "environment", root),
        **options,
    )
