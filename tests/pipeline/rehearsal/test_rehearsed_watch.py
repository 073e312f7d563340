"""The compiled watch, run as Vertex AI would: its verdict, who is told, and what is started."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.cloud.aiplatform_v1.types import PipelineJob
from google.protobuf import json_format
from request_logs import VERSION, drawn, training_statistics, write_log
from specs import Checkout, Watcher

from pipeline.rehearsal.container import TaskFailed
from pipeline.rehearsal.outcome import Rehearsed
from pipeline.rehearsal.spec_runner import rehearse
from pipeline.settings import ROOT
from pipeline.vertex.options import WatchOptions
from pipeline.vertex.vertex_settings import load_settings
from pipeline.vertex.watch_pipeline import compile_watch, retraining

pytestmark = pytest.mark.slow

SETTINGS = load_settings(
    [
        *("--project", "my-project", "--run-root", "gs://my-bucket/runs"),
        *("--service-account", "runner@my-project.iam.gserviceaccount.com"),
        *("--image", "us-central1-docker.pkg.dev/my-project/runs/runs:1"),
        *("--notify-webhook", "https://chat.example.com/hooks/secret"),
    ]
)
LOG = "gs://my-bucket/requests"
DAY = 400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Of rehearsals, of which one has pushed a version."""
    statistics = tmp_path / "buckets" / "my-bucket" / "statistics"
    (statistics / "Split-train").mkdir(parents=True)
    file = statistics / "Split-train" / "FeatureStats.pb"
    file.write_bytes(training_statistics().SerializeToString())
    outputs = {
        "StatisticsGen": {"statistics": {"uri": "gs://my-bucket/statistics"}},
        "Pusher": {"pushed_model": {"metadata": {"pushed_version": str(VERSION)}}},
        "Report": {"page": {"uri": "gs://my-bucket/report.html"}},
    }
    details = [
        {
            "taskName": task,
            "state": "SUCCEEDED",
            "outputs": {key: {"artifacts": [artifact]} for key, artifact in made.items()},
        }
        for task, made in outputs.items()
    ]
    run = {
        "name": "projects/1/locations/us-central1/pipelineJobs/first",
        "displayName": "natality-development",
        "jobDetail": {"taskDetails": details},
    }
    earlier = tmp_path / "logs" / "20260101-000000"
    earlier.mkdir(parents=True)
    (earlier / "run.json").write_text(json.dumps(run))
    return tmp_path


@pytest.fixture
def watch(root: Path) -> Callable[..., tuple[Rehearsed, list[Any]]]:
    """Rehearses a watch on a log; what came of it, and what was asked of others."""

    def rehearsed(log: Path) -> tuple[Rehearsed, list[Any]]:
        uri, content = retraining(SETTINGS)
        (root / "retraining.json").write_bytes(content)
        options = WatchOptions.model_validate({"log": LOG, "days": 3, "retrain": True})
        job = compile_watch(SETTINGS, options)
        given = job["pipelineSpec"]["root"]["dag"]["tasks"]["Watch"]["inputs"]["parameters"]
        schema = given["schema"]["runtimeValue"]["constant"]
        outcome = rehearse(
            job,
            root,
            source="",
            observer=Watcher(),
            environment=Checkout(root / "environment", ROOT),
            uploads={f"{LOG}/{file.name}": file for file in log.iterdir()}
            | {schema: SETTINGS.schema_file, uri: root / "retraining.json"},
        )
        return outcome, asked(outcome.logs)

    return rehearsed


def asked(logs: Path) -> list[Any]:
    file = logs / "requests.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def two_days(folder: Path, **second: Any) -> Path:
    """A log of yesterday and today; what all of today's rows have may be said."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    days = [drawn(DAY, 1), drawn(DAY, 2).assign(**second)]
    return write_log(folder, days, first=today - datetime.timedelta(1))


def test_a_quiet_log_is_well_and_nobody_is_told(
    watch: Callable[..., tuple[Rehearsed, list[Any]]], tmp_path: Path
):
    outcome, others = watch(two_days(tmp_path / "log"))
    assert outcome.drifted is False
    assert others == []
    assert outcome.page is not None
    page = outcome.page.read_text()
    assert "As learned: nothing that was asked is further from training" in page
    assert f"of the log of requests <code>{tmp_path}/buckets/my-bucket/requests</code>" in page


def test_a_drifted_log_is_told_and_training_starts(
    watch: Callable[..., tuple[Rehearsed, list[Any]]], tmp_path: Path
):
    outcome, (started, told) = watch(two_days(tmp_path / "log", mother_age=44.0))
    assert outcome.drifted is True
    assert outcome.page is not None
    assert "Not as learned: mother age." in outcome.page.read_text()
    path = "/v1/projects/my-project/locations/us-central1/pipelineJobs?pipelineJobId="
    assert started["path"].startswith(f"{path}natality-development-after-{VERSION}&")
    sent = json_format.ParseDict(started["body"], PipelineJob.pb()())
    assert sent == json_format.Parse(retraining(SETTINGS)[1], PipelineJob.pb()())
    assert "BaseModel-model-resolver" in str(sent)  # It goes on from the last blessed model.
    assert (told["task"], told["path"]) == ("Watch", "/webhook")
    verdict, requests, _ = told["body"]["text"].splitlines()
    assert verdict.startswith("natality-development: Not as learned: mother age.")
    assert f"answered by version {VERSION}" in requests
    log = (outcome.logs / "Watch.log").read_text()
    assert "goes on from the last blessed model" in log
    assert "secret" not in log


def test_a_watch_that_fails_is_told_too(
    watch: Callable[..., tuple[Rehearsed, list[Any]]], root: Path, tmp_path: Path
):
    empty = tmp_path / "log"
    empty.mkdir()
    with pytest.raises(TaskFailed, match="has no file that is whole"):
        watch(empty)
    (told,) = asked(max((root / "logs").iterdir()))
    assert told["body"]["text"].startswith("natality-development: the watch failed. The log of")


def test_without_a_pushed_version_there_is_nothing_to_hold_it_to(
    watch: Callable[..., tuple[Rehearsed, list[Any]]], root: Path, tmp_path: Path
):
    shutil.rmtree(root / "logs")
    with pytest.raises(TaskFailed, match="No run is known that has pushed a version"):
        watch(two_days(tmp_path / "log"))
