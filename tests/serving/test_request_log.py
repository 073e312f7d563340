"""What was asked and answered is kept, whole, bounded, and in the form of training's examples."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from served_rows import ROW, ROWS, answers, wait_until_ready
from starlette.testclient import TestClient

from models.declaration import Number
from models.features import FEATURES
from models.names import PREDICTION
from schema.served import ENVIRONMENT, request_schema
from serving.instances import Columns, from_rows
from serving.records.request_log import SERVED, SUFFIX, RequestLog, RequestLogSettings
from serving.server.application import create_application
from serving.server.server_settings import ServerSettings
from serving.versions.saved_model import Signature
from serving.versions.watcher import Watcher


def records(folder: Path) -> list[tf.train.Example]:
    """All Examples in the files, the oldest first."""
    files = sorted(map(str, folder.glob(f"*{SUFFIX}")))
    dataset: Any = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return [tf.train.Example.FromString(record) for record in dataset.as_numpy_iterator()]


def value(example: tf.train.Example, name: str) -> Any:
    feature = example.features.feature[name]
    (found,) = getattr(feature, str(feature.WhichOneof("kind"))).value
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "requests"


@pytest.fixture
def make(folder: Path) -> Callable[..., RequestLog]:
    def log(report: Callable[..., None] = lambda event, **_: None, **changed: Any) -> RequestLog:
        usual = {"share": 1.0, "file_bytes": 10**6, "file_seconds": 3600, "total_bytes": 10**9}
        return RequestLog(RequestLogSettings(folder=folder, **(usual | changed)), report)

    return log


def put(log: RequestLog, name: str, rows: int = 1) -> None:
    log.put(name, 2, from_rows([ROW] * rows), np.arange(rows, dtype=np.float32))


def test_a_new_version_is_tried_with_what_callers_ask(
    make: Callable[..., RequestLog],
    push: Callable[..., Path],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """One that fails at nothing but a recorded request is refused."""
    number = next(feature for feature in FEATURES if isinstance(feature, Number))
    rare = number.minimum + (number.maximum - number.minimum) * 0.37251
    log = make()
    log.put("rare", 1, from_rows([ROW | {number.name: rare}]), np.array([7.0]))
    log.close()
    call = Signature.__call__

    def fails_at_rare(signature: Signature, columns: Columns) -> dict[str, np.ndarray]:
        answer = call(signature, columns)
        if number.name in columns:
            answer[PREDICTION][columns[number.name] == np.float32(rare)] = np.nan
        return answer

    monkeypatch.setattr(Signature, "__call__", fails_at_rare)
    pushed = push(1)
    unaware = Watcher(str(pushed), "model", largest=4)
    unaware.look()
    assert unaware.ready
    warned = Watcher(str(pushed), "model", largest=4, requests=str(folder))
    warned.look()
    (status,) = warned.statuses()
    assert (status.state, "no finite number" in status.reason) == ("END", True)


def test_requests_are_kept_as_tfdv_reads_them(push: Callable[..., Path], folder: Path):
    """Through HTTP in two forms; the statistics are within the schema that training keeps to."""
    import tensorflow_data_validation as tfdv

    from pipeline.settings import load_settings

    settings = ServerSettings(
        model_folder=str(push(2)), model_name="model", access_log=False, request_log=str(folder)
    )
    with TestClient(create_application(settings)) as client:
        wait_until_ready(client)
        for address in ("/v1/models/model:predict", "/predict"):
            asked = client.post(
                address, json={"instances": ROWS}, headers={"X-Request-ID": address[1:3]}
            )
            assert asked.status_code == 200
        refused = client.post("/predict", json={"instances": [{"no": 1}]})
        assert refused.status_code == 400
    kept = records(folder)
    assert [value(e, f"{SERVED}{PREDICTION}") for e in kept] == answers(ROWS * 2)
    assert [value(e, f"{SERVED}request_id") for e in kept] == [b"v1", b"v1", b"pr", b"pr"]
    assert [value(e, f"{SERVED}row") for e in kept] == [0, 1, 0, 1]
    assert {value(e, f"{SERVED}version") for e in kept} == {2}
    assert value(kept[0], f"{SERVED}time") > 1.7e9
    options = tfdv.StatsOptions(feature_allowlist=[feature.name for feature in FEATURES])
    files = [str(file) for file in folder.glob(f"*{SUFFIX}")]
    statistics = tfdv.generate_statistics_from_tfrecord(files[0], stats_options=options)
    assert statistics.datasets[0].num_examples == 4
    schema = request_schema(tfdv.load_schema_text(str(load_settings([]).schema_file)))
    anomalies = tfdv.validate_statistics(statistics, schema, environment=ENVIRONMENT)
    assert not dict(anomalies.anomaly_info)


def test_files_are_closed_by_size_and_the_oldest_go(make, folder: Path):
    log = make(file_bytes=1, total_bytes=2000)
    for number in range(12):
        put(log, f"r{number}")
    log.close()
    files = sorted(folder.iterdir())
    assert all(file.name.endswith(SUFFIX) for file in files)
    assert sum(file.stat().st_size for file in files) <= 2000
    names = [value(e, f"{SERVED}request_id").decode() for e in records(folder)]
    assert 0 < len(names) < 12
    assert names == [f"r{number}" for number in range(12 - len(names), 12)]


def test_names_sort_by_time_as_a_second_turns(
    make: Callable[..., RequestLog], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """However long it takes from one look at the clock to the next."""
    moments = iter(range(1_790_000_000_000_000_000, 1_790_000_100_000_000_000, 400_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    real = time.gmtime
    monkeypatch.setattr(time, "gmtime", lambda seconds=None: real(seconds or next(moments) / 10**9))
    log = make(file_bytes=1)
    for number in range(12):
        put(log, f"r{number}")
    log.close()
    names = [value(e, f"{SERVED}request_id").decode() for e in records(folder)]
    assert names == [f"r{number}" for number in range(12)]


def test_a_file_is_closed_by_age(make, folder: Path):
    log = make(file_seconds=0.05)
    put(log, "one")
    while not list(folder.glob(f"*{SUFFIX}")):
        pass  # A test's time limit ends it otherwise.
    log.close()
    assert len(records(folder)) == 1


def test_a_share_of_the_requests_is_kept(make, folder: Path):
    log = make(share=0.5)
    for number in range(400):
        put(log, str(number))
    log.close()
    assert 100 < len(records(folder)) < 300


def test_what_the_disk_can_not_take_is_told_and_the_server_goes_on(make, folder: Path):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file, where a folder should be")
    told: list[str] = []
    log = make(report=lambda event, **_: told.append(event))
    put(log, "lost", rows=3)
    log.close()
    assert told[0] == "request_log_failed"
    assert "requests_lost" in told


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told(make, folder: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[str, Any]] = []
    log = make(report=lambda event, **fields: told.append((event, fields)))
    writer = tf.io.TFRecordWriter
    monkeypatch.setattr(tf.io, "TFRecordWriter", lambda path, **_: writer("/dev/full"))
    put(log, "lost", rows=5)
    log.close()
    assert [event for event, _ in told] == ["request_log_failed", "requests_lost"]
    assert told[1][1] == {"count": 5}


KILLED = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from serving.instances import from_rows
from serving.records.request_log import RequestLog, RequestLogSettings
folder = Path(sys.argv[1])
log = RequestLog(RequestLogSettings(folder, 1.0, 10**9, 3600, 10**9))
columns = from_rows([{row}])
number = 0
while True:
    log.put(str(number), 1, columns, np.zeros(1, np.float32))
    number += 1
    time.sleep(0.0005)
"""


def test_a_killed_process_leaves_whole_records(make, folder: Path):
    code = KILLED.format(row=repr(ROW))
    with subprocess.Popen([sys.executable, "-c", code, folder]) as process:
        while not any(part.stat().st_size > 20_000 for part in folder.glob("*.part")):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    (part,) = folder.glob("*.part")
    with part.open("r+b") as file:  # As if it had been killed within a write.
        file.truncate(part.stat().st_size - 7)
    make().close()
    assert [file.name.endswith(SUFFIX) for file in folder.iterdir()] == [True]
    names = [int(value(e, f"{SERVED}request_id")) for e in records(folder)]
    assert names == list(range(len(names)))
    assert len(names) > 50


def test_a_file_that_another_process_writes_is_left_alone(make, folder: Path):
    writing = make()
    put(writing, "one")
    while not list(folder.glob("*.part")):
        pass
    make().close()
    assert len(list(folder.glob("*.part"))) == 1
    writing.close()
    assert len(records(folder)) == 1
