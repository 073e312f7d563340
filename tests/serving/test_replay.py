"""A model is asked, before it is pushed, what callers ask; and so is the champion."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import uvicorn
from served_rows import ROWS
from small_model import expected, write_model

from models.features import LABEL
from models.names import EXAMPLES, PREDICTION, SERVING
from serving.examples import example_of
from serving.instances import from_rows
from serving.records.recorded_requests import Recorded, read_recorded, row_of
from serving.records.request_log import RequestLog, RequestLogSettings
from serving.replay.comparison import Latency as Times
from serving.replay.comparison import Replayed, compare, too_slow, wrong_answers
from serving.replay.loopback_server import served
from serving.replay.replay import replay

GENEROUS = 60_000.0


def encoded(row: dict[str, Any]) -> bytes:
    columns = from_rows([row])
    return example_of({name: values[0] for name, values in columns.items()}).SerializeToString()


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    rows = [dict(row) for row in ROWS] * 75
    return Recorded([encoded(row) for row in rows], rows, left_out=3)


def run(candidate: Path, champion: Path | None, recorded: Recorded) -> Replayed:
    found = replay(str(candidate), champion and str(champion), recorded, "the test split", GENEROUS)
    assert Replayed.from_json(found.to_json()) == found
    return found


def test_a_sound_model_passes_and_is_told_against_the_champion(models, recorded):
    found = run(models[2], models[1], recorded)
    assert found.passed
    assert (found.rows, found.alone, found.left_out) == (150, 150, 3)
    assert found.latency and found.champion and found.changes
    assert 0 < found.latency.p50 <= found.latency.p99
    apart = 0.1 * (LABEL.maximum - LABEL.minimum)
    assert found.changes.mean == pytest.approx(apart, rel=1e-4)
    assert sum(rows for _, _, rows in found.changes.bins) == 150
    for change in found.changes.largest:
        assert change.candidate == pytest.approx(expected(change.row, 0.2), rel=1e-5)
        assert change.champion == pytest.approx(expected(change.row, 0.1), rel=1e-5)
    assert "champion" in found.sentence


def test_a_client_may_wait_longer_than_uvicorn_keeps_a_connection(models):
    rows = [dict(row) for row in ROWS]
    with served(str(models[1])) as client:
        client.wait_until_loaded()
        before = client.predictions(rows)
        time.sleep(uvicorn.Config("none").timeout_keep_alive + 1)
        assert client.predictions(rows) == pytest.approx(before)


def test_the_first_model_has_no_champion(models, recorded):
    found = run(models[1], None, recorded)
    assert found.passed
    assert found.changes is None
    assert found.no_champion == "There is no blessed model yet."


def test_a_champion_that_can_no_longer_be_served_is_told(models, recorded, tmp_path):
    old = write_model(tmp_path, 1, lacks=next(iter(ROWS[0])))
    found = run(models[1], old, recorded)
    assert found.passed
    assert "other features than models/features.py declares" in found.no_champion


def test_what_the_server_refuses_is_not_passed(recorded, tmp_path):
    found = run(write_model(tmp_path, 1, factor=float("nan")), None, recorded)
    assert not found.passed
    (reason,) = found.reasons
    assert reason.startswith("The server refuses the model: ")
    assert "no finite number" in reason
    assert "not answered" in found.sentence


def test_a_model_whose_signatures_differ_is_not_passed(models, recorded):
    """By less than the server's own trial of a version takes for rounding."""
    loaded: Any = tf.saved_model.load(str(models[1]))
    served = loaded.signatures[SERVING](**{n: tf.constant(v) for n, v in from_rows(ROWS).items()})
    evaluated = loaded.signatures[EXAMPLES](tf.constant([encoded(dict(row)) for row in ROWS]))
    answers, predicted = (each[PREDICTION].numpy() for each in (served, evaluated))
    assert wrong_answers(ROWS, answers, predicted) == ""
    sentence = wrong_answers(ROWS, answers * np.array([1, 1.0005]), predicted)
    assert sentence.startswith("1 of 2 answers differ from what the evaluation predicts")
    assert f"instead of {predicted[1]:g}" in sentence
    assert wrong_answers(ROWS, answers * np.array([1, np.nan]), predicted).startswith("1 of 2")


def test_answers_that_the_evaluation_does_not_give_are_not_passed(models, recorded):
    """The same rows as Examples, in another order: so the two ways are really compared."""
    crossed = Recorded(recorded.examples[::-1], recorded.rows)
    (reason,) = run(models[1], None, crossed).reasons
    assert reason.startswith("150 of 150 answers differ from what the evaluation predicts")


def test_a_request_that_is_not_answered_is_not_passed(models, recorded):
    wrong = Recorded(recorded.examples[:1], [{"no such field": 1}])
    (reason,) = run(models[1], None, wrong).reasons
    assert reason.startswith("A request was not answered, 400: ")
    assert "no such field" in reason


def test_a_slow_model_is_not_passed_and_the_cure_is_told():
    assert too_slow(Times(1.0, 8.0), 8.0) == ""
    assert too_slow(Times(1.0, 8.5), 8.0).startswith(
        "p99 of a request is 8.5 ms, and max_replay_p99_ms allows 8. Make the model smaller"
    )


def test_the_largest_changes_are_told_whichever_their_direction():
    rows = [{"number": number} for number in range(12)]
    champion = np.zeros(12, np.float32)
    candidate = np.array([0.1 * n * (-1) ** n for n in range(12)], np.float32)
    found = compare(rows, candidate, champion)
    assert [change.row["number"] for change in found.largest] == list(range(11, 1, -1))
    assert found.ninety_fifth > found.typical > 0


def test_the_newest_requests_of_a_log_are_read(models, tmp_path: Path):
    settings = RequestLogSettings(tmp_path, 1.0, 1_000_000, 3600, 10_000_000)
    for number, row in enumerate(ROWS):
        log = RequestLog(settings)
        log.put(f"request-{number}", 1, from_rows([row]), np.array([7.0]))
        log.close()
    found = read_recorded(str(tmp_path), 10)
    assert found.left_out == 0
    assert sorted(map(str, found.rows)) == sorted(map(str, (filled(dict(row)) for row in ROWS)))
    assert read_recorded(str(tmp_path), 1).rows == [filled(dict(ROWS[1]))]
    passed = run(models[1], None, found)
    assert passed.passed


def filled(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is read again: in the order of the declaration."""
    return row_of(encoded(row))


def test_requests_of_another_declaration_are_left_out(tmp_path: Path):
    strange = tf.train.Example()
    with tf.io.TFRecordWriter(str(tmp_path / "requests-1.tfrecord.gz"), "GZIP") as writer:
        writer.write(strange.SerializeToString())
        writer.write(encoded(dict(ROWS[0])))
    found = read_recorded(str(tmp_path), 10)
    assert (len(found.rows), found.left_out) == (1, 1)
    assert found.rows == [filled(dict(ROWS[0]))]
    assert row_of(found.examples[0]) == found.rows[0]
