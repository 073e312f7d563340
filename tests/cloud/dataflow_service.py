"""Dataflow on loopback: takes jobs as the service does, and runs what was staged for them.

A job runs as it would there: its pipeline is read from the bucket, what it staged is installed into
the workers' environment, and workers are started in it. Beam's own runner hands out the work.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import storage
from workers import Workers

Json = dict[str, Any]
_PARENT = r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs"


@dataclass
class Job:
    """A job that was created.

    Attributes:
        request: What the client sent.
        project: Where it is to run, as is `region`.
        region: See there.
        state: As Dataflow names states.
        log: What runner and workers printed.
    """

    request: Json
    project: str
    region: str
    state: str = "JOB_STATE_RUNNING"
    log: str = ""

    @property
    def options(self) -> Json:
        """Beam's options, as the workers are told."""
        return self.request["environment"]["sdkPipelineOptions"]

    @property
    def pool(self) -> Json:
        """The pool of workers it asks for."""
        (pool,) = self.request["environment"]["workerPools"]
        return pool

    @property
    def staging(self) -> str:
        """The folder of what it staged, as gs://bucket/folder."""
        return self.options["options"]["staging_location"]


@dataclass
class Dataflow:
    """The service; a `with` statement starts and ends it.

    Attributes:
        storage_url: Cloud Storage.
        workers: Run the jobs.
        folder: Gets what jobs staged.
        jobs: The jobs that were created, in order.
        unknown: Requests that this service does not know.
    """

    storage_url: str
    workers: Workers
    folder: Path
    jobs: list[Job] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def __enter__(self) -> Dataflow:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.answer))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """By name, as Beam takes no endpoint that begins with a digit."""
        return f"http://localhost:{self._server.server_port}"

    @property
    def token_url(self) -> str:
        """Who gives out tokens."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def answer(self, method: str, path: str, body: bytes) -> Json | None:
        """Answers a request; None: not known."""
        if path == "/token":
            return {"access_token": "any", "expires_in": 3600, "token_type": "Bearer"}
        if method == "POST" and (found := re.fullmatch(_PARENT, path)):
            self.jobs.append(Job(json.loads(body), **found.groupdict()))
            number = len(self.jobs) - 1
            threading.Thread(target=self._run, args=[self.jobs[number]], daemon=True).start()
            return self._told(number)
        if method == "GET" and (found := re.fullmatch(_PARENT + r"/(?P<number>\d+)", path)):
            return self._told(int(found["number"]))
        if method == "GET" and (found := re.fullmatch(_PARENT + r"/(\d+)/messages", path)):
            return self._messages(int(found[3]))
        self.unknown.append(f"{method} {path}")
        return None

    def staged(self, job: Job) -> dict[str, Path]:
        """What a job staged, by name, as files here."""
        bucket, _, prefix = job.staging.removeprefix("gs://").partition("/")
        folder = self.folder / prefix
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for blob in storage.client(self.storage_url).list_blobs(bucket, prefix=f"{prefix}/"):
            name = blob.name.removeprefix(f"{prefix}/")
            files[name] = folder / name
            blob.download_to_filename(str(files[name]))
        return files

    def _run(self, job: Job) -> None:
        state = "JOB_STATE_FAILED"
        try:
            staged = self.staged(job)
            packages = [staged[package["name"]] for package in job.pool.get("packages", [])]
            self.workers.install([file for file in packages if file.name.endswith(".tar.gz")])
            done, job.log = self.workers.run(staged["pipeline.pb"], job.options)
            state = "JOB_STATE_DONE" if done else "JOB_STATE_FAILED"
        finally:  # Whatever happens, the client waits for no job that is over.
            job.state = state

    def _told(self, number: int) -> Json:
        job = self.jobs[number]
        return {
            "id": str(number),
            "name": job.request["name"],
            "type": job.request["type"],
            "projectId": job.project,
            "location": job.region,
            "currentState": job.state,
        }

    def _messages(self, number: int) -> Json:
        job = self.jobs[number]
        if job.state != "JOB_STATE_FAILED":
            return {}
        message = {
            "id": "1",
            "time": "2024-01-01T00:00:00Z",
            "messageText": job.log[-5000:],
            "messageImportance": "JOB_MESSAGE_ERROR",
        }
        return {"jobMessages": [message]}


def _handler(answer: Callable[[str, str, bytes], Json | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answered = answer(self.command, self.path.partition("?")[0], body)
            content = json.dumps(answered or {}).encode()
            self.send_response(404 if answered is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    return Handler
