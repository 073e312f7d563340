"""Messages of the emulator are answered once each, or told of with a cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from bad_messages import BAD, ROW
from google import pubsub_v1
from pubsub import Emulator, emulated, subscription, topic
from small_model import expected, write_model

from common.errors import UserError
from models.names import PREDICTED
from serving.records.request_log import RequestLogSettings
from serving.stream.launch_stream import Stream, launch, main
from serving.stream.pubsub_worker import Subscription
from serving.stream.worker import Counts

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulated(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def pubsub(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Topics without messages."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
    emulator.create()
    yield emulator
    emulator.delete()


@pytest.fixture
def source(tmp_path: Path) -> Subscription:
    names = (subscription("asked"), topic("answers"), topic("dead"))
    return Subscription(*names, tmp_path / "state" / "answered.sqlite", id_attribute="id")


@pytest.fixture
def stream(source: Subscription, tmp_path: Path) -> Stream:
    write_model(tmp_path / "pushed", 1, offset=0.1)
    return Stream(source, str(tmp_path / "pushed"))


def take(stream: Stream, messages: int) -> Counts:
    return launch(replace(stream, most_messages=messages))


def asked(key: str, data: bytes | dict[str, Any], **more: Any) -> pubsub_v1.PubsubMessage:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return pubsub_v1.PubsubMessage(data=text, attributes={"id": key, "topic": "mine"}, **more)


def test_good_messages_are_answered_and_bad_ones_told(pubsub: Emulator, stream: Stream):
    good = [asked(f"g{i}", ROW | {"key": i}, ordering_key=f"k{i % 3}") for i in range(60)]
    bad = [asked(name, data) for name, (data, _) in BAD.items()]
    pubsub.publish([m for m in good if m.ordering_key == "k0"])
    pubsub.publish([m for m in good if m.ordering_key == "k1"])
    pubsub.publish([m for m in good if m.ordering_key == "k2"])
    pubsub.publish(bad)
    pubsub.publish([asked(f"g{i}", ROW | {"key": i}) for i in range(5)])  # Published twice.
    assert take(stream, 65 + len(BAD)) == Counts(60, len(BAD), 5)

    answers = pubsub.read("answers")
    rows = [json.loads(message.data) for message in answers]
    assert sorted(row["key"] for row in rows) == list(range(60))
    for message, row in zip(answers, rows, strict=True):
        assert row[PREDICTED] == pytest.approx(expected(ROW, 0.1), rel=1e-5)
        assert row[f"{PREDICTED}_80_low"] < row[PREDICTED] < row[f"{PREDICTED}_80_high"]
        assert row["model_version"] == "1"
        assert message.attributes["message_id"] == message.attributes["id"] == f"g{row['key']}"
        assert message.attributes["topic"] == "mine"
        assert message.attributes["publish_time"].startswith("20")
    for key in ("k0", "k1", "k2"):
        same = [r["key"] for m, r in zip(answers, rows, strict=True) if m.ordering_key == key]
        assert same == sorted(same)

    dead = {message.attributes["id"]: message for message in pubsub.read("dead")}
    assert dead.keys() == BAD.keys()
    for name, (data, cause) in BAD.items():
        assert dead[name].data == data
        assert dead[name].attributes["cause"].startswith(cause), name
        assert dead[name].attributes["attempts"] == "1"


def test_what_is_answered_is_logged_once(pubsub: Emulator, stream: Stream, tmp_path: Path):
    pubsub.publish([asked("a", ROW), asked("b", b"{}"), asked("a", ROW), asked("c", ROW)])
    logging = replace(stream, request_log=RequestLogSettings(tmp_path / "log"))
    assert take(logging, 4) == Counts(2, 1, 1)
    (file,) = (tmp_path / "log").iterdir()
    records: Any = tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
    features = [tf.train.Example.FromString(record).features.feature for record in records]
    ids = [its["served/request_id"].bytes_list.value[0] for its in features]
    assert sorted(ids) == [b"a", b"c"]


def test_the_next_worker_knows_what_was_answered(pubsub: Emulator, stream: Stream):
    pubsub.publish([asked("a", ROW)])
    assert take(stream, 1) == Counts(1, 0, 0)
    write_model(Path(stream.model_folder), 2, offset=0.2)
    pubsub.publish([asked("a", ROW), asked("b", ROW)])
    assert take(stream, 2) == Counts(1, 0, 1)
    versions = [json.loads(message.data)["model_version"] for message in pubsub.read("answers")]
    assert versions == ["1", "2"]


def test_a_message_with_all_attributes_that_there_may_be_is_answered(
    pubsub: Emulator, stream: Stream
):
    attributes = {f"a{i}": "x" * 1024 for i in range(99)} | {"id": "full"}
    pubsub.publish([pubsub_v1.PubsubMessage(data=json.dumps(ROW).encode(), attributes=attributes)])
    assert take(stream, 1) == Counts(1, 0, 0)
    (message,) = pubsub.read("answers")
    assert len(message.attributes) == 100
    assert message.attributes["message_id"] == "full"


def test_what_is_not_there_is_named(
    pubsub: Emulator, source: Subscription, stream: Stream, tmp_path: Path, capsys
):
    flags = ["--answers", topic("answers"), "--dead-letters", topic("dead")]
    flags += ["--state", str(source.state), "--model-folder"]
    lacking = ["--subscription", subscription("lacking")]
    assert main([*flags, stream.model_folder, *lacking]) == 1
    assert f"error: {subscription('lacking')} can't be read" in capsys.readouterr().err
    assert main([*flags, f"{tmp_path}/none", "--subscription", source.name]) == 1
    assert "No version of the model is loaded." in capsys.readouterr().err
    pubsub.publish([asked("a", ROW)])
    with pytest.raises(UserError, match=r"Nothing can be published to .*/lacking"):
        launch(replace(stream, source=replace(source, answers=topic("lacking"))))
    assert pubsub.read("answers") == []


@pytest.mark.slow
@pytest.mark.cloud
def test_twenty_thousand_messages_a_switch_and_a_kill(
    pubsub: Emulator, source: Subscription, stream: Stream, tmp_path: Path
):
    """1% are bad, 1% are published twice; a version is pushed and a worker killed in between."""
    kinds = list(BAD)
    messages, bad = [], set()
    for i in range(20_000):
        if i % 100 == 50:
            name = kinds[i // 100 % len(kinds)]
            bad.add(f"{i}")
            messages.append(asked(f"{i}", BAD[name][0]))
        else:
            messages.append(asked(f"{i}", ROW | {"key": i}))
    pubsub.publish(messages[:10_000])
    flags = ["--subscription", source.name, "--answers", source.answers]
    flags += ["--dead-letters", source.dead_letters, "--model-folder", stream.model_folder]
    flags += ["--state", str(source.state), "--id-attribute", "id", "--poll-seconds", "0.2"]

    def worker(*more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "serving.stream", *flags, *more]
        return subprocess.Popen(command, cwd=PROJECT, env=dict(os.environ))

    answers: list[pubsub_v1.PubsubMessage] = []
    first = worker()
    while len(answers) < 3_000:
        assert first.poll() is None
        answers += pubsub.read("answers")
    write_model(tmp_path / "aside", 2, offset=0.2)
    os.rename(tmp_path / "aside" / "2", tmp_path / "pushed" / "2")
    pubsub.publish(messages[10_000:])
    pubsub.publish(messages[100:20_000:100])
    while not any(json.loads(message.data)["model_version"] == "2" for message in answers[-100:]):
        assert first.poll() is None
        answers += pubsub.read("answers")
    first.kill()
    first.wait()
    # What the killed one had in hand comes again after the deadline of its acknowledgement.
    second = worker()
    dead = pubsub.read("dead")
    wanted = {f"{i}" for i in range(20_000)}
    while wanted - {message.attributes["message_id"] for message in (*answers, *dead)}:
        assert second.poll() is None
        answers += pubsub.read("answers")
        dead += pubsub.read("dead")
    second.kill()
    second.wait()

    times = Counter(message.attributes["message_id"] for message in answers)
    assert times.keys() == wanted - bad
    assert {m.attributes["message_id"] for m in dead} == bad
    for message in dead:
        assert message.attributes["cause"].startswith(
            BAD[kinds[int(message.attributes["id"]) // 100 % len(kinds)]][1]
        )
    # Only the calls that the kill cut short may be repeated, and then to the letter.
    repeated = {key for key, count in times.items() if count > 1}
    assert len(repeated) <= 1000
    texts: dict[str, set[bytes]] = {}
    for message in answers:
        texts.setdefault(message.attributes["message_id"], set()).add(message.data)
    assert all(len(texts[key]) == 1 for key in repeated)
    for message in answers:
        row = json.loads(message.data)
        offset = {"1": 0.1, "2": 0.2}[row["model_version"]]
        assert row[PREDICTED] == pytest.approx(expected(ROW, offset), rel=1e-5)
