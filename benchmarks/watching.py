"""The watch on a log of requests: how long it takes, of how many rows."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.measure import Process, run_python
from models.names import PREDICTION
from serving.records.request_log import SERVED, SUFFIX

ROWS = 1_000_000
DAYS = 28
_FILE_ROWS = 125_000
_FIRST = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.timezone.utc)


def measure(root: Path, examples: Path, version: int, folder: Path) -> Process:
    """Watches a log of `ROWS` rows of `DAYS` days.

    Args:
        root: Of the run that pushed the version.
        examples: A split's folder; its examples are asked over and over.
        version: That answered.
        folder: Somewhere to write.
    """
    log = folder / "requests"
    _write_log(log, examples, version)
    command = ["local_runner.py", "--run-root", str(root), "watch", "--log", str(log)]
    return run_python(command, folder / "watch.txt")


def _write_log(log: Path, examples: Path, version: int) -> None:
    log.mkdir(parents=True)
    files = sorted(map(str, examples.glob("*.gz")))
    records: Any = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    asked = itertools.islice(itertools.cycle(list(records)), ROWS)
    numbered = zip(asked, _served(version), strict=True)
    for number in range(ROWS // _FILE_ROWS):
        file = log / f"requests-{number:08d}-1{SUFFIX}"
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            # Messages one after the other are one message, of the fields of both.
            for example, served in itertools.islice(numbered, _FILE_ROWS):
                writer.write(example + served)


def _served(version: int) -> Iterator[bytes]:
    """What the log of requests keeps of each row, beside what was asked."""
    for number in range(ROWS):
        seconds = _FIRST.timestamp() + 86_400 * (number * DAYS // ROWS)
        told = tf.train.Example()
        features = told.features.feature
        features[f"{SERVED}request_id"].bytes_list.value.append(b"%032x" % number)
        features[f"{SERVED}row"].int64_list.value.append(0)
        features[f"{SERVED}version"].int64_list.value.append(version)
        features[f"{SERVED}time"].float_list.value.append(seconds)
        features[f"{SERVED}{PREDICTION}"].float_list.value.append(number % 7)
        yield told.SerializeToString()
