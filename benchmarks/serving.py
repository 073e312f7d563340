"""Measures the server against calling the model in the process, which is the floor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.environment import PROCESS
from models.judging import EXAMPLE_REQUEST
from models.names import SERVING
from pipeline.settings import ROOT

CLIENTS = (1, 8, 64)
SECONDS = 5.0
"""How long each number of clients asks."""
ROWS = (1, 1000)
"""Rows in a request whose overhead is measured."""


@dataclass(frozen=True)
class Latency:
    """Of requests, in milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Served:
    """What was measured.

    Attributes:
        floor: The model called in this process, by rows in a call.
        asked: The server, by rows in a request.
        rate: Requests of one row a second, by clients.
        resident_bytes: Memory of the server after them.
        steady: Of 8 clients while nothing changes.
        switching: Of the same, while a version is loaded, tried and switched to.
    """

    floor: dict[int, Latency]
    asked: dict[int, Latency]
    rate: dict[int, float]
    resident_bytes: int
    steady: Latency
    switching: Latency


def measure(version: Path, folder: Path) -> Served:
    """Measures a server of one model.

    Args:
        version: The model that was pushed.
        folder: Somewhere to write.
    """
    pushed = folder / "pushed"
    shutil.copytree(version, pushed / "1")
    floor = {rows: _floor(version, rows) for rows in ROWS}
    with _server(pushed, folder / "log") as (process, port):
        asked = {rows: _one_client(port, rows) for rows in ROWS}
        loads = {clients: asyncio.run(_load(port, clients)) for clients in CLIENTS}
        resident = _resident_bytes(process.pid)
        steady = asyncio.run(_load(port, 8))
        switching = asyncio.run(_load(port, 8, lambda: _push(version, pushed)))
    return Served(
        floor,
        asked,
        {clients: len(taken) / SECONDS for clients, taken in loads.items()},
        resident,
        latency(steady),
        latency(switching),
    )


def _floor(version: Path, rows: int) -> Latency:
    from serving.instances import from_rows
    from serving.versions.saved_model import SavedModel

    signature = SavedModel(str(version), 1).signatures[SERVING]
    columns = from_rows([dict(EXAMPLE_REQUEST)] * rows)
    return latency(_timed(lambda: signature(columns), 2000 if rows == 1 else 200))


def _one_client(port: int, rows: int) -> Latency:
    request = _request(rows)
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        connection.makefile("rb") as answers,
    ):

        def ask() -> None:
            connection.sendall(request)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += answers.readline()
            answers.read(_body_length(head))

        return latency(_timed(ask, 2000 if rows == 1 else 200))


def _timed(action: Any, times: int) -> list[float]:
    for _ in range(times // 10):  # What is put off until it is first needed.
        action()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return taken


async def _load(port: int, clients: int, meanwhile: Any = None) -> list[float]:
    """Seconds that each request took of so many clients, who ask again at once."""
    request = _request(1)
    until = time.perf_counter() + SECONDS
    taken: list[float] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (started := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_body_length(head))
            taken.append(time.perf_counter() - started)
        writer.close()

    asking = [asyncio.create_task(ask()) for _ in range(clients)]
    if meanwhile:
        await asyncio.to_thread(meanwhile)
    await asyncio.gather(*asking)
    return taken


def _push(version: Path, pushed: Path) -> None:
    shutil.copytree(version, pushed / ".aside")
    os.rename(pushed / ".aside", pushed / "2")


@contextlib.contextmanager
def _server(pushed: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    command = [sys.executable, "-m", "serving", "--port", "0", "--no-access-log"]
    command += ["--model-folder", str(pushed), "--poll-seconds", "0.2"]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | PROCESS, stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            while b'"switched"' not in log.read_bytes():
                if process.poll() is not None:
                    raise RuntimeError(log.read_text(errors="replace")[-3000:])
                time.sleep(0.05)
            yield process, json.loads(log.read_text().splitlines()[0])["port"]
        finally:
            process.terminate()


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _request(rows: int) -> bytes:
    """A request as it goes over the wire; a library's client costs as much as the server does."""
    body = json.dumps({"instances": [dict(EXAMPLE_REQUEST)] * rows}).encode()
    return (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


def _body_length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace"))
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


def latency(taken: Sequence[float]) -> Latency:
    """Of requests that took so many seconds."""
    p50, p99 = np.percentile(taken, [50, 99]) * 1000
    return Latency(float(p50), float(p99))
