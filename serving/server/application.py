"""The application: all protocols on one model, and what keeps it in view."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from serving.contracts import open_inference, tensorflow_serving, vertex_container
from serving.page import web_page
from serving.records.access_log import AccessLog, record_of, write_line
from serving.records.request_log import RequestLog
from serving.records.telemetry import Telemetry
from serving.server.openapi import description
from serving.server.server_settings import ServerSettings
from serving.server.service import REFUSED, Service, endpoint, refuse, reply
from serving.versions.batching import Batcher
from serving.versions.watcher import Watcher

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_application(settings: ServerSettings) -> ASGIApp:
    """The application, which listens at once and is ready when a version is warm."""
    service = _service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        service.watcher.start(settings.poll_seconds)
        _drain_on_signal(service)
        yield
        service.watcher.stop()
        service.batcher.close()
        if service.requests:
            service.requests.close()

    application = Starlette(
        routes=[
            Route("/metrics", endpoint(service, "metrics", _metrics)),
            Route("/openapi.json", endpoint(service, "openapi", _openapi)),
            *vertex_container.routes(service),
            *tensorflow_serving.routes(service),
            *open_inference.routes(service),
            *web_page.routes(service),
        ],
        exception_handlers={
            **dict.fromkeys(REFUSED, refuse),
            HTTPException: _no_such_address,
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    return AccessLog(application, service.telemetry, settings.access_log)


def _service(settings: ServerSettings) -> Service:
    telemetry = Telemetry()

    def report(event: str, version: int, reason: str) -> None:
        telemetry.versions.labels(event).inc()
        if event == "switched":
            telemetry.version.set(version)
        write_line(event, version=version, error=reason)

    kept = settings.request_log_settings
    watcher = Watcher(
        settings.model_folder,
        settings.model_name,
        kept=settings.versions_kept,
        labels=settings.labels,
        largest=settings.max_batch_rows,
        report=report,
        requests=str(kept.folder) if kept else None,
    )
    batcher = Batcher(
        settings.batch_window_ms / 1000,
        settings.max_batch_rows,
        settings.max_waiting,
        telemetry.batch_rows.observe,
    )
    requests = RequestLog(kept, write_line) if kept else None
    return Service(settings, watcher, batcher, telemetry, requests)


def _drain_on_signal(service: Service) -> None:
    """Has SIGTERM make the server not ready first, and stop it only a while later."""
    if threading.current_thread() is not threading.main_thread():
        return  # In a test; only a process has signals.
    stop = signal.getsignal(signal.SIGTERM)
    loop = asyncio.get_running_loop()

    def drain() -> None:
        if service.draining.is_set():
            return
        service.draining.set()
        write_line("draining")
        if callable(stop):
            loop.call_later(service.settings.drain_seconds, stop, signal.SIGTERM, None)

    # By the loop, between two of its steps: a handler of Python's own could interrupt the main
    # thread while it holds a lock that `drain` needs.
    loop.add_signal_handler(signal.SIGTERM, drain)


async def _metrics(service: Service, _: Request) -> Response:
    return Response(service.telemetry.page(), media_type=_METRICS_TYPE)


async def _openapi(service: Service, _: Request) -> Response:
    return reply(description(service.settings))


async def _no_such_address(request: Request, error: Exception) -> Response:
    """What Starlette refuses itself: no such address, or not in this way."""
    refused = cast(HTTPException, error)  # As Starlette has it called.
    message = f"{request.method} {request.url.path}: {refused.detail}."
    record_of(request.scope).error = message
    response = reply({"error": message}, refused.status_code)
    response.headers.update(refused.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    """What should not happen; Starlette raises it again, so that the server's log has it whole."""
    record = record_of(request.scope)
    record.error = f"{type(error).__name__}: {error}"[:1000]
    return reply({"error": f"The server failed; its log tells more by {record.request_id}."}, 500)
