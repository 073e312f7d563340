"""Requests and what was answered, as tf.Examples under the names that training has them.

StatisticsGen and TFDV read the files, so that what is asked can be compared with what was learned.
A thread writes them: no answer waits for it, and what it can't keep up with is counted and lost.

A file is written under a name that ends in .part, and gets its own once it is whole and compressed.
What a killed process has left is made whole by the next that starts on the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from models.features import FEATURES
from models.names import PREDICTION
from serving.instances import Columns, row_count

SERVED = "served/"
"""What the names of all that training does not have begin with."""

SUFFIX = ".tfrecord.gz"
_PART = ".part"
_ROWS = 100_000
"""Rows that may wait to be written."""
_PAUSE = 30.0
"""Seconds to wait after a write that failed, as on a full disk."""
_DECLARED = {feature.name for feature in FEATURES}


@dataclass(frozen=True)
class RequestLogSettings:
    """How requests are logged.

    Attributes:
        folder: Gets the files.
        share: Of requests that are logged, from 0 to 1.
        file_bytes: Size at which a file is closed, before it is compressed.
        file_seconds: Age at which it is.
        total_bytes: Of all files; the oldest go first.
    """

    folder: Path
    share: float = 1.0
    file_bytes: int = 16_000_000
    file_seconds: float = 3600.0
    total_bytes: int = 1_024_000_000


def share(text: str) -> float:
    """Reads what share of requests is logged, as a flag has it.

    Raises:
        ValueError: If it is no share.
    """
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError(f"{text} is not above 0 and at most 1")
    return value


@dataclass(frozen=True)
class _Answered:
    request_id: str
    version: int
    time: float
    columns: Columns
    predictions: np.ndarray


class RequestLog:
    """Writes what is put into it, until it is closed.

    It reports rows that were lost, with their number, or a write that failed, with the reason.
    """

    def __init__(
        self,
        settings: RequestLogSettings,
        report: Callable[..., None] = lambda event, **fields: None,
    ) -> None:
        self._settings = settings
        self._report = report
        self._waiting: queue.SimpleQueue[_Answered | None] = queue.SimpleQueue()
        self._rows = 0
        self._lost = 0
        self._part: _Part | None = None
        self._resume = 0.0
        self._thread = threading.Thread(target=self._write, name="requests", daemon=True)
        self._thread.start()

    def put(
        self, request_id: str, version: int | None, columns: Columns, predictions: np.ndarray
    ) -> None:
        """Has a request written, if chance will have it; never waits.

        Args:
            request_id: The caller's, or the one it was given.
            version: That answered.
            columns: What it was fed: the declared features, or serialized Examples.
            predictions: What it answered, of shape [rows].
        """
        if random.random() >= self._settings.share:
            return
        rows = row_count(columns)
        if self._rows + rows > _ROWS:
            self._lost += rows
            return
        self._rows += rows
        self._waiting.put(_Answered(request_id, version or 0, time.time(), columns, predictions))

    def close(self, seconds: float = 10.0) -> None:
        """Writes what waits, and closes the file."""
        self._waiting.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        with self._trouble():
            self._settings.folder.mkdir(parents=True, exist_ok=True)
            self._recover()
        ended = False
        while not ended:
            try:
                answered = self._waiting.get(timeout=min(1.0, self._settings.file_seconds))
            except queue.Empty:
                answered = None
            else:
                ended = answered is None
            if answered:
                self._keep(answered)
            if self._lost:
                self._report("requests_lost", count=self._lost)
                self._lost = 0
            if self._part and (ended or self._part.due(self._settings)):
                self._finish(self._part)

    def _keep(self, answered: _Answered) -> None:
        rows = row_count(answered.columns)
        self._rows -= rows
        if time.monotonic() < self._resume:
            self._lost += rows
            return
        with self._trouble(rows):
            if self._part is None:
                self._part = _Part(self._settings.folder)
            for index, example in enumerate(_examples(answered)):
                self._part.add(example)
                if index % 100 == 99:
                    time.sleep(0)  # Requests come first.
            self._part.flush()

    def _finish(self, part: _Part) -> None:
        self._part = None
        with self._trouble():
            part.close()
            self._recover()
            self._bound()

    def _recover(self) -> None:
        """Makes files of all that no process writes to any more."""
        for path in sorted(self._settings.folder.glob(f"*{_PART}")):
            with path.open("rb") as file, contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists():  # Another process may have been faster.
                    _compress(path)

    def _bound(self) -> None:
        files = sorted(self._settings.folder.glob(f"*{SUFFIX}"))
        size = sum(file.stat().st_size for file in files)
        for file in files:
            if size <= self._settings.total_bytes:
                return
            size -= file.stat().st_size
            file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _trouble(self, rows: int = 0) -> Iterator[None]:
        """Survives what a disk may do, such as be full."""
        import tensorflow as tf

        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            self._lost += rows
            self._resume = time.monotonic() + _PAUSE
            if self._part:
                self._part.abandon()
                self._part = None
            self._report("request_log_failed", error=str(error)[:500])


class _Part:
    """A file that is being written; locked, so that others see that it is."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        # Of one look at the clock: of two, the second may be of the next second, and sort wrongly.
        seconds, rest = divmod(time.time_ns(), 10**9)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
        self.path = folder / f"requests-{stamp}-{rest:09d}-{os.getpid()}{_PART}"
        self._lock: IO[bytes] = self.path.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._writer = tf.io.TFRecordWriter(str(self.path))
        self._began = time.monotonic()
        self._bytes = 0

    def due(self, settings: RequestLogSettings) -> bool:
        """Whether it is large or old enough."""
        age = time.monotonic() - self._began
        return self._bytes >= settings.file_bytes or age >= settings.file_seconds

    def add(self, example: bytes) -> None:
        self._writer.write(example)
        self._bytes += len(example) + 16

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._lock.close()

    def abandon(self) -> None:
        """Closes it as it is: what is whole in it is kept, later."""
        import tensorflow as tf

        with contextlib.suppress(OSError, tf.errors.OpError):
            self.close()


def _compress(part: Path) -> None:
    """Makes a file of the whole records of a part, and removes that."""
    import tensorflow as tf

    whole = part.with_suffix(SUFFIX)
    aside = whole.with_name(f".{whole.name}")
    count = 0
    with tf.io.TFRecordWriter(str(aside), options="GZIP") as writer:
        for record in _whole_records(str(part)):
            writer.write(record)
            count += 1
    if count:
        os.replace(aside, whole)
    else:
        aside.unlink()
    part.unlink()


def _whole_records(path: str) -> Iterator[bytes]:
    """The records of a file, up to one that was cut off."""
    import tensorflow as tf

    with contextlib.suppress(tf.errors.DataLossError):
        records: Any = tf.data.TFRecordDataset(path).as_numpy_iterator()
        yield from records


def _examples(answered: _Answered) -> Iterator[bytes]:
    """Each row, serialized."""
    import tensorflow as tf

    from serving.examples import example_of

    for index in range(row_count(answered.columns)):
        row = {name: values[index] for name, values in answered.columns.items()}
        if row.keys() == _DECLARED:
            example = example_of(row)
        else:
            (serialized,) = row.values()
            example = tf.train.Example.FromString(serialized)
        _tell(example, "request_id", answered.request_id.encode())
        _tell(example, "row", index)
        _tell(example, "version", answered.version)
        _tell(example, "time", answered.time)
        _tell(example, PREDICTION, float(answered.predictions[index]))
        yield example.SerializeToString()


def _tell(example: Any, name: str, value: bytes | float | int) -> None:
    feature = example.features.feature[f"{SERVED}{name}"]
    if isinstance(value, bytes):
        feature.bytes_list.value.append(value)
    elif isinstance(value, int):
        feature.int64_list.value.append(value)
    else:
        feature.float_list.value.append(value)
