"""The program: how it starts, what it loads, writes and counts, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_rows import ROW, answers

from serving.server import launch

ROOT = Path(__file__).parents[2]
BODY = json.dumps({"instances": [ROW]})
OTHERS = "tfx|apache_beam|tensorflow_transform|tensorflow_data_validation|ml_metadata"


class Server:
    """A server in a process of its own, at a port that was free."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        while not log.read_text().endswith("\n"):
            assert process.poll() is None
        self.port = self.lines()[0]["port"]

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def get(self, address: str) -> tuple[int, str]:
        with contextlib.closing(self.connection()) as connection:
            connection.request("GET", address)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def wait_until_ready(self) -> None:
        while self.get("/v2/health/ready")[0] != 200:
            assert self.get("/v2/health/live")[0] == 200

    def lines(self) -> list[dict[str, Any]]:
        """What it has written."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@contextlib.contextmanager
def running(folder: Path, errors: Path, *flags: str) -> Iterator[Server]:
    """A server of a folder; what it loads is in the file of errors."""
    log = errors.with_suffix(".log")
    command = [sys.executable, "-X", "importtime", "-m", "serving", "--port", "0"]
    with (
        errors.open("wb") as stderr,
        log.open("wb") as stdout,
        subprocess.Popen(
            [*command, "--model-folder", str(folder), "--model-name", "model", *flags],
            cwd=ROOT,
            stdout=stdout,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield Server(process, log)
        finally:
            process.kill()


@pytest.mark.slow
def test_requests_in_progress_are_answered_before_it_ends(push, tmp_path):
    errors = tmp_path / "errors"
    with running(push(2), errors, "--batch-window-ms", "1000") as server:
        server.wait_until_ready()
        connections = [server.connection() for _ in range(5)]
        for connection in connections:
            connection.request("POST", "/predict", BODY, {"x-request-id": "mine"})
        server.get("/v2/health/live")  # Read after those above, which wait for company now.
        server.process.send_signal(signal.SIGTERM)
        for connection in connections:
            response = connection.getresponse()
            assert response.status == 200
            assert response.getheader("x-request-id") == "mine"
            assert json.load(response) == {"predictions": answers([ROW])}
        assert server.process.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
    lines = server.lines()
    assert ("loaded", 2) in [(line["event"], line.get("version")) for line in lines]
    written = [line for line in lines if line.get("request_id") == "mine"]
    assert [(line["status"], line["rows"], line["version"]) for line in written] == [
        (200, 1, 2)
    ] * 5
    loaded = errors.read_text()
    assert re.search(r"\| +tensorflow\n", loaded)
    assert not re.search(rf"\| +({OTHERS}|pipeline|report)\b", loaded)


@pytest.mark.slow
def test_told_to_stop_it_is_not_ready_and_goes_on_for_a_while(push, tmp_path):
    with running(push(2), tmp_path / "errors", "--drain-seconds", "5") as server:
        server.wait_until_ready()
        server.process.send_signal(signal.SIGTERM)
        while server.get("/v2/health/ready")[0] != 503:
            pass
        server.process.send_signal(signal.SIGTERM)  # Once is enough.
        with contextlib.closing(server.connection()) as connection:
            connection.request("POST", "/predict", BODY)
            assert connection.getresponse().status == 200
        assert server.get("/health")[0] == 503
        assert server.process.wait() == 0
    assert [line["event"] for line in server.lines()].count("draining") == 1


@pytest.mark.slow
def test_told_to_stop_in_the_middle_of_requests_it_stops(push, tmp_path):
    with running(push(2), tmp_path / "errors", "--drain-seconds", "0") as server:
        server.wait_until_ready()
        ended = threading.Event()

        def ask() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                while not ended.is_set():
                    server.get("/v2/health/live")

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait() == 0
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_several_workers_add_up_their_figures(push, tmp_path):
    with running(push(2), tmp_path / "errors", "--workers", "2") as server:
        server.wait_until_ready()
        told = ""
        for _ in range(10):
            status = 503
            while status == 503:  # The other worker may still be warming up.
                with contextlib.closing(server.connection()) as connection:
                    connection.request("POST", "/predict", BODY)
                    status = connection.getresponse().status
            assert status == 200
        told = server.get("/metrics")[1]
        assert 'serving_rows_total{version="2"} 10.0' in told
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--port", "x"], 2, "--port is 'x'"),
        (["--port", "70000"], 2, "--port is '70000'"),
        (["--health-route", "health"], 2, "a path that starts with /"),
        (["--nonsense"], 2, "nonsense"),
        (["--host", "192.0.2.1"], 1, "can't be listened on"),
    ],
)
def test_what_can_not_be_is_told(capsys, arguments, status, said):
    assert launch.main(arguments) == status
    assert said in capsys.readouterr().err


def test_an_address_in_use_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert launch.main(["--port", str(port)]) == 1
    assert f"127.0.0.1:{port} can't be listened on (Address already in use)" in (
        capsys.readouterr().err
    )


def test_what_happens_is_counted(served):
    served.post("/predict", json={"instances": [ROW] * 3})
    served.post("/predict", json={})
    told = served.get("/metrics").text
    assert re.search(r'serving_requests_total\{contract="vertex",status="200"\} [1-9]', told)
    assert re.search(r'serving_requests_total\{contract="vertex",status="400"\} [1-9]', told)
    assert re.search(r'serving_request_seconds_count\{contract="vertex"\} [1-9]', told)
    assert re.search(r"serving_batch_rows_count [1-9]", told)
    assert 'serving_version_events_total{event="loaded"} 2.0' in told
    assert "serving_newest_version 2.0" in told
