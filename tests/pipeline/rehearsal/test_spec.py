"""What a compiled pipeline says: order, parameters, and what is refused."""

from __future__ import annotations

import pytest
from specs import container, pipeline, task

from common.errors import UserError
from pipeline.rehearsal.spec import Job, artifact_title

NOTHING = container("")


def test_order_follows_all_that_a_task_waits_for() -> None:
    parameter = {"taskOutputParameter": {"producerTask": "m", "outputParameterKey": "p"}}
    job = Job(
        pipeline(
            a=task(NOTHING, inputs={"x": "z.y"}),
            z=task(NOTHING, outputs={"y": "tfx.Model"}, parameters={"p": parameter}),
            m=task(NOTHING, after=["q"], puts_out={"p": "STRING"}),
            q=task(NOTHING),
            b=task(NOTHING),
        )
    )
    assert list(job.tasks) == ["b", "q", "m", "z", "a"]


def test_downstream_is_all_that_depends_on_a_task() -> None:
    job = Job(
        pipeline(
            a=task(NOTHING),
            b=task(NOTHING, after=["a"]),
            c=task(NOTHING, after=["b"]),
            d=task(NOTHING, after=["a"]),
        )
    )
    assert job.downstream("b") == {"b", "c"}
    with pytest.raises(UserError, match="no task e"):
        job.downstream("e")


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("7", "NUMBER_INTEGER", 7),
        ("0.5", "NUMBER_DOUBLE", 0.5),
        ("True", "BOOLEAN", True),
        ("x", "STRING", "x"),
    ],
)
def test_runtime_parameters_are_read_as_declared(value: str, kind: str, read: object) -> None:
    job = Job(pipeline({"p": {"parameterType": kind}}, a=task(NOTHING)))
    assert job.parameter_values({"p": value}) == {"p": read}


def test_runtime_parameters_come_from_choice_then_job_then_default() -> None:
    declared = {name: {"parameterType": "STRING", "defaultValue": "default"} for name in "abc"}
    job = pipeline(declared, t=task(NOTHING))
    job["runtimeConfig"]["parameterValues"] = {"a": "job", "b": "job"}
    assert Job(job).parameter_values({"a": "chosen"}) == {"a": "chosen", "b": "job", "c": "default"}


def test_runtime_parameters_that_cannot_be_are_told() -> None:
    job = Job(pipeline({"steps": {"parameterType": "NUMBER_INTEGER"}}, a=task(NOTHING)))
    with pytest.raises(UserError, match="no value and no default"):
        job.parameter_values({})
    with pytest.raises(UserError, match="'many', and should be NUMBER_INTEGER"):
        job.parameter_values({"steps": "many"})
    with pytest.raises(UserError, match=r"no runtime parameter step.*steps"):
        job.parameter_values({"step": 1})


def test_what_is_not_known_is_refused() -> None:
    job = pipeline(a=task(NOTHING))
    job["pipelineSpec"]["schemaVersion"] = "2.0.0"
    with pytest.raises(UserError, match=r"2\.0\.0"):
        Job(job)

    job = pipeline(a=task(NOTHING))
    job["pipelineSpec"]["root"]["dag"]["tasks"]["a"]["parameterIterator"] = {}
    with pytest.raises(UserError, match="Task a has parameterIterator"):
        Job(job)

    job = pipeline(a=task(NOTHING))
    del job["pipelineSpec"]["components"]["a"]["executorLabel"]
    with pytest.raises(UserError, match="pipeline within the pipeline"):
        Job(job)

    job = pipeline(a=task({"customJob": {}}))
    with pytest.raises(UserError, match="executor of task a is customJob"):
        Job(job)

    job = pipeline(a=task(NOTHING))
    policy = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    job["pipelineSpec"]["root"]["dag"]["tasks"]["a"]["triggerPolicy"] = policy
    with pytest.raises(UserError, match="trigger strategy"):
        Job(job)

    final = {"taskFinalStatus": {"producerTask": "b"}}
    with pytest.raises(UserError, match="Parameter status of task a is taskFinalStatus"):
        Job(pipeline(a=task(NOTHING, parameters={"status": final}), b=task(NOTHING)))


def test_the_root_is_that_of_the_job_or_else_of_the_spec() -> None:
    job = pipeline(a=task(NOTHING))
    job["pipelineSpec"]["defaultPipelineRoot"] = "gs://other/root/"
    assert Job(job).output_directory == "gs://bucket/root"
    del job["runtimeConfig"]
    assert Job(job).output_directory == "gs://other/root"
    del job["pipelineSpec"]["defaultPipelineRoot"]
    with pytest.raises(UserError, match="root is not set"):
        Job(job)


def test_damaged_graphs_are_told() -> None:
    with pytest.raises(UserError, match="a waits for b_task"):
        Job(pipeline(a=task(NOTHING, after=["b_task"]), b=task(NOTHING)))
    with pytest.raises(UserError, match="wait for each other"):
        Job(pipeline(a=task(NOTHING, after=["b"]), b=task(NOTHING, after=["a"])))


def test_titles_are_read_from_both_forms() -> None:
    assert artifact_title({"schemaTitle": "system.Model"}) == "system.Model"
    assert artifact_title({"instanceSchema": "title: tfx.Model\ntype: object\n"}) == "tfx.Model"
