"""`vertex_runner.py stream`: what workers make of the staged steps, with messages of Pub/Sub.

Beam has no runner here that goes on reading Pub/Sub for workers of another environment. So the job
takes what waits, once, and ends; Dataflow's own source, windmill and scaling are not shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import storage
from bad_messages import BAD, ROW
from compiled import BUCKET, PROJECT
from dataflow_service import Dataflow, Job
from google import pubsub_v1
from google_cloud import GoogleCloud
from pubsub import Emulator, emulated, subscription, topic
from small_model import expected, write_model
from vertex_command import run_command, worker_variables
from workers import Workers

from models.names import PREDICTED
from serving.stream_pipeline.answer_steps import ORDERING_KEY

MODEL = f"/v1/projects/{PROJECT}/locations/us-central1/models/natality-development"
GOOD = 1500
BAD_DATA = {name: told for name, told in BAD.items() if told[0]}  # Pub/Sub takes no empty one.

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


@dataclass(frozen=True)
class Pushed:
    """The model, and who tells of it.

    Attributes:
        registry: Where the command asks for the version that answers.
        key: Credentials.
    """

    registry: GoogleCloud
    key: Path


@pytest.fixture(scope="module")
def pushed(
    dataflow: Dataflow, credentials: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pushed]:
    folder = tmp_path_factory.mktemp("champion")
    storage.upload(dataflow.storage_url, BUCKET, write_model(folder, 7, offset=0.2), "champion")
    version = {
        "versionId": "4",
        "versionAliases": ["champion"],
        "artifactUri": f"gs://{BUCKET}/champion",
    }
    with GoogleCloud() as registry:
        registry.on(f"GET {MODEL}:listVersions", {"models": [version]})
        yield Pushed(registry, credentials)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with emulated(tmp_path) as running:
        running.create()
        yield running


def run_job(dataflow: Dataflow, pushed: Pushed, there: Workers, emulator: Emulator) -> Job:
    """Starts the job as a user does, and waits until it has taken what is there."""
    variables = worker_variables(dataflow) | {"PUBSUB_EMULATOR_HOST": emulator.address}
    flags = ["--push-to", "endpoint", "--addresses", f"aiplatform={pushed.registry.url}"]
    names = ["--subscription", subscription("asked"), "--answers", topic("answers")]
    names += ["--dead-letters", topic("dead")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataflow, "workers", replace(there, variables=variables))
        ended = run_command(dataflow, pushed.key, *flags, "stream", *names)
        assert ended.returncode == 0, ended.stdout[-5000:]
        job = dataflow.jobs[-1]
        assert f"Job {dataflow.jobs.index(job)}: " in ended.stdout
        while job.state == "JOB_STATE_RUNNING":
            time.sleep(0.1)
    return job


def test_workers_of_the_image_answer_every_message_or_tell_why_not(
    dataflow: Dataflow,
    pushed: Pushed,
    image_python: Path,
    emulator: Emulator,
    tmp_path: Path,
):
    messages = [
        pubsub_v1.PubsubMessage(
            data=json.dumps(ROW | {"key": i}).encode(),
            attributes={"topic": "mine"},
            ordering_key="k" * (i % 2),
        )
        for i in range(GOOD)
    ]
    emulator.publish([m for m in messages if not m.ordering_key])
    emulator.publish([m for m in messages if m.ordering_key])
    emulator.publish([pubsub_v1.PubsubMessage(data=data) for data, _ in BAD_DATA.values()])

    there = Workers(image_python, tmp_path)
    assert there.has("serving.stream_pipeline")
    job = run_job(dataflow, pushed, there, emulator)
    assert job.request["type"] == "JOB_TYPE_STREAMING"
    assert job.state == "JOB_STATE_DONE", job.log[-5000:]

    answers = emulator.read("answers")
    rows = [json.loads(message.data) for message in answers]
    assert sorted(row["key"] for row in rows) == list(range(GOOD))
    for message, row in zip(answers, rows, strict=True):
        assert row[PREDICTED] == pytest.approx(expected(ROW, 0.2), rel=1e-5)
        assert row["model_version"] == "4"
        assert message.attributes["topic"] == "mine"
        assert message.attributes["message_id"]
        assert message.attributes.get(ORDERING_KEY, "") == "k" * (row["key"] % 2)
    dead = {message.data: message.attributes["cause"] for message in emulator.read("dead")}
    assert dead.keys() == {data for data, _ in BAD_DATA.values()}
    assert all(dead[data].startswith(cause) for data, cause in BAD_DATA.values())
    assert emulator.read("asked") == []


def test_it_fails_and_publishes_nothing_where_workers_lack_our_package(
    dataflow: Dataflow, pushed: Pushed, workers: Workers, emulator: Emulator, tmp_path: Path
):
    emulator.publish([pubsub_v1.PubsubMessage(data=json.dumps(ROW).encode())])
    job = run_job(dataflow, pushed, Workers(workers.python, tmp_path), emulator)
    assert job.state == "JOB_STATE_FAILED"
    assert "No module named 'serving" in job.log
    assert emulator.read("answers") == emulator.read("dead") == []
