"""A line of JSON for each request, and for each event of a version, on standard output."""

from __future__ import annotations

import atexit
import contextlib
import functools
import queue
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.records.telemetry import Telemetry

_ID_LENGTH = 128
_LINES = 10_000
"""Lines that may wait to be written; more are lost, and their number is told."""
_SECONDS = 2.0
"""Time for the last lines to be written as the process ends."""
_RECORD = "serving.record"


@dataclass
class Record:
    """What is known of a request that is being answered.

    Attributes:
        request_id: The caller's, from `X-Request-ID`, or a new one.
        contract: Which protocol it speaks.
        version: Version that answers, if any does.
        rows: Number of rows asked for.
        error: Why it is refused.
    """

    request_id: str
    contract: str = ""
    version: int | None = None
    rows: int = 0
    error: str = ""


def record_of(scope: Scope) -> Record:
    """The record of a request, for whoever answers it to fill in."""
    return scope[_RECORD]


def write_line(event: str, **fields: Any) -> None:
    """Writes what has a value, with the time; never waits for whoever reads it."""
    line: dict[str, Any] = {"time": time.time(), "event": event}
    line |= {name: value for name, value in fields.items() if value not in (None, "")}
    _writer().put(line)


@functools.cache
def _writer() -> _Writer:
    return _Writer()


class _Writer:
    """Writes lines in a thread: a pipe that nobody reads must not hold up any answer."""

    def __init__(self) -> None:
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue(_LINES)
        self._lost = 0
        threading.Thread(target=self._write, name="log", daemon=True).start()
        atexit.register(self._finish)

    def put(self, line: dict[str, Any]) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def _write(self) -> None:
        while True:
            lines = [self._lines.get()]
            while not self._lines.empty():
                lines.append(self._lines.get())
            if self._lost:
                lines.append({"time": time.time(), "event": "lines_lost", "count": self._lost})
                self._lost = 0
            with contextlib.suppress(OSError):  # Nobody reads any more, or the disk is full.
                sys.stdout.write("".join(orjson.dumps(line).decode() + "\n" for line in lines))
                sys.stdout.flush()
            for _ in range(min(len(lines), self._lines.unfinished_tasks)):
                self._lines.task_done()

    def _finish(self) -> None:
        """Gives what is written last a moment to get out."""
        deadline = time.monotonic() + _SECONDS
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)


class AccessLog:
    """Counts, times and writes down every request; its identifier goes back with the answer."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, write: bool) -> None:
        self._app = app
        self._telemetry = telemetry
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        record = scope[_RECORD] = Record(_request_id(scope))
        status, sent = 0, 0

        async def send_on(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", record.request_id.encode()))
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - started
            # No status: the client has gone, or the answer failed as it was made.
            self._telemetry.requests.labels(record.contract, status or "none").inc()
            self._telemetry.seconds.labels(record.contract).observe(seconds)
            if self._write:
                write_line(
                    "request",
                    request_id=record.request_id,
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round(seconds * 1000, 3),
                    rows=record.rows,
                    version=record.version,
                    bytes=sent,
                    error=record.error,
                )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= _ID_LENGTH and value.isascii():
            return value.decode()
    return uuid.uuid4().hex
