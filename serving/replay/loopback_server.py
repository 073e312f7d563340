"""The server itself, on one model, in threads of this process: asked over HTTP, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import uvicorn

from serving.server.launch import server_config
from serving.server.server_settings import ServerSettings

_NAME = "replayed"
_SECONDS = 300
"""Time that a model has to be loaded in, and that an answer may take."""


class RefusedModelError(Exception):
    """The server does not serve the model; the message is its reason."""


class RefusedRowsError(Exception):
    """The server does not answer a request; the message is status and reason."""


class Client:
    """Asks a server, over one connection.

    Args:
        port: Where it listens, on loopback.
        server: The thread that it runs in.
    """

    def __init__(self, port: int, server: threading.Thread) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        self._server = server

    def wait_until_loaded(self) -> None:
        """Waits until the model is loaded and has passed what the server tries a new version with.

        Raises:
            RefusedModelError: If it has not.
        """
        until = time.monotonic() + _SECONDS
        while self._server.is_alive() and time.monotonic() < until:
            _, answer = self.ask("GET", f"/v1/models/{_NAME}")
            for version in answer.get("model_version_status", ()):
                if version["state"] == "AVAILABLE":
                    return
                if version["state"] == "END":
                    raise RefusedModelError(version["status"]["error_message"])
            time.sleep(0.02)
        raise RefusedModelError(f"It was not loaded within {_SECONDS} seconds.")

    def predictions(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """What the model answers to some rows, `[rows]`.

        Raises:
            RefusedRowsError: If it does not.
        """
        body = json.dumps({"instances": rows})
        status, answer = self.ask("POST", f"/v1/models/{_NAME}:predict", body)
        if status != 200:
            raise RefusedRowsError(f"{status}: {answer['error']}")
        return np.array(answer["predictions"], np.float32)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Status and body of an answer."""
        self._connection.request(method, path, body)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


@contextlib.contextmanager
def served(folder: str) -> Iterator[Client]:
    """Serves the SavedModel in a folder of this machine.

    Yields:
        A client, while the model is being loaded.
    """
    settings = ServerSettings(
        model_folder=folder, model_name=_NAME, labels={}, request_log=None, access_log=False
    )
    config = server_config(settings)
    # On a busy machine the other model takes longer to load than the server keeps what is idle.
    config.timeout_keep_alive = _SECONDS
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=[[listener]], name="replay", daemon=True)
        thread.start()
        client = Client(listener.getsockname()[1], thread)
        try:
            yield client
        finally:
            client.close()
            server.should_exit = True
            thread.join()
