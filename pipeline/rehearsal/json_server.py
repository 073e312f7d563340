"""A server on loopback that answers in JSON, as Google's APIs do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from werkzeug import Request, Response
from werkzeug.serving import WSGIRequestHandler, make_server

Answer = tuple[int, Any]
"""HTTP status and JSON values."""


class JsonServer:
    """A server; a `with` statement starts and ends it.

    Args:
        answer: Answers a request, on a thread of its own.
    """

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        @Request.application
        def application(request: Request) -> Response:
            status, values = answer(request)
            return Response(json.dumps(values), status, content_type="application/json")

        self._server = make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=_Silent
        )

    def __enter__(self) -> JsonServer:
        """Starts to answer."""
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.port}"


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Nothing is printed."""
