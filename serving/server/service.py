"""What all protocols need: the body read within its limit, the model asked, the answer written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from common.errors import UserError
from models.names import PREDICTION, SERVING
from models.request import RequestError, read_json
from serving.instances import Columns, row_count
from serving.records.access_log import record_of
from serving.records.request_log import RequestLog
from serving.records.telemetry import Telemetry
from serving.refusals import (
    EncodingError,
    InputError,
    ModelError,
    NotFoundError,
    RefusedError,
    TooLargeError,
)
from serving.server.server_settings import ServerSettings
from serving.versions.batching import Answer, Batcher
from serving.versions.watcher import Watcher

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import SavedModel, Signature

Parsed = TypeVar("Parsed")

EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Of HTTP: for addresses of a protocol that are not its own, whichever way they are asked."""

_LARGE = 32 * 1024
"""Bytes from which a body is read in a thread, so that others are answered meanwhile."""


@dataclass(frozen=True)
class Service:
    """What a protocol's handlers work with.

    Attributes:
        requests: Keeps requests and answers, if they are to be.
        draining: Set once the server is told to stop.
    """

    settings: ServerSettings
    watcher: Watcher
    batcher: Batcher
    telemetry: Telemetry
    requests: RequestLog | None = None
    draining: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.settings.model_name

    @property
    def ready(self) -> bool:
        """Whether requests are welcome: a version is warm, and the server is not about to stop."""
        return self.watcher.ready and not self.draining.is_set()

    def model(self, request: Request) -> SavedModel:
        """The version that a request's address names, which is noted; the newest if it names none.

        Raises:
            RefusedError: If there is no such model, version or label.
        """
        asked = request.path_params
        name, version = asked.get("name", self.name), asked.get("version")
        if name != self.name:
            raise NotFoundError(
                f"Servable not found for request: Latest({name}).",
                f"The model is called {self.name}.",
            )
        if version is not None and not (version.isdecimal() and version.isascii()):
            raise InputError(f"The version is {version!r}.", "Give its number.")
        number = None if version is None else int(version[:30])
        model = self.watcher.model(number, asked.get("label"))
        record_of(request.scope).version = model.version
        return model

    async def read(self, request: Request, parse: Callable[[Any], Parsed]) -> Parsed:
        """What a body of JSON means, as `parse` has it.

        Raises:
            UserError: If the body is too long, no JSON, or refused by `parse`.
        """
        body = await self._body(request)
        if len(body) < _LARGE:
            return parse(_json(body))
        return await asyncio.to_thread(lambda: parse(_json(body)))

    async def ask(self, request: Request, signature: Signature, columns: Columns) -> Answer:
        """The model's answer to the rows of a request.

        Raises:
            RefusedError: If there are too many rows, or the model has no sound answer to them.
        """
        record_of(request.scope).rows = row_count(columns)
        answer = await self.compute(signature, columns)
        self.answered(request, columns, answer)
        return answer

    async def compute(self, signature: Signature, columns: Columns) -> Answer:
        """The model's answer to any rows, also to those that no request has.

        Raises:
            RefusedError: If there are too many rows, or the model has no sound answer to them.
        """
        rows, limit = row_count(columns), self.settings.max_rows
        if rows > limit:
            raise InputError(f"The request has {rows} rows.", f"Send at most {limit} at once.")
        answer = await self.batcher.answer(signature, columns)
        for name, values in answer.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ModelError(
                    f"The model's {name} is no finite number.", "Ask another version of it."
                )
        return answer

    def answered(self, request: Request, columns: Columns, answer: Answer) -> None:
        """Counts and keeps the rows of a request, now that there is an answer to them."""
        record = record_of(request.scope)
        record.rows = row_count(columns)
        self.telemetry.rows.labels(record.version).inc(record.rows)
        if self.requests and PREDICTION in answer:
            self.requests.put(record.request_id, record.version, columns, answer[PREDICTION])

    async def _body(self, request: Request) -> bytes:
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise EncodingError(f"The body is encoded as {encoding}.", "Send it as it is.")
        limit = self.settings.max_body_bytes
        too_large = TooLargeError(
            f"The body has more than {limit} bytes.", "Send the rows in several requests."
        )
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:30]) > limit:
            raise too_large
        chunks, size = [], 0
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise too_large
        return b"".join(chunks)


Handler = Callable[[Service, Request], Awaitable[Response]]


def endpoint(
    service: Service, contract: str, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """What answers at an address: a handler, and the name of the protocol for logs and figures."""

    async def answer(request: Request) -> Response:
        record_of(request.scope).contract = contract
        return await handler(service, request)

    return answer


def signature_of(model: SavedModel, name: str | None) -> Signature:
    """The signature a request names; `serving_default` if it names none.

    Raises:
        InputError: If the model has no such one.
    """
    if name is not None and not isinstance(name, str):
        raise InputError("The signature_name is no string.", "Leave it out for the default.")
    if (name or SERVING) not in model.signatures:
        raise InputError(
            f'Serving signature name: "{name or SERVING}" not found in signature def.',
            f"There are {', '.join(sorted(model.signatures))}.",
        )
    return model.signatures[name or SERVING]


def reply(content: Any, status: int = 200) -> Response:
    """A response of JSON; NumPy arrays are lists in it, float32 in as few digits as they need."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status_code=status, media_type="application/json")


async def refuse(request: Request, error: Exception) -> Response:
    """The response that names an error and its cure, in the shape that all protocols share."""
    status = error.status if isinstance(error, RefusedError) else 400
    record_of(request.scope).error = str(error)[:1000]
    response = reply({"error": str(error)}, status)
    if status == 503:
        response.headers["retry-after"] = "1"
    if status == 413:  # What is left of the body is not read.
        response.headers["connection"] = "close"
    return response


REFUSED = (UserError, ClientDisconnect)
"""What `refuse` answers."""


def _json(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            f"JSON Parse error: {error.msg} at offset: {error.pos}.",
            "Send an object in JSON, in UTF-8; NaN and Infinity are no JSON.",
        ) from error
    # Each name has a colon: where there are more than names, a text has one, or a name is given
    # twice, which the fast reader does not tell.
    if body.count(b":") != _names(value):
        read_json(body.decode())
    return value


def _names(value: Any) -> int:
    """Number of names in all objects of a JSON value, however deep."""
    count = 0
    waiting: list[Any] = [[value]]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            count += len(inner)
            inner = inner.values()
        waiting.extend(item for item in inner if isinstance(item, (dict, list)))
    return count
