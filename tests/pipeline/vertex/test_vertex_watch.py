"""The watch on Vertex AI: what is compiled, and the exact requests that start and schedule it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import storage
from google.cloud.aiplatform_v1.types import PipelineJob
from google.protobuf import json_format
from google_cloud import GoogleCloud

from pipeline.vertex.commands import main
from pipeline.vertex.compile import compile_job
from pipeline.vertex.options import WatchOptions
from pipeline.vertex.vertex_settings import VertexSettings
from pipeline.vertex.watch_pipeline import compile_watch

Load = Callable[..., VertexSettings]

PARENT = "projects/my-project/locations/us-central1"
JOBS = f"/v1/{PARENT}/pipelineJobs"
LOG = ("--log", "gs://my-bucket/requests")
SECRET = "projects/my-project/secrets/webhook/versions/latest"


def parameters(job: dict[str, Any]) -> dict[str, Any]:
    (task,) = job["pipelineSpec"]["root"]["dag"]["tasks"].values()
    given = task["inputs"]["parameters"].items()
    return {name: value["runtimeValue"]["constant"] for name, value in given}


def test_the_watch_is_one_task_in_the_pipeline_s_image(
    required: tuple[str, ...], empty_folder: Path, capfd: pytest.CaptureFixture[str]
):
    flags = ("--environment", "production", "--notify-webhook", SECRET, "--max-rmse", "1.5")
    assert main([*required, *flags, "watch", "compile", *LOG, "--days", "3"]) == 0
    assert "1 tasks\n  Watch\n" in capfd.readouterr().out
    job = json.loads((empty_folder / "watch.json").read_text())
    spec = job["pipelineSpec"]
    assert spec["pipelineInfo"] == {"name": "natality-production-watch"}
    (task,) = spec["root"]["dag"]["tasks"].values()
    assert "cachingOptions" not in task  # The log is another each time.
    assert "retryPolicy" not in task
    given = parameters(job)
    schema = given.pop("schema")
    assert schema.startswith("gs://my-bucket/natality/schema/")
    assert given == {
        "log": "gs://my-bucket/requests",
        "parent": PARENT,
        "pipeline": "natality-production",
        "days": 3,
        "min_rows": 100,
        "severity": "error",
        "max_rmse": 1.5,
        "webhook": SECRET,
        "retrain": "",
    }


def test_it_runs_as_the_tasks_of_the_pipeline_do(vertex_settings: Load):
    settings = vertex_settings("--labels", "team=a")
    watch = compile_watch(settings, WatchOptions.model_validate({"log": LOG[1]}))
    pipeline = compile_job(settings)
    containers = [
        job["pipelineSpec"]["deploymentSpec"]["executors"][f"{task}_executor"]["container"]
        for job, task in ((watch, "Watch"), (pipeline, "AnomalyGate"))
    ]
    assert containers[0]["image"] == containers[1]["image"]
    assert containers[0]["command"] == containers[1]["command"]
    assert watch["labels"]["team"] == "a"
    assert watch["runtimeConfig"] == pipeline["runtimeConfig"]
    root = watch["pipelineSpec"]["defaultPipelineRoot"]
    assert root == pipeline["pipelineSpec"]["defaultPipelineRoot"]


def test_a_watch_is_scheduled_as_it_would_be_submitted(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    google.on(f"GET /v1/{PARENT}/schedules", {"schedules": []})
    google.on(f"POST /v1/{PARENT}/schedules", lambda r: {**r.body, "name": "s/7"})
    google.on(f"POST {JOBS}", lambda r: r.body)
    when = ("--cron", "0 5 * * *", "--time-zone", "Europe/Berlin")
    assert main([*online, "watch", "schedule", "nightly", *LOG, *when]) == 0
    assert main([*online, "watch", "submit", *LOG]) == 0
    (created,) = google.asked(f"POST /v1/{PARENT}/schedules")
    (run,) = google.asked(f"POST {JOBS}")
    assert created.body == {
        "displayName": "nightly",
        "cron": "CRON_TZ=Europe/Berlin 0 5 * * *",
        "maxConcurrentRunCount": "1",
        "allowQueueing": True,
        "createPipelineJobRequest": {"parent": PARENT, "pipelineJob": run.body},
    }
    assert list(run.body["pipelineSpec"]["root"]["dag"]["tasks"]) == ["Watch"]
    assert run.body["serviceAccount"] == "runner@my-project.iam.gserviceaccount.com"
    out = capfd.readouterr().out
    assert "nightly runs at CRON_TZ=Europe/Berlin 0 5 * * *" in out
    assert "vertex_runner.py submit --follow natality-" in out


def test_what_a_watch_would_start_lies_in_the_bucket(
    google: GoogleCloud, online: tuple[str, ...], buckets: str
):
    google.on("GET /bigquery/.*", {"type": "VIEW"})
    google.on(f"POST {JOBS}", lambda r: r.body)
    assert main([*online, "watch", "submit", *LOG, "--retrain"]) == 0
    assert main([*online, "--warm-start", "submit"]) == 0
    watch, run = google.asked(f"POST {JOBS}")
    bucket, _, name = parameters(watch.body)["retrain"].removeprefix("gs://").partition("/")
    text = storage.client(buckets).bucket(bucket).blob(name).download_as_text()
    message = PipelineJob.pb()
    assert json_format.Parse(text, message()) == json_format.ParseDict(run.body, message())


def test_a_dry_run_sends_nothing(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    assert main([*online, "watch", "submit", *LOG, "--dry-run"]) == 0
    assert google.requests == []
    shown = json.loads(capfd.readouterr().out)
    assert parameters(shown["body"])["log"] == LOG[1]


@pytest.mark.parametrize(("drifted", "status"), [(1, 4), (0, 0)])
def test_who_waits_ends_with_the_verdict(
    google: GoogleCloud,
    online: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    drifted: int,
    status: int,
):
    page = {
        "uri": "gs://my-bucket/a/report.html",
        "metadata": {"verdict": "Not as learned: mother age.", "drifted": drifted},
    }

    def ended(request: Any) -> Any:
        (run,) = google.asked(f"POST {JOBS}")
        task = {
            "taskName": "Watch",
            "state": "SUCCEEDED",
            "outputs": {"page": {"artifacts": [page]}},
        }
        return {
            "state": "PIPELINE_STATE_SUCCEEDED",
            "startTime": "2026-11-26T05:00:00Z",
            "endTime": "2026-11-26T05:03:00Z",
            "pipelineSpec": run.body["pipelineSpec"],
            "jobDetail": {"taskDetails": [task]},
        }

    google.on(f"POST {JOBS}", lambda r: r.body)
    google.on(f"GET {JOBS}/.*", ended)
    assert main([*online, "watch", "submit", *LOG, "--wait"]) == status
    out = capfd.readouterr().out
    assert "Not as learned: mother age." in out
    assert "https://storage.cloud.google.com/my-bucket/a/report.html" in out


def test_a_log_on_this_machine_is_refused(
    required: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    assert main([*required, "watch", "submit", "--log", "runs/requests"]) == 2
    assert "write it like gs://my-bucket/folder" in capfd.readouterr().err
