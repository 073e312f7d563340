"""Starts the server."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from common.environment import SERVER, set_environment
from common.errors import UserError
from common.imports import without_garbage_collection
from serving.server.server_settings import VERTEX_VARIABLES, ServerSettings

if TYPE_CHECKING:
    import uvicorn


def main(arguments: Sequence[str]) -> int:
    """Runs the command line; see `--help`.

    Returns:
        Zero once the server was told to stop and has; 1 if it can't start, 2 for wrong settings.
    """
    _take_from_vertex()
    try:
        settings = ServerSettings(_cli_parse_args=list(arguments))  # type: ignore[call-arg]
    except (ValidationError, SettingsError) as error:
        print(_explained(error), file=sys.stderr)
        return 2
    try:
        serve(settings)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(settings: ServerSettings) -> None:
    """Serves until a signal ends it; requests in progress are answered first.

    Raises:
        UserError: If the address can't be listened on.
    """
    set_environment(SERVER)
    # It calls the one way to load a model into a session deprecated, each time.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _listening(settings) as listener, tempfile.TemporaryDirectory() as shared:
        if settings.workers > 1:  # Read as prometheus_client loads, in every worker.
            os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", shared)
        _run(settings, listener)


def _run(settings: ServerSettings, listener: socket.socket) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from serving.records.access_log import write_line

    host, port = listener.getsockname()[:2]
    write_line("listening", host=host, port=port, workers=settings.workers)
    config = server_config(settings)
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    # uvicorn passes the signal that ended it on, which would end this process as if by force.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    uvicorn.Server(config).run([listener])


def server_config(settings: ServerSettings) -> uvicorn.Config:
    """The application, and how requests are read and answers written, whoever runs it."""
    import uvicorn

    with without_garbage_collection():
        from serving.server.application import create_application

    return uvicorn.Config(
        partial(create_application, settings),
        factory=True,
        workers=settings.workers,
        http="httptools",
        loop="uvloop",
        ws="none",
        access_log=False,
        proxy_headers=False,  # Nothing here asks for the client's address.
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


def _take_from_vertex() -> None:
    """Takes what Vertex AI tells a container for the settings that are not set otherwise."""
    if "AIP_HTTP_PORT" in os.environ:
        os.environ.setdefault("SERVING_HOST", "0.0.0.0")
    for theirs, ours in VERTEX_VARIABLES.items():
        if theirs in os.environ:
            os.environ.setdefault(ours, os.environ[theirs])


def _listening(settings: ServerSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(
            f"{settings.host}:{settings.port} can't be listened on ({reason}).",
            "Choose another with --host and --port.",
        ) from error


def _explained(error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return f"{error}. See --help for the options."
    first = error.errors()[0]
    name = "-".join(map(str, first["loc"])).replace("_", "-")
    return f"--{name} is {first['input']!r}: {first['msg']}. See --help for the options."
