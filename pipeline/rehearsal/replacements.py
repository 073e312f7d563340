"""What a rehearsal replaces, told once: to the user at the start, and in docs/rehearsal.md."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from data.source import open_source
from pipeline.beam import in_process
from pipeline.caching import code_fingerprint
from pipeline.vertex.task_order import all_tasks

BIGQUERY_EXECUTOR = "tfx.extensions.google_cloud_big_query.example_gen.executor.Executor"
SHARDED_EXECUTOR = "pipeline.components.sharded_bigquery.Executor"
EMBEDDED_EXECUTOR = "pipeline.components.embedded_bigquery.Executor"
VERTEX_TRAINER = "ai_platform_training_args"
VERTEX_PUSHER = "ai_platform_serving_args"
BIGQUERY_PUSHER = "bigquery_serving_args"
WEBHOOK = "https://rehearsal.invalid/webhook"
"""Stands for the webhook until it is known where it answers here."""

_CLASS = "--executor_class_path"
_INVOCATION = "--json_serialized_invocation_args"
_TFX_FLAGS = (_CLASS, _INVOCATION, "--json_serialized_inputs_spec_args")
_TABLE = re.compile(r"`([\w-]+\.[\w-]+\.[\w-]+)`")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Replacement:
    """Something of Vertex AI, and what is in its place here.

    Attributes:
        service: What Vertex AI would use.
        stand_in: What a rehearsal uses.
        applies: Whether a compiled pipeline uses it at all.
    """

    service: str
    stand_in: str
    applies: Callable[[Json], bool] = lambda job: True


REPLACED = (
    Replacement(
        "the container image",
        "an environment with the locked dependencies and the built package; "
        "commands and arguments are the container's own",
    ),
    Replacement("Cloud Storage", "folders under buckets/"),
    Replacement("Vertex ML Metadata", "the file store.json"),
    Replacement(
        "BigQuery",
        f"the embedded warehouse on a local file ({EMBEDDED_EXECUTOR}); the same queries",
        lambda job: any(_asks_bigquery(c.get("args", [])) for c in _containers(job)),
    ),
    Replacement(
        "Dataflow",
        "Beam's own runner, in the process of each container",
        lambda job: "--runner=DataflowRunner" in str(list(_containers(job))),
    ),
    Replacement(
        "Vertex AI training",
        "a process for each replica of the requested worker pools, with TF_CONFIG, on one machine; "
        "of hyperparameter tuning, what to try is drawn by chance",
        lambda job: VERTEX_TRAINER in json.dumps(job),
    ),
    Replacement(
        "Vertex AI model registry and endpoints",
        "endpoints/registry.json, and a folder for what is deployed; the requests are real, and "
        "kept in requests.jsonl",
        lambda job: VERTEX_PUSHER in json.dumps(job),
    ),
    Replacement(
        "models in BigQuery",
        "the folder that one is imported from; the request is real, and kept in requests.jsonl",
        lambda job: BIGQUERY_PUSHER in json.dumps(job),
    ),
    Replacement(
        "the webhook that is told",
        "nobody: what it would be told is kept in requests.jsonl",
        lambda job: bool(list(_webhooks(job))),
    ),
    Replacement(
        "machine types, accelerators, service accounts, networks and retries",
        "nothing: this machine and its user, and no second try",
    ),
)


def replacements(job: Json) -> list[Replacement]:
    """What a rehearsal of this compiled pipeline would replace."""
    return [replacement for replacement in REPLACED if replacement.applies(job)]


def replaced(job: Json, source: str, setup_file: Path) -> dict[str, Any]:
    """A compiled pipeline whose containers need neither BigQuery nor Dataflow.

    Args:
        job: The PipelineJob, as JSON values; left as it is.
        source: What stands in for the table, as `open_source` takes it.
        setup_file: For Beam; see `in_process`.

    Raises:
        UserError: If the source can't be read, or the queries read no table or several.
    """
    job = copy.deepcopy(dict(job))
    for container in _containers(job):
        container["args"] = _beam_in_process(container.get("args", []), setup_file)
    for webhook in _webhooks(job):
        webhook["constant"] = WEBHOOK
    spec = job["pipelineSpec"]
    for task in all_tasks(spec).values():
        component = spec["components"][task["componentRef"]["name"]]
        executor = spec["deploymentSpec"]["executors"].get(component.get("executorLabel"), {})
        arguments = executor.get("container", {}).get("args", [])
        if _asks_bigquery(arguments):
            arguments[arguments.index(_CLASS) + 1] = EMBEDDED_EXECUTOR
            _embed(task, component, source)
    return job


def talks_to_google(parameters: Json) -> bool:
    """Whether a task with these parameters makes requests to Vertex AI, or pushes to BigQuery."""
    if "parent" in parameters:  # Project and region, for a task that asks for runs.
        return True
    config = json.loads(parameters.get("custom_config") or "null")
    if not isinstance(config, dict):
        return False
    return bool(config.get("ai_platform_enable_vertex")) or BIGQUERY_PUSHER in config


def _embed(task: dict[str, Any], component: dict[str, Any], source: str) -> None:
    parameters = task["inputs"]["parameters"]
    tables = set(_TABLE.findall(parameters["input_config"]["runtimeValue"]["constant"]))
    if len(tables) != 1:
        raise UserError(
            f"The queries read {', '.join(sorted(tables)) or 'no table'}; "
            "a rehearsal has rows for exactly one.",
            "Rehearse a pipeline that reads one table, written as `project.dataset.table`.",
        )
    opened = open_source(source)
    # Loads Beam and TensorFlow; nothing else here does.
    from tfx.utils import proto_utils

    from pipeline.components.embedded_bigquery import custom_config
    from pipeline.components.shards import read_shards

    given = parameters.get("custom_config", {}).get("runtimeValue", {}).get("constant")
    config = custom_config(
        {tables.pop(): source},
        fingerprint=opened.fingerprint()
        + code_fingerprint("pipeline.components.embedded_bigquery"),
        shards=read_shards({"custom_config": given}),
    )
    component["inputDefinitions"]["parameters"]["custom_config"] = {"parameterType": "STRING"}
    parameters["custom_config"] = {"runtimeValue": {"constant": proto_utils.proto_to_json(config)}}


def _beam_in_process(arguments: Sequence[str], setup_file: Path) -> list[str]:
    """What follows TFX's own flags is for Beam."""
    if _INVOCATION not in arguments:
        return list(arguments)
    flags: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _TFX_FLAGS:
            flags += [argument, next(rest, "")]
    beam = in_process(setup_file) if len(flags) < len(arguments) else []
    return flags + beam


def _asks_bigquery(arguments: Sequence[str]) -> bool:
    executor = dict(itertools.pairwise(arguments)).get(_CLASS)
    return executor in (BIGQUERY_EXECUTOR, SHARDED_EXECUTOR)


def _containers(job: Json) -> Iterator[dict[str, Any]]:
    for executor in job["pipelineSpec"]["deploymentSpec"]["executors"].values():
        if "container" in executor:
            yield executor["container"]


def _webhooks(job: Json) -> Iterator[dict[str, Any]]:
    """The values of tasks' parameters of that name, where one is named."""
    for task in all_tasks(job["pipelineSpec"]).values():
        parameter = task.get("inputs", {}).get("parameters", {}).get("webhook")
        if parameter and parameter["runtimeValue"]["constant"]:
            yield parameter["runtimeValue"]
