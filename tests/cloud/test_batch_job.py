"""`vertex_runner.py batch`: its Dataflow job, and what workers make of rows in a bucket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import storage
import tensorflow as tf
from compiled import ACCOUNT, BUCKET, IMAGE, PROJECT
from dataflow_service import Dataflow, Job
from small_model import expected, write_model
from vertex_command import run_command, worker_variables
from workers import Workers

from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTED

ROW = dict(EXAMPLE_REQUEST)
GOOD, BAD = 700, 3
LOG = ("--request-log", f"gs://{BUCKET}/requests")

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    status: int
    printed: str
    job: Job


@pytest.fixture(scope="module")
def rows(dataflow: Dataflow, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two files of rows in the bucket, some of them bad, and a model that was pushed."""
    bucket = storage.client(dataflow.storage_url).bucket(BUCKET)
    for number in range(2):
        lines = [json.dumps(ROW | {"key": f"{number}-{i}"}) for i in range(GOOD)]
        lines += ["{no JSON"] * BAD
        bucket.blob(f"in/{number}.jsonl").upload_from_string("\n".join(lines))
    model = tmp_path_factory.mktemp("pushed")
    write_model(model, 7, offset=0.2)
    storage.upload(dataflow.storage_url, BUCKET, model, "natality/serving/natality")
    return f"gs://{BUCKET}/in/*.jsonl"


def predict(dataflow: Dataflow, key: Path, given: str, output: str, *flags: str) -> Ended:
    """Runs the command."""
    given_and_output = ("--input", given, "--output", output, *LOG)
    ended = run_command(
        dataflow, key, "--push-to", "storage", *flags, "batch", "--run", "monday", *given_and_output
    )
    return Ended(ended.returncode, ended.stdout, dataflow.jobs[-1])


@pytest.fixture(scope="module")
def with_package(
    dataflow: Dataflow,
    image_python: Path,
    rows: str,
    credentials: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ended:
    """Workers of the image as it is."""
    there = Workers(image_python, tmp_path_factory.mktemp("with"), worker_variables(dataflow))
    assert there.has("serving.batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataflow, "workers", there)
        output = f"gs://{BUCKET}/out/scored.jsonl"
        flags = ["--dataflow-max-workers", "7", "--labels", "team=births"]
        return predict(dataflow, credentials, rows, output, *flags)


def objects(dataflow: Dataflow, prefix: str) -> list[str]:
    found = storage.client(dataflow.storage_url).list_blobs(BUCKET, prefix=prefix)
    return [blob.name for blob in found]


def read(dataflow: Dataflow, name: str) -> list[dict]:
    text = storage.client(dataflow.storage_url).bucket(BUCKET).blob(name).download_as_text()
    return [json.loads(line) for line in text.splitlines()]


def test_the_job_is_a_batch_of_the_settings(with_package: Ended):
    job = with_package.job
    assert (job.project, job.region) == (PROJECT, "us-central1")
    assert job.request["type"] == "JOB_TYPE_BATCH"
    assert job.request["name"] == "natality-development-batch-monday"
    assert job.request["labels"] == {"team": "births"}
    environment = job.request["environment"]
    assert environment["serviceAccountEmail"] == ACCOUNT
    assert environment["serviceOptions"] == ["max_workflow_runtime_walltime_seconds=10800"]
    assert job.pool["autoscalingSettings"]["maxNumWorkers"] == 7
    workers_image = IMAGE.replace(":", "-workers:")
    assert job.pool["workerHarnessContainerImage"] == workers_image


def test_every_row_is_answered_or_told(with_package: Ended, dataflow: Dataflow):
    assert with_package.status == 3, with_package.printed + with_package.job.log[-5000:]
    assert f"dataflow/jobs/us-central1/{dataflow.jobs.index(with_package.job)}" in (
        with_package.printed
    )
    assert f"{2 * GOOD:,} births predicted to" in with_package.printed
    answered = read(dataflow, "out/scored.jsonl")
    assert [row["key"] for row in answered] == [f"{n}-{i}" for n in (0, 1) for i in range(GOOD)]
    for row in answered[:: GOOD // 3]:
        assert row[PREDICTED] == pytest.approx(expected(ROW, 0.2), rel=1e-5)
        assert (row["model_version"], row["batch_run"]) == ("7", "monday")
    letters = read(dataflow, "out/scored.jsonl.dead.jsonl")
    assert [(letter["file"], letter["row"]) for letter in letters] == [
        (f"gs://{BUCKET}/in/{n}.jsonl", GOOD + 1 + i) for n in (0, 1) for i in range(BAD)
    ]
    assert objects(dataflow, "natality/temp/batch/") == []
    assert dataflow.unknown == []


def test_the_log_has_each_row_that_is_answered(
    with_package: Ended, dataflow: Dataflow, tmp_path: Path
):
    (name,) = objects(dataflow, "requests/")
    assert name.endswith("-monday.tfrecord.gz")
    file = tmp_path / "log.gz"
    storage.client(dataflow.storage_url).bucket(BUCKET).blob(name).download_to_filename(str(file))
    examples: Any = tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
    features = [tf.train.Example.FromString(example).features.feature for example in examples]
    rows = [its["served/row"].int64_list.value[0] for its in features]
    assert rows == list(range(2 * GOOD))
    assert {its["served/version"].int64_list.value[0] for its in features} == {7}


def test_it_fails_and_writes_nothing_where_workers_lack_our_package(
    dataflow: Dataflow, workers: Workers, rows: str, credentials: Path, tmp_path: Path
):
    with pytest.MonkeyPatch.context() as patch:
        there = Workers(workers.python, tmp_path, worker_variables(dataflow))
        patch.setattr(dataflow, "workers", there)
        ended = predict(dataflow, credentials, rows, f"gs://{BUCKET}/lacking/scored.jsonl")
    assert ended.job.state == "JOB_STATE_FAILED"
    assert "No module named 'serving" in ended.job.log
    assert ended.status == 1
    assert "No module named 'serving" in ended.printed
    assert objects(dataflow, "lacking/") == []
