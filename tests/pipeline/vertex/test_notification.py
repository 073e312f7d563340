"""Who is told how a run ended: what is posted, and what is said if it is not taken."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud import aiplatform_v1
from google.oauth2.credentials import Credentials
from google.protobuf import json_format
from google_cloud import GoogleCloud, refusal
from kfp.pipeline_spec import pipeline_spec_pb2

from common.errors import UserError
from pipeline import webhook
from pipeline.cli.config import SettingsError
from pipeline.rehearsal import loopback
from pipeline.vertex import notification
from pipeline.vertex.compile import compile_job
from pipeline.vertex.task_order import all_tasks, tasks_in_order
from pipeline.vertex.vertex_settings import VertexSettings

Load = Callable[..., VertexSettings]

RUN = "projects/123/locations/us-central1/pipelineJobs/natality-1"
SECRET = "projects/my-project/secrets/webhook/versions/latest"
CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/us-central1/pipelines/runs"
PAGE = "my-bucket/natality/pipeline/123/natality-1/Report_7/page/report.html"


def artifact(**fields: Any) -> dict[str, Any]:
    return {"a": {"artifacts": [fields]}}


JUDGED = [
    # Of an earlier run, and so not what this one came to.
    {
        "taskName": "Baseline-model-blessing-resolver",
        "state": "SUCCEEDED",
        "outputs": artifact(metadata={"blessed": 1}),
    },
    {
        "taskName": "Evaluator",
        "state": "SUCCEEDED",
        "outputs": artifact(metadata={"blessed": 0}),
    },
    {
        "taskName": "Report",
        "state": "SUCCEEDED",
        "outputs": artifact(
            uri=f"gs://{PAGE}",
            metadata={"verdict": "Not blessed: RMSE of Twins(2) is 2.1 lb, more than 2."},
        ),
    },
]


@pytest.fixture
def tell(google: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs the exit handler after a run of these tasks; the lines that the webhook got."""
    options = {
        "client_options": {"api_endpoint": google.url},
        "credentials": Credentials("for-tests-only"),
        "transport": "rest",
    }
    asked = loopback._led(aiplatform_v1.PipelineServiceClient, options)
    monkeypatch.setattr(aiplatform_v1, "PipelineServiceClient", asked)
    google.on("POST /hooks/1", {})

    def told(*tasks: dict[str, Any], **status: Any) -> list[str]:
        google.on(f"GET /v1/{RUN}", {"name": RUN, "jobDetail": {"taskDetails": tasks}})
        given = {"pipelineJobResourceName": RUN, "pipelineTaskName": "tfx-dag", **status}
        executor: Any = notification.Notification.EXECUTOR_SPEC.executor_class()
        properties = {"webhook": f"{google.url}/hooks/1", "pipeline": "natality-production"}
        executor.Do({}, {}, {"final_status": json.dumps(given), **properties})
        (posted,) = google.asked("POST /hooks/1")
        assert set(posted.body) == {"text"}
        return posted.body["text"].splitlines()

    return told


def test_a_run_that_ended_well_is_told_with_verdict_and_report(
    tell: Callable[..., list[str]],
) -> None:
    assert tell(*JUDGED, state="SUCCEEDED", error={}) == [
        "natality-production: the run succeeded; its model is not blessed.",
        "Not blessed: RMSE of Twins(2) is 2.1 lb, more than 2.",
        f"Report: https://storage.cloud.google.com/{PAGE}",
        f"Run: {CONSOLE}/natality-1?project=123",
    ]


def test_a_run_that_failed_is_told_with_what_failed(tell: Callable[..., list[str]]) -> None:
    gate = {
        "taskName": "AnomalyGate",
        "state": "FAILED",
        "error": {"code": 9, "message": "The replica exited with a non-zero status of 1."},
    }
    assert tell(gate, state="FAILED", error={"message": "tasks failed"}) == [
        "natality-production: the run failed.",
        "AnomalyGate failed: The replica exited with a non-zero status of 1",
        f"Run: {CONSOLE}/natality-1?project=123",
    ]


def test_a_run_that_failed_before_its_tasks_is_told_too(tell: Callable[..., list[str]]) -> None:
    _, why, _ = tell(state="FAILED", error={"code": 3, "message": "no such network"})
    assert why == "no such network"


def test_the_address_may_be_kept_in_a_secret(
    google: GoogleCloud, online: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "SECRETS", google.url)
    data = base64.b64encode(b"https://chat.example.com/hooks/1\n").decode()
    google.on(f"GET /v1/{SECRET}:access", {"payload": {"data": data}})
    assert notification.webhook_address(SECRET) == "https://chat.example.com/hooks/1"
    google.on(f"GET /v1/{SECRET}:access", refusal(403, "no", "PERMISSION_DENIED"))
    with pytest.raises(UserError, match=r"can't be read: 403") as refused:
        notification.webhook_address(SECRET)
    assert "roles/secretmanager.secretAccessor" in refused.value.cure


def test_a_webhook_that_takes_nothing_fails_and_its_address_is_kept_out_of_logs(
    google: GoogleCloud,
) -> None:
    google.on("POST /hooks/key-1", (404, {"error": "no_team"}))
    for address in (f"{google.url}/hooks/key-1", "http://127.0.0.1:9/hooks/key-1"):
        with pytest.raises(UserError) as refused:
            notification.post(address, "text")
        assert "key-1" not in "".join(traceback.format_exception(refused.value))


def test_the_exit_handler_runs_after_all_tasks_whatever_became_of_them(
    vertex_settings: Load,
) -> None:
    spec = compile_job(vertex_settings("--notify-webhook", SECRET))["pipelineSpec"]
    parsed: Any = pipeline_spec_pb2.PipelineSpec()
    json_format.ParseDict(spec, parsed)
    task = parsed.root.dag.tasks[notification.NODE]
    assert task.trigger_policy.strategy == task.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED
    assert task.inputs.parameters["webhook"].runtime_value.constant.string_value == SECRET
    without = compile_job(vertex_settings())["pipelineSpec"]
    waits = tasks_in_order(spec)
    assert sorted(waits.pop(notification.NODE)) == sorted(all_tasks(without))
    assert waits == tasks_in_order(without)
    # All else is the same: retries, caching, resolvers.
    tasks = all_tasks(spec)
    tasks.pop(notification.NODE)
    assert tasks == all_tasks(without)


@pytest.mark.parametrize("webhook", ["chat.example.com/1", "http://chat.example.com/1", "secret"])
def test_what_is_no_webhook_is_refused(vertex_settings: Load, webhook: str) -> None:
    with pytest.raises(SettingsError, match="write it like https://"):
        vertex_settings("--notify-webhook", webhook)
