"""Runs on Vertex AI: the exact request, what is shown while they go, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import storage
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform.utils import resource_manager_utils
from google_cloud import GoogleCloud, Request, refusal

from pipeline.vertex.commands import main
from pipeline.vertex.compile import compile_job
from pipeline.vertex.vertex_settings import VertexSettings

Load = Callable[..., VertexSettings]

RUNS = "/v1/projects/my-project/locations/us-central1/pipelineJobs"
TASKS = ("BigQueryExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator", "Pusher")


TABLE = "/bigquery/v2/projects/bigquery-public-data/datasets/samples/tables/natality"
STATE = "last changed 2026-01-01T06:00:00.000+00:00, 137,826,763 rows"


def accept(google: GoogleCloud, **table: Any) -> None:
    """Takes runs, and tells of the table."""
    told = {"type": "TABLE", "lastModifiedTime": "1767247200000", "numRows": "137826763"}
    google.on(f"GET {TABLE}", told | table)
    google.on(
        f"POST {RUNS}", lambda r: {**r.body, "name": f"{RUNS[4:]}/{r.query['pipelineJobId'][0]}"}
    )


def run_of(state: str, **tasks: Any) -> dict[str, Any]:
    """A run as Vertex AI tells it; the spec has the tasks in a row."""
    names = list(TASKS)
    spec = {
        name: {"dependentTasks": names[:at][-1:], "componentRef": {"name": name}}
        for at, name in enumerate(names)
    }
    details = [
        {
            "taskName": name,
            "startTime": "2026-01-01T06:00:00Z",
            "endTime": "2026-01-01T06:01:30Z",
            **(told if isinstance(told, dict) else {"state": told}),
        }
        for name, told in tasks.items()
    ]
    return {
        "name": f"{RUNS[4:]}/job-1",
        "state": f"PIPELINE_STATE_{state}",
        "startTime": "2026-01-01T06:00:00Z",
        "endTime": "2026-01-01T07:12:00Z",
        "pipelineSpec": {"root": {"dag": {"tasks": spec}}},
        "jobDetail": {"taskDetails": [*details, {"taskName": "natality", "state": "RUNNING"}]},
    }


def looks(google: GoogleCloud, *answers: Any) -> None:
    """What looks at the run find, one after the other; the last again and again."""
    left = list(answers)
    google.on(f"GET {RUNS}/job-1", lambda _: left.pop(0) if len(left) > 1 else left[0])


FOLLOW = ("submit", "--follow", "job-1", "--every", "0.01")


def test_a_run_is_created_with_who_runs_it_and_what_ran(
    google: GoogleCloud, online: tuple[str, ...], buckets: str, capfd: pytest.CaptureFixture[str]
):
    accept(google)
    assert main([*online, "--labels", "team=paediatrics", "submit"]) == 0
    (request,) = google.asked("POST .*")
    assert request.path == RUNS
    assert request.token
    (job_id,) = request.query["pipelineJobId"]
    assert re.fullmatch(r"natality-\d{8}-\d{6}-[0-9a-f]{4}", job_id)

    assert request.body["serviceAccount"] == "runner@my-project.iam.gserviceaccount.com"
    assert request.body["runtimeConfig"]["gcsOutputDirectory"] == "gs://my-bucket/natality/pipeline"
    labels = request.body["labels"]
    assert labels["team"] == "paediatrics"
    assert re.fullmatch("[0-9a-f]{16}", labels["code"])
    assert re.fullmatch("[0-9a-f]{16}", labels["data"])

    out = capfd.readouterr().out
    page = f"/locations/us-central1/pipelines/runs/{job_id}?project=my-project"
    assert f"https://console.cloud.google.com/vertex-ai{page}" in out
    assert f"submit --follow {job_id}" in out

    # The schema is where the importer of this very spec looks for it.
    spec = json.dumps(request.body["pipelineSpec"])
    (uri,) = set(re.findall(r"gs://my-bucket/(natality/schema/[^\"]+\.pbtxt)", spec))
    stored = storage.client(buckets).bucket("my-bucket").blob(uri).download_as_bytes()
    assert stored == Path(__file__).parents[3].joinpath("schema/schema.pbtxt").read_bytes()


def test_the_request_is_that_of_the_client_library_s_own_class(
    google: GoogleCloud,
    online: tuple[str, ...],
    vertex_settings: Load,
    tmp_path: Path,
    buckets: str,
    monkeypatch: pytest.MonkeyPatch,
):
    accept(google)
    assert main([*online, "submit"]) == 0
    # That class looks whose the bucket is, at an address that can't be chosen.
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", buckets)
    monkeypatch.setattr(resource_manager_utils, "get_project_number", lambda *_, **__: "0")
    file = tmp_path / "job.json"
    file.write_text(json.dumps(compile_job(vertex_settings(), STATE)))
    aiplatform.init(
        project="my-project",
        location="us-central1",
        api_endpoint=google.url,
        api_transport="rest",
        credentials=AnonymousCredentials(),
    )
    ours = google.requests[1].body
    job = aiplatform.PipelineJob(
        display_name=ours["displayName"],
        template_path=str(file),
        labels=ours["labels"],
        failure_policy="fast",
    )
    job.submit(service_account=ours["serviceAccount"])
    theirs = google.requests[2]
    assert theirs.body == ours
    assert theirs.path == google.requests[1].path


def ingestion(request: Request) -> tuple[set[str], bool]:
    """Of a run that was asked for: how its queries begin, and whether rows are reused."""
    task = request.body["pipelineSpec"]["root"]["dag"]["tasks"]["BigQueryExampleGen"]
    config = json.loads(task["inputs"]["parameters"]["input_config"]["runtimeValue"]["constant"])
    queries = [split["pattern"] for split in config["splits"]]
    return {query.splitlines()[0] for query in queries}, "cachingOptions" in task


def test_rows_are_reused_as_long_as_the_table_is_the_same(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    accept(google)
    assert main([*online, "submit"]) == 0
    accept(google, lastModifiedTime="1767247200001", numRows="137826764")
    assert main([*online, "submit"]) == 0
    first, second = google.asked(f"POST {RUNS}")
    assert ingestion(first) == ({f"-- {STATE}"}, True)
    later = "-- last changed 2026-01-01T06:00:00.001+00:00, 137,826,764 rows"
    assert ingestion(second) == ({later}, True)
    assert "anew" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"type": "VIEW"}, "bigquery-public-data.samples.natality is no table but VIEW"),
        ({"type": "EXTERNAL"}, "bigquery-public-data.samples.natality is no table but EXTERNAL"),
        ({"streamingBuffer": {"estimatedRows": "7"}}, "rows are just being streamed into"),
    ],
)
def test_rows_are_read_anew_where_nobody_tells_whether_they_changed(
    google: GoogleCloud,
    online: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    table: dict[str, Any],
    reason: str,
):
    accept(google, **table)
    assert main([*online, "submit"]) == 0
    (request,) = google.asked(f"POST {RUNS}")
    comments, reused = ingestion(request)
    assert not reused
    assert not any("last changed" in comment for comment in comments)
    assert f"It reads all rows anew, since {reason}" in capfd.readouterr().out


def test_a_table_that_only_the_run_s_account_may_read_is_read_anew(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    accept(google)
    google.on(f"GET {TABLE}", refusal(403, "Access Denied: Table", "PERMISSION_DENIED"))
    assert main([*online, "submit"]) == 0
    assert not ingestion(google.requests[-1])[1]
    assert "since you may not look at bigquery-public-data.samples" in capfd.readouterr().out


def test_no_run_is_started_on_a_table_that_is_not_there(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    accept(google)
    assert main([*online, "--table", "my-project.births.none", "submit"]) == 1
    assert "There is no table my-project.births.none." in capfd.readouterr().err
    assert not google.asked("POST .*")


def test_a_dry_run_prints_the_request_and_sends_nothing(
    google: GoogleCloud,
    online: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    accept(google)
    online = (*online, "--no-cache")  # So that the table need not be asked about.
    assert main([*online, "submit"]) == 0
    (sent,) = google.requests
    capfd.readouterr()
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    assert main([*online, "submit", "--dry-run"]) == 0
    assert len(google.requests) == 1
    shown = json.loads(capfd.readouterr().out)
    assert shown["method"] == "POST"
    assert re.fullmatch(
        rf"{google.url}{RUNS}\?pipelineJobId=natality-\d{{8}}-\d{{6}}-\w{{4}}", shown["url"]
    )
    policy = shown["body"]["runtimeConfig"].pop("failurePolicy")
    assert policy == "PIPELINE_FAILURE_POLICY_FAIL_FAST"
    assert sent.body["runtimeConfig"].pop("failurePolicy") == 2  # The same, as the wire has it.
    assert shown["body"] == sent.body


def test_an_answer_that_got_lost_starts_no_second_run(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    answers = [refusal(503, "try again", "UNAVAILABLE"), refusal(409, "exists", "ALREADY_EXISTS")]
    accept(google)
    google.on(f"POST {RUNS}", lambda _: answers.pop(0))
    assert main([*online, "submit"]) == 0
    first, second = (request.query["pipelineJobId"] for request in google.asked(f"POST {RUNS}"))
    assert first == second
    assert "/pipelines/runs/" in capfd.readouterr().out


def test_tasks_are_followed_to_the_end(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    cached = {"state": "SUCCEEDED", "execution": {"state": "CACHED"}}
    blessed = {"blessing": {"artifacts": [{"metadata": {"blessed": 1}}]}}
    looks(
        google,
        run_of("RUNNING", BigQueryExampleGen="RUNNING"),
        refusal(503, "try again", "UNAVAILABLE"),
        run_of("RUNNING", BigQueryExampleGen=cached, StatisticsGen="RUNNING", Transform="RUNNING"),
        run_of(
            "SUCCEEDED",
            BigQueryExampleGen=cached,
            StatisticsGen="SUCCEEDED",
            Transform="SUCCEEDED",
            Trainer="SUCCEEDED",
            Evaluator={"state": "SUCCEEDED", "outputs": blessed},
            Pusher="SKIPPED",
        ),
    )
    assert main([*online, *FOLLOW]) == 0
    out = capfd.readouterr().out
    assert "BigQueryExampleGen: cached" in out
    assert "Transform: done 90.0 s" in out
    assert "Pusher: skipped" in out
    assert "The run succeeded after 72 minutes. The model is blessed." in out


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("Failed to pull image us-docker.pkg.dev/p/i:1: not found", "push it, correct image"),
        ("The following quotas are exceeded: CPUS", "iam-admin/quotas?project=my-project"),
        ("Permission 'storage.objects.get' denied on resource", "Grant the service account"),
        ("The replica workerpool0-0 exited with a non-zero status of 1", "Its log says more"),
    ],
)
def test_a_task_that_fails_is_named_with_error_cure_and_log(
    google: GoogleCloud,
    online: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    said: str,
    cure: str,
):
    failed = {
        "state": "FAILED",
        "error": {"code": 9, "message": said},
        "executorDetail": {
            "containerDetail": {"mainJob": "projects/1/locations/us-central1/customJobs/42"}
        },
    }
    looks(google, run_of("FAILED", BigQueryExampleGen="SUCCEEDED", StatisticsGen=failed))
    assert main([*online, *FOLLOW]) == 1
    told = capfd.readouterr()
    assert "StatisticsGen: failed" in told.out
    assert f"StatisticsGen failed: {said}." in told.err
    assert cure in told.err
    assert "/pipelines/runs/job-1?project=my-project" in told.err
    assert "/locations/us-central1/training/42?project=my-project" in told.err


def test_a_run_that_failed_before_its_tasks_says_why(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    looks(google, run_of("FAILED") | {"error": {"code": 3, "message": "no such network"}})
    assert main([*online, *FOLLOW]) == 1
    assert "The run failed: no such network." in capfd.readouterr().err


def test_a_cancelled_run_is_no_success(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    looks(google, run_of("CANCELLED", BigQueryExampleGen="CANCELLED"))
    assert main([*online, *FOLLOW]) == 1
    told = capfd.readouterr()
    assert "BigQueryExampleGen: stopped" in told.out
    assert "The run was cancelled." in told.err


def test_a_run_can_be_cancelled(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    google.on(f"POST {RUNS}/job-1:cancel", {})
    assert main([*online, "submit", "--cancel", "job-1"]) == 0
    assert google.asked(f"POST {RUNS}/job-1:cancel")
    assert "Run job-1 is being cancelled." in capfd.readouterr().out


def test_ctrl_c_ends_the_following_and_not_the_run(google: GoogleCloud, online: tuple[str, ...]):
    seen = threading.Event()

    def look(_: Request) -> dict[str, Any]:
        seen.set()
        return run_of("RUNNING", BigQueryExampleGen="RUNNING")

    google.on(f"GET {RUNS}/job-1", look)
    runner = Path(__file__).parents[3] / "vertex_runner.py"
    process = subprocess.Popen(
        [sys.executable, str(runner), *online, *FOLLOW],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    while not seen.wait(0.1):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "The run goes on." in out
    assert "submit --follow job-1" in out
    assert "submit --cancel job-1" in out
    assert all(request.method == "GET" for request in google.requests)


@pytest.mark.parametrize(
    ("answer", "cause", "cure"),
    [
        (
            refusal(
                403,
                "Vertex AI API has not been used in project 1 before or it is disabled.",
                "PERMISSION_DENIED",
                "SERVICE_DISABLED",
                service="aiplatform.googleapis.com",
                consumer="projects/my-project",
            ),
            "The API aiplatform.googleapis.com is not enabled in project my-project.",
            "gcloud services enable aiplatform.googleapis.com --project my-project",
        ),
        (
            refusal(
                403,
                "Permission 'aiplatform.pipelineJobs.create' denied on resource '//a'",
                "PERMISSION_DENIED",
                "IAM_PERMISSION_DENIED",
                permission="aiplatform.pipelineJobs.create",
            ),
            "You lack the permission aiplatform.pipelineJobs.create",
            "roles/aiplatform.user",
        ),
        (
            refusal(
                403,
                "You do not have permission to act as service_account: runner@my-project",
                "PERMISSION_DENIED",
            ),
            "You lack the permission iam.serviceAccounts.actAs",
            "roles/iam.serviceAccountUser on the service account",
        ),
        (
            refusal(400, "Unsupported region for Vertex AI, select from...", "INVALID_ARGUMENT"),
            "Vertex AI does not take the region",
            "Compare region",
        ),
        (
            refusal(
                429,
                "Quota exceeded for quota metric",
                "RESOURCE_EXHAUSTED",
                "RATE_LIMIT_EXCEEDED",
                quota_metric="aiplatform.googleapis.com/pipeline_jobs",
                quota_location="us-central1",
            ),
            "A quota is used up: aiplatform.googleapis.com/pipeline_jobs in us-central1",
            "iam-admin/quotas?project=my-project",
        ),
        (
            refusal(401, "Request had invalid authentication credentials", "UNAUTHENTICATED"),
            "have expired or were revoked",
            "gcloud auth application-default login",
        ),
    ],
)
def test_what_vertex_ai_refuses_is_explained(
    google: GoogleCloud,
    online: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, Any]],
    cause: str,
    cure: str,
):
    google.on(f"GET {RUNS}/job-1", answer)
    google.on(f"POST {RUNS}/job-1:cancel", answer)
    assert main([*online, "submit", "--cancel", "job-1"]) == 1
    told = capfd.readouterr().err
    assert cause in told
    assert cure in told


def test_a_bucket_that_is_not_there_is_named(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    assert (
        main([*online, "--run-root", "gs://nowhere-at-all/natality", "--no-cache", "submit"]) == 1
    )
    told = capfd.readouterr().err
    assert "There is no bucket nowhere-at-all." in told
    assert "gcloud storage buckets create gs://nowhere-at-all --project my-project" in told
    assert not google.requests


def test_expired_credentials_are_named(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    bad = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    google.on("POST /token", (400, bad))
    assert main([*online, "submit", "--follow", "job-1"]) == 1
    told = capfd.readouterr().err
    assert "have expired or were revoked" in told
    assert "gcloud auth application-default login" in told


def test_missing_credentials_are_named(
    online: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert main([*online, "submit", "--follow", "job-1"]) == 1
    told = capfd.readouterr().err
    assert "No credentials for Google Cloud are found here (File" in told
    assert "none.json" in told


def test_no_network_is_named_at_once(
    online: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    storage.write_credentials(tmp_path / "offline.json", "http://127.0.0.1:9/token")
    os.replace(tmp_path / "offline.json", tmp_path / "key.json")
    assert main([*online, "submit", "--follow", "job-1"]) == 1
    told = capfd.readouterr().err
    assert "Google Cloud can't be reached at 127.0.0.1" in told
    assert "HTTPS_PROXY" in told
