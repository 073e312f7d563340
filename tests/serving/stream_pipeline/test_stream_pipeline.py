"""The Beam pipeline answers as the worker does: its steps on any runner, the whole on Pub/Sub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from bad_messages import BAD, ROW
from google import pubsub_v1
from pubsub import emulated, subscription, topic
from small_model import expected, write_model

from models.names import PREDICTED
from pipeline.beam import RUNNER
from serving.stream_pipeline.answer_steps import (
    ORDERING_KEY,
    StreamJob,
    answered,
    published,
    refused_row,
    row_of,
)
from serving.stream_pipeline.launch_pipeline import FAILED, main
from serving.stream_pipeline.message_handler import MessageHandler

PROJECT = Path(__file__).parents[3]
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def job(folder: Path, **more: Any) -> StreamJob:
    topics = (subscription("asked"), topic("answers"), topic("dead"))
    return StreamJob(*topics, str(folder / "1"), 1, **more)


def came(number: int, data: bytes, key: str = "") -> PubsubMessage:
    return PubsubMessage(data, {"id": f"k{number}", "topic": "mine"}, f"{number}", WHEN, key)


def run(folder: Path, messages: list[PubsubMessage], out: Path, **more: Any) -> dict[str, Any]:
    """What is published, by kind."""
    with beam.Pipeline(options=PipelineOptions([f"--runner={RUNNER}"])) as pipeline:
        messages_in: Any = pipeline | beam.Create(messages)
        found = answered(messages_in, job(folder, **more))
        for name, replies in zip(("answers", "dead"), found, strict=True):
            _ = (
                replies
                | f"{name} published" >> beam.Map(published)
                | f"{name} as text"
                >> beam.Map(lambda m: json.dumps([m.data.decode("latin-1"), m.attributes]))
                | f"{name} to file" >> beam.io.WriteToText(f"{out}/{name}", shard_name_template="")
            )
    return {
        name: [json.loads(line) for line in (out / name).read_text().splitlines()]
        for name in ("answers", "dead")
    }


def test_good_messages_are_answered_and_bad_ones_told(tmp_path: Path):
    write_model(tmp_path / "pushed", 1, offset=0.1)
    good = [came(i, json.dumps(ROW | {"key": i}).encode(), "k" * (i % 2)) for i in range(30)]
    bad = [came(100 + i, data) for i, (data, _) in enumerate(BAD.values())]
    told = run(tmp_path / "pushed", [*good, *bad], tmp_path, id_attribute="id")
    assert len(told["answers"]) == 30
    for data, attributes in told["answers"]:
        row = json.loads(data)
        assert row[PREDICTED] == pytest.approx(expected(ROW, 0.1), rel=1e-5)
        assert row[f"{PREDICTED}_80_low"] < row[PREDICTED] < row[f"{PREDICTED}_80_high"]
        assert row["model_version"] == "1"
        assert attributes["message_id"] == attributes["id"] == f"k{row['key']}"
        assert attributes["topic"] == "mine"
        assert attributes["publish_time"] == WHEN.isoformat()
        assert attributes.get(ORDERING_KEY, "") == "k" * (row["key"] % 2)
    dead = {attributes["id"]: (data, attributes) for data, attributes in told["dead"]}
    assert len(dead) == len(BAD)
    for number, (data, cause) in enumerate(BAD.values()):
        letter, attributes = dead[f"k{100 + number}"]
        assert letter.encode("latin-1") == data
        assert attributes["cause"].startswith(cause)


def test_a_version_that_is_pushed_later_takes_over(tmp_path: Path):
    write_model(tmp_path, 1)
    handler = MessageHandler(str(tmp_path / "1"), 1)
    handler.update_model_path("")  # As Beam says it while there is none.
    assert handler.load_model().version == 1
    write_model(tmp_path, 2)
    handler.update_model_path(f"{tmp_path}/2/saved_model.pb")
    assert handler.load_model().version == 2


def test_a_row_that_a_table_refuses_is_a_dead_letter(tmp_path: Path):
    write_model(tmp_path / "pushed", 1)
    told = run(tmp_path / "pushed", [came(1, json.dumps(ROW).encode())], tmp_path)
    ((data, attributes),) = told["answers"]
    row = row_of(PubsubMessage(data.encode(), attributes))  # pyright: ignore[reportArgumentType]
    assert (row["message_id"], row["publish_time"]) == ("1", WHEN.isoformat())
    letter = refused_row(("p:d.t", row, [{"reason": "invalid"}]))
    assert json.loads(letter.data) == json.loads(data)
    assert letter.attributes["message_id"] == "1"
    assert letter.attributes["cause"].startswith("It is answered, but p:d.t refuses the row: ")


def test_what_cannot_be_is_told_with_its_cure(tmp_path: Path, capsys):
    flags = ["--subscription", "asked", "--answers", "a", "--dead-letters", "d"]
    assert main([*flags, "--model-folder", str(tmp_path)]) == FAILED
    assert "error: No model has been pushed to" in capsys.readouterr().err
    write_model(tmp_path, 1)
    assert main([*flags, "--model-folder", str(tmp_path)]) == FAILED
    assert "projects/PROJECT/subscriptions/NAME" in capsys.readouterr().err


@pytest.mark.slow
def test_it_answers_the_messages_of_pubsub_on_the_runner_that_streams_here(tmp_path: Path):
    write_model(tmp_path / "pushed", 1, offset=0.1)
    with emulated(tmp_path) as emulator:
        emulator.create()
        good = [json.dumps(ROW | {"key": i}).encode() for i in range(25)]
        bad = [data for data, _ in BAD.values() if data]  # Pub/Sub takes no message of nothing.
        messages = [pubsub_v1.PubsubMessage(data=data) for data in (*good, *bad)]
        flags = ["--subscription", subscription("asked"), "--answers", topic("answers")]
        flags += ["--dead-letters", topic("dead"), "--model-folder", f"{tmp_path}/pushed"]
        log = tmp_path / "log"
        with log.open("wb") as out:
            running = subprocess.Popen(
                [sys.executable, "-m", "serving.stream_pipeline", *flags],
                cwd=PROJECT,
                env=os.environ | {"PUBSUB_EMULATOR_HOST": emulator.address},
                stdout=out,
                stderr=out,
            )
            try:
                emulator.publish(messages)
                found: dict[str, list] = {"answers": [], "dead": []}
                until = time.monotonic() + 120
                while sum(map(len, found.values())) < len(messages):
                    assert running.poll() is None, log.read_text()[-3000:]
                    assert time.monotonic() < until, log.read_text()[-3000:]
                    for name, some in found.items():
                        some += emulator.read(name)
                    time.sleep(0.2)
            finally:
                running.send_signal(signal.SIGINT)
                try:
                    running.wait(20)
                except subprocess.TimeoutExpired:
                    running.kill()
                    running.wait()
    rows = [json.loads(message.data) for message in found["answers"]]
    assert sorted(row["key"] for row in rows) == list(range(25))
    assert all(row[PREDICTED] == pytest.approx(expected(ROW, 0.1), rel=1e-5) for row in rows)
    assert sorted(message.data for message in found["dead"]) == sorted(bad)
    assert all(message.attributes["message_id"] for message in found["answers"])
