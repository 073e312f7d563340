"""What a compiled pipeline says: its order, and what of it is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from specs import container, pipeline, task

from common.errors import UserError
from pipeline.rehearsal.spec import Job, artifact_title

NOTHING = container("")


def test_order_follows_all_that_a_task_waits_for() -> None:
    job = Job(
        pipeline(
            a=task(NOTHING, inputs={"x": "z.y"}),
            z=task(NOTHING, outputs={"y": "tfx.Model"}, upstream=["q"]),
            q=task(NOTHING),
        )
    )
    assert list(job.tasks) == ["q", "z", "a"]


def test_downstream_is_all_that_depends_on_a_task() -> None:
    job = Job(
        pipeline(
            a=task(NOTHING),
            b=task(NOTHING, upstream=["a"]),
            c=task(NOTHING, upstream=["b"]),
            d=task(NOTHING, upstream=["a"]),
        )
    )
    assert job.downstream("b") == {"b", "c"}
    with pytest.raises(UserError, match="no task e"):
        job.downstream("e")


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A pipeline of two tasks, changed."""
    job = copy.deepcopy(pipeline(a=task(NOTHING), b=task(NOTHING, upstream=["a"])))
    change(job["pipelineSpec"])
    return job


def of_task(**fields: Any) -> dict[str, Any]:
    return changed(lambda spec: spec["root"]["dag"]["tasks"]["a"].update(fields))


def of_parameter(**source: Any) -> dict[str, Any]:
    return of_task(inputs={"parameters": {"p": source}})


def of_executor(**fields: Any) -> dict[str, Any]:
    return changed(lambda spec: spec["deploymentSpec"]["executors"]["a_executor"].update(fields))


@pytest.mark.parametrize(
    ("job", "named"),
    [
        (changed(lambda spec: spec.update(schemaVersion="2.0.0")), "2.0.0"),
        (of_task(parameterIterator={}), "root.dag.tasks.a.parameterIterator"),
        (of_task(triggerPolicy={"condition": "true"}), "root.dag.tasks.a.triggerPolicy"),
        (of_parameter(componentInputParameter="x"), "parameters.p.componentInputParameter"),
        (of_parameter(taskOutputParameter={}), "parameters.p.taskOutputParameter"),
        (
            changed(lambda spec: spec["root"].update(inputDefinitions={})),
            "root.inputDefinitions",
        ),
        (changed(lambda spec: spec["components"]["a"].update(dag={})), "components.a.dag"),
        (of_executor(customJob={}), "executors.a_executor.customJob"),
        (of_executor(importer={}), "executors.a_executor.importer"),
        (
            of_executor(container={"image": "i", "command": ["x"], "lifecycle": {}}),
            "container.lifecycle",
        ),
        (of_executor(container={"image": "image:1"}), "lacks a .*container.command"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(job: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Job(job)


def test_the_root_is_that_of_the_job_or_else_of_the_spec() -> None:
    job = pipeline(a=task(NOTHING))
    job["pipelineSpec"]["defaultPipelineRoot"] = "gs://other/root/"
    assert Job(job).output_directory == "gs://bucket/root"
    del job["runtimeConfig"]
    assert Job(job).output_directory == "gs://other/root"
    del job["pipelineSpec"]["defaultPipelineRoot"]
    with pytest.raises(UserError, match="root is not set"):
        Job(job)


def test_titles_are_read_from_both_forms() -> None:
    assert artifact_title({"schemaTitle": "system.Model"}) == "system.Model"
    assert artifact_title({"instanceSchema": "title: tfx.Model\ntype: object\n"}) == "tfx.Model"
