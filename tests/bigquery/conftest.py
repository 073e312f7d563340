"""Collected only by `make test-bigquery`: BQEMULATOR_PYTHON is the Python that has the emulator."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

PYTHON = os.environ.get("BQEMULATOR_PYTHON")
if not PYTHON:
    collect_ignore = [
        "test_init_from_bigquery.py",
        "test_dialect_on_emulator.py",
        "test_batch_on_emulator.py",
        "test_gaps_on_emulator.py",
        "test_stock_executor.py",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running emulator, empty, gone after the session."""
    assert PYTHON
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    home = tmp_path_factory.mktemp("emulator")
    log = home / "log"
    command = [PYTHON, str(Path(__file__).with_name("serve.py"))]
    options = ["--rest-port", str(port), "--grpc-port", "0", "--log-level", "warning"]
    with log.open("wb") as output:
        # DuckDB puts its extensions in the home folder: not the user's.
        server = subprocess.Popen(
            [*command, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HOME": str(home)},
        )
        try:
            _wait(server, f"{url}/bigquery/v2/projects", seconds=60, log=log)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(server: subprocess.Popen, url: str, seconds: float, log: Path) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return  # It answers.
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The emulator did not start:\n{log.read_text()[-3000:]}")
