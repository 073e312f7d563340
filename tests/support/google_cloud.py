"""Google Cloud on loopback: remembers what it is asked, and answers as it is told to.

Vertex AI, the Resource Manager, IAM and the others ask for different paths, so one server answers
for them all. Cloud Storage is a real server of its own, in storage.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import werkzeug

from pipeline.rehearsal.json_server import JsonServer

Json = dict[str, Any]
Answer = Json | tuple[int, Json]
"""A body, or a status and a body."""

TOKEN = "for-tests-only"


@dataclass(frozen=True)
class Request:
    """A request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    token: str | None


@dataclass
class GoogleCloud:
    """The server; a `with` statement starts and ends it.

    Attributes:
        requests: What it was asked, in order, but for tokens.
        answers: By pattern of method and path, what is answered: the newest that fits.
    """

    requests: list[Request] = field(default_factory=list)
    answers: list[tuple[str, Callable[[Request], Answer]]] = field(default_factory=list)

    def __enter__(self) -> GoogleCloud:
        self._server = JsonServer(self._answer).__enter__()
        self.on("POST /token", {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._server.url

    def on(self, pattern: str, answer: Answer | Callable[[Request], Answer]) -> None:
        """Tells what to answer.

        Args:
            pattern: Regular expression of a method, a blank and a whole path.
            answer: What to answer, or what makes the answer.
        """
        self.answers.append((pattern, answer if callable(answer) else lambda _: answer))

    def asked(self, pattern: str) -> list[Request]:
        """The requests that fit a pattern, as `on` takes it."""
        return [r for r in self.requests if re.fullmatch(pattern, f"{r.method} {r.path}")]

    def _answer(self, came: werkzeug.Request) -> tuple[int, Any]:
        text = came.get_data(as_text=True)
        authorization = came.headers.get("Authorization")
        request = Request(
            came.method,
            came.path,
            dict(came.args.lists()),
            json.loads(text) if came.is_json and text else text,
            authorization.removeprefix("Bearer ") if authorization else None,
        )
        called = f"{request.method} {request.path}"
        if request.path != "/token":
            self.requests.append(request)
        for pattern, answer in reversed(self.answers):
            if re.fullmatch(pattern, called):
                given = answer(request)
                return given if isinstance(given, tuple) else (200, given)
        return refusal(404, f"{request.path} is not there", "NOT_FOUND")


def refusal(
    code: int, message: str, status: str, reason: str = "", **facts: str
) -> tuple[int, Json]:
    """An error as Google's APIs word it.

    Args:
        code: HTTP status.
        message: For people.
        status: Name of the gRPC code.
        reason: Of the error's details, if there are any.
        facts: Of the error's details.
    """
    error: Json = {"code": code, "message": message, "status": status}
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        error["details"] = [info | {"domain": "googleapis.com", "metadata": facts}]
    return code, {"error": error}
