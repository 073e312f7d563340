"""The exit handler of a rehearsed run, also of one that failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from specs import Checkout, Watcher, container, pipeline, run, task

from pipeline.cli.status import State
from pipeline.rehearsal.container import TaskFailed
from pipeline.rehearsal.spec_runner import rehearse
from pipeline.settings import ROOT
from pipeline.vertex.compile import compile_job
from pipeline.vertex.vertex_settings import load_settings

HOLDER = "tfx-dag"
REQUIRED = (
    *("--project", "my-project", "--run-root", "gs://my-bucket/runs"),
    *("--service-account", "runner@my-project.iam.gserviceaccount.com"),
    *("--image", "us-central1-docker.pkg.dev/my-project/runs/runs:1"),
)


def with_exit_handler(exit_task: dict[str, Any], **tasks: Any) -> dict[str, Any]:
    """A pipeline whose tasks are held by one, which the exit handler waits for, as TFX has it."""
    job = pipeline(**tasks, at_exit=exit_task)
    spec = job["pipelineSpec"]
    dag = spec["root"]["dag"]
    at_exit = dag["tasks"].pop("at_exit")
    spec["components"][HOLDER] = {"dag": dag}
    at_exit["dependentTasks"] = [HOLDER]
    at_exit["triggerPolicy"] = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    status = {"taskFinalStatus": {"producerTask": HOLDER}}
    at_exit["inputs"]["parameters"]["final_status"] = status
    held = {"componentRef": {"name": HOLDER}, "taskInfo": {"name": HOLDER}}
    spec["root"] = {"dag": {"tasks": {HOLDER: held, "at_exit": at_exit}}}
    return job


SHOW = (
    "import json, sys; print(json.loads(sys.argv[1])['inputs']['parameterValues']['final_status'])"
)


@pytest.mark.parametrize(
    ("status", "state", "error"), [(0, "SUCCEEDED", {}), (3, "FAILED", "it failed with status 3.")]
)
def test_it_is_told_how_the_tasks_ended(
    tmp_path: Path, status: int, state: str, error: Any
) -> None:
    ends = task(container(f"raise SystemExit({status})"))
    after = task(container(""), upstream=["a"])
    watcher = Watcher()
    try:
        run(with_exit_handler(task(container(SHOW)), a=ends, b=after), tmp_path, watcher)
    except TaskFailed as failed:
        assert failed.task == "a"
    (log,) = (tmp_path / "logs").glob("*/at_exit.log")
    told = json.loads(log.read_text())
    assert told["state"] == state
    assert told["error"] == ({"code": 9, "message": error} if error else {})
    assert told["pipelineJobResourceName"].startswith("projects/1/locations/us-central1/")
    ran = [name for name, change in watcher.changes if change is State.RUNNING]
    assert ran == ["environment", "a", *(["b"] if not status else []), "at_exit"]


@pytest.mark.slow
def test_a_failed_run_is_told_to_the_webhook(tmp_path: Path) -> None:
    webhook = "https://chat.example.com/hooks/secret"
    job = compile_job(load_settings([*REQUIRED, "--notify-webhook", webhook]))
    spec = job["pipelineSpec"]
    only = {"componentRef": {"name": "AnomalyGate"}, "taskInfo": {"name": "AnomalyGate"}}
    spec["components"][HOLDER]["dag"]["tasks"] = {"AnomalyGate": only}
    executors = spec["deploymentSpec"]["executors"]
    executors["AnomalyGate_executor"] = container("raise SystemExit('births of the year 1492')")
    environment = Checkout(tmp_path / "environment", ROOT)
    with pytest.raises(TaskFailed, match="births of the year 1492"):
        rehearse(job, tmp_path, source="", observer=Watcher(), environment=environment)
    (logs,) = (tmp_path / "logs").iterdir()
    (told,) = map(json.loads, (logs / "requests.jsonl").read_text().splitlines())
    assert (told["task"], told["path"]) == ("Notification", "/webhook")
    said, why, page = told["body"]["text"].splitlines()
    assert said == "natality-development: the run failed."
    assert why == "AnomalyGate failed: it failed with status 1"
    assert page.startswith("Run: https://console.cloud.google.com/vertex-ai/")
    assert "secret" not in (logs / "Notification.log").read_text()
