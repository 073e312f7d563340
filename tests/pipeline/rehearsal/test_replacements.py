"""What a rehearsal replaces, and that it says so."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from specs import pipeline, task

from common.errors import UserError
from pipeline.beam import RUNNER
from pipeline.rehearsal.replacements import (
    BIGQUERY_EXECUTOR,
    REPLACED,
    replaced,
    replacements,
    talks_to_google,
)

DATAFLOW = ("--runner=DataflowRunner", "--project=proj", "--region=us-central1")


def component(executor: str, *beam: str, **parameters: str) -> dict[str, Any]:
    """A task that runs one of TFX's executors."""
    spec = {
        "image": "image:1",
        "command": ["python", "-m", "entry", "--task-timeout=60"],
        "args": [
            *("--executor_class_path", executor),
            *("--json_serialized_invocation_args", "{{$}}"),
            *("--json_serialized_inputs_spec_args", '{"parameters": {}}', *beam),
        ],
    }
    return task({"container": spec}, parameters=parameters)


def arguments(job: dict[str, Any], name: str) -> list[str]:
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    return executors[f"{name}_executor"]["container"]["args"]


def test_dataflow_becomes_beam_in_process_and_all_else_stays() -> None:
    job = pipeline(a=component("x.Executor", *DATAFLOW), b=component("y.Executor"))
    before = copy.deepcopy(job)
    changed = replaced(job, "", Path("/setup.py"))
    assert job == before
    kept = arguments(job, "a")[:6]
    assert arguments(changed, "a")[:6] == kept
    assert f"--runner={RUNNER}" in arguments(changed, "a")
    assert "--setup_file=/setup.py" in arguments(changed, "a")
    assert not set(DATAFLOW) & set(arguments(changed, "a"))
    assert arguments(changed, "b") == arguments(job, "b")
    changed["pipelineSpec"]["deploymentSpec"]["executors"]["a_executor"]["container"]["args"] = (
        arguments(job, "a")
    )
    assert changed == job


@pytest.mark.parametrize("query", ["SELECT 1", "SELECT * FROM `a.b.c` JOIN `a.b.d`"])
def test_queries_that_read_no_table_or_several_are_refused(query: str) -> None:
    job = pipeline(a=component(BIGQUERY_EXECUTOR, input_config=query))
    with pytest.raises(UserError, match="rows for exactly one"):
        replaced(job, "births.parquet", Path("/setup.py"))


def test_tasks_that_talk_to_vertex_say_so_in_their_parameters() -> None:
    assert talks_to_google({"custom_config": '{"ai_platform_enable_vertex": true}'})
    assert talks_to_google({"custom_config": '{"bigquery_serving_args": {}}'})
    for config in ({}, {"custom_config": "null"}, {"custom_config": '{"code": "a"}'}):
        assert not talks_to_google(config)


def test_what_is_listed_is_what_the_pipeline_uses() -> None:
    plain = {r.service for r in replacements(pipeline(a=component("x.Executor")))}
    assert "BigQuery" not in plain
    assert "the container image" in plain
    training = '{"ai_platform_training_args": {}, "ai_platform_enable_vertex": true}'
    job = pipeline(
        a=component(BIGQUERY_EXECUTOR, *DATAFLOW),
        b=component("x.Executor", custom_config=training),
    )
    added = {r.service for r in replacements(job)} - plain
    assert added == {"BigQuery", "Dataflow", "Vertex AI training"}


def test_the_docs_tell_all_that_is_replaced() -> None:
    docs = Path(__file__).parents[3] / "docs" / "rehearsal.md"
    rows = [line for line in docs.read_text().splitlines() if line.startswith("| ")]
    table = rows[1 : 1 + len(REPLACED)]
    assert table == [f"| {each.service} | {each.stand_in} |" for each in REPLACED]
