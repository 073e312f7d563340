"""`stream`: the request that starts the job that goes on, and the one that replaces it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import storage
from apache_beam.internal.gcp import auth
from apache_beam.portability.api import beam_runner_api_pb2
from google_cloud import GoogleCloud

from pipeline.vertex.commands import main

PLACE = "projects/my-project/locations/us-central1"
JOBS = f"/v1b3/{PLACE}/jobs"
MODEL = f"/v1/{PLACE}/models/natality-development"
ASKED = ("--subscription", "projects/my-project/subscriptions/asked")
TOPICS = ("--answers", "projects/my-project/topics/answers")
TOPICS += ("--dead-letters", "projects/my-project/topics/dead")
NAME = "natality-development-stream"


@pytest.fixture
def command(
    google: GoogleCloud, online: tuple[str, ...], buckets: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """The command line, with a champion in the registry, and Dataflow that takes jobs."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", buckets)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # Beam keeps what it found in another test.
    monkeypatch.setattr(auth._Credentials, "_credentials_init", False)
    google.on(f"POST {JOBS}", lambda r: {"id": "job-2", "name": r.body["name"], "location": "r"})
    version = {"versionId": "4", "versionAliases": ["champion"], "artifactUri": "gs://my-bucket/m"}
    google.on(f"GET {MODEL}:listVersions", {"models": [version]})
    # By name, as Beam takes no address that begins with a digit.
    led = ("--addresses", f"dataflow={google.url.replace('127.0.0.1', 'localhost')}")
    return lambda *flags: main([*online, *led, "stream", *flags])


def staged(request: dict[str, Any], url: str) -> dict[str, Any]:
    """The pipeline's steps, by name."""
    folder = request["environment"]["sdkPipelineOptions"]["options"]["staging_location"]
    bucket, _, prefix = folder.removeprefix("gs://").partition("/")
    blob = storage.client(url).bucket(bucket).blob(f"{prefix}/pipeline.pb")
    pipeline = beam_runner_api_pb2.Pipeline.FromString(blob.download_as_bytes())
    return {step.unique_name: step for step in pipeline.components.transforms.values()}


def test_the_job_is_a_stream_that_grows_with_its_messages(
    command, google: GoogleCloud, buckets: str, capfd: pytest.CaptureFixture[str]
):
    table = "bq:my-project.served.answers"
    assert command(*ASKED, *TOPICS, "--table", table, "--id-attribute", "key") == 0
    printed = capfd.readouterr().out
    assert "Version 4 of the model, gs://my-bucket/m" in printed
    assert "dataflow/jobs/us-central1/job-2?project=my-project" in printed
    assert "gcloud dataflow jobs drain job-2 --region us-central1 --project my-project" in printed
    (asked,) = google.asked(f"POST {JOBS}")
    request = asked.body
    assert request["name"] == NAME
    assert request["type"] in ("JOB_TYPE_STREAMING", 2)  # A newer Beam gives numbers.
    environment = request["environment"]
    told = environment["sdkPipelineOptions"]["options"]
    assert told["enable_streaming_engine"] is True
    assert {"enable_streaming_engine", "use_runner_v2"} <= set(environment["experiments"])
    assert "serviceOptions" not in environment  # Nothing ends it after some time.
    (pool,) = environment["workerPools"]
    scaling = pool["autoscalingSettings"]
    assert scaling["algorithm"] in ("AUTOSCALING_ALGORITHM_BASIC", 2)
    assert scaling["maxNumWorkers"] == 10
    steps = staged(request, buckets)
    (read,) = (step for name, step in steps.items() if step.spec.urn.endswith("pubsub_read:v1"))
    assert b"projects/my-project/subscriptions/asked" in read.spec.payload
    assert b"key" in read.spec.payload
    written = [s.spec.payload for s in steps.values() if s.spec.urn.endswith("pubsub_write:v1")]
    assert sorted(re.findall(rb"topics/(\w+)", b" ".join(written))) == [b"answers", b"dead"]
    assert any(name.startswith("ToTable/") for name in steps)
    assert not any(name.startswith("NewVersions") for name in steps)  # The registry is no folder.


def test_an_update_names_the_job_it_replaces(
    command, google: GoogleCloud, buckets: str, capfd: pytest.CaptureFixture[str]
):
    running = {"id": "job-1", "name": NAME, "currentState": "JOB_STATE_RUNNING"}
    google.on(f"GET {JOBS}", {"jobs": [running]})
    storage.client(buckets).bucket("my-bucket").blob("v/3/saved_model.pb").upload_from_string("")
    assert command(*ASKED, *TOPICS, "--model-folder", "gs://my-bucket/v", "--update") == 0
    assert "Version 3 of the model, gs://my-bucket/v/3" in capfd.readouterr().out
    (asked,) = google.asked(f"POST {JOBS}")
    assert asked.body["replaceJobId"] == "job-1"
    # A later version takes over by itself.
    assert any(name.startswith("NewVersions/") for name in staged(asked.body, buckets))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--subscription", "asked"),
        ("--answers", "projects/my-project/subscriptions/answers"),
        ("--table", "answers"),
    ],
)
def test_wrong_names_are_told_at_once(
    command, google: GoogleCloud, capfd: pytest.CaptureFixture[str], flag: str, value: str
):
    given = [*ASKED, *TOPICS, flag, value]
    assert command(*given) == 2
    assert f"Setting stream.{flag.strip('-')} is '{value}'" in capfd.readouterr().err
    assert google.requests == []
