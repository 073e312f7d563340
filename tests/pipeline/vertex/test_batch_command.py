"""`batch`: which model predicts, what is refused at once, and the request that starts the job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import storage
from apache_beam.internal.gcp import auth
from google_cloud import GoogleCloud
from small_model import write_model

from models.judging import EXAMPLE_REQUEST
from pipeline.vertex.commands import main

PLACE = "projects/my-project/locations/us-central1"
JOBS = f"/v1b3/{PLACE}/jobs"
MODEL = f"/v1/{PLACE}/models/natality-development"


@pytest.fixture
def command(
    google: GoogleCloud, online: tuple[str, ...], buckets: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """The command line, with rows in the bucket, and Dataflow that takes jobs."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", buckets)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # Beam keeps what it found in another test.
    monkeypatch.setattr(auth._Credentials, "_credentials_init", False)
    rows = json.dumps(EXAMPLE_REQUEST)
    storage.client(buckets).bucket("my-bucket").blob("in/rows.jsonl").upload_from_string(rows)
    google.on(f"POST {JOBS}", lambda r: {"id": "job-1", "name": r.body["name"], "location": "r"})
    google.on(f"GET {MODEL}:listVersions", {})
    # By name, as Beam takes no address that begins with a digit.
    led = ("--addresses", f"dataflow={google.url.replace('127.0.0.1', 'localhost')}")
    return lambda *flags: main([*online, *led, *flags])


def push(url: str, folder: Path, place: str) -> None:
    model = write_model(folder, 1)
    bucket = storage.client(url).bucket("my-bucket")
    for file in model.rglob("*"):
        if file.is_file():
            name = f"{place}/{file.relative_to(model).as_posix()}"
            bucket.blob(name).upload_from_filename(str(file))


ROWS = ("batch", "--input", "gs://my-bucket/in/", "--output", "gs://my-bucket/out/scored.parquet")


def job(google: GoogleCloud) -> dict[str, Any]:
    (request,) = google.asked(f"POST {JOBS}")
    return request.body


def test_the_version_that_the_endpoint_asks_predicts(
    command, google: GoogleCloud, capfd: pytest.CaptureFixture[str]
):
    versions = [
        {"versionId": "1", "versionAliases": ["champion"], "artifactUri": "gs://my-bucket/a/"},
        {"versionId": "2", "versionAliases": ["blessed", "candidate"], "artifactUri": "gs://b/c"},
    ]
    google.on(f"GET {MODEL}:listVersions", {"models": versions})
    assert command(*ROWS, "--run", "monday", "--no-wait") == 0
    printed = capfd.readouterr().out
    assert "Version 1 of the model, gs://my-bucket/a\n" in printed
    assert (
        "https://console.cloud.google.com/dataflow/jobs/us-central1/job-1?project=my-project"
        in printed
    )
    request = job(google)
    assert request["name"] == "natality-development-batch-monday"
    assert request["type"] in ("JOB_TYPE_BATCH", 1)  # A newer Beam gives the number.
    told = request["environment"]["sdkPipelineOptions"]["options"]
    assert told["temp_location"].startswith("gs://my-bucket/natality/temp/natality-development-")
    assert told["sdk_container_image"].endswith("/natality-workers:1")
    assert google.asked(f"GET {JOBS}.*") == []  # It does not wait.


def test_where_models_are_stored_the_newest_predicts(
    command, google: GoogleCloud, buckets: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    push(buckets, tmp_path / "pushed", "natality/serving/natality/3")
    assert command("--push-to", "storage", *ROWS, "--no-wait") == 0
    assert "Version 3 of the model, gs://my-bucket/natality/serving/natality/3" in (
        capfd.readouterr().out
    )
    assert job(google)["name"].startswith("natality-development-batch-2")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--input", "rows.csv"], "--input is 'rows.csv', which Dataflow's workers do not reach"),
        (["--output", "out.csv"], "--output is 'out.csv', which Dataflow's workers do not reach"),
        (["--output", "gs://my-bucket/out.xls"], "gs://my-bucket/out.xls is of no known format"),
        (["--dead-letters", "dead"], "Setting batch.dead_letters is 'dead'"),
        (["--input", "gs://my-bucket/none/*"], "There is nothing to read at gs://my-bucket/none/*"),
        (["--model-folder", "gs://my-bucket/none"], "No model has been pushed to gs://my-bucket"),
        ([], "No version of natality-development is in the Model Registry"),
    ],
)
def test_what_cannot_be_is_told_before_a_job_is_asked_for(
    command, google: GoogleCloud, capfd: pytest.CaptureFixture[str], flags: list[str], said: str
):
    if any("none/*" in flag or "xls" in flag for flag in flags):
        version = {"versionId": "1", "versionAliases": ["champion"], "artifactUri": "gs://b/m"}
        google.on(f"GET {MODEL}:listVersions", {"models": [version]})
    given = dict(zip(ROWS[1::2], ROWS[2::2], strict=True))
    given |= dict(zip(flags[::2], flags[1::2], strict=True))
    assert command("batch", *(word for flag in given.items() for word in flag)) != 0
    assert said in " ".join(capfd.readouterr().err.split())
    assert google.asked(f"POST {JOBS}") == []
