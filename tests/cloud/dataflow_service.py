"""Dataflow on loopback: takes jobs as the service does, and runs what was staged for them.

A job runs as it would there: its pipeline is read from the bucket, and workers are started in their
environment. Beam's own runner hands out the work.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import storage
from run_staged import COUNTER
from werkzeug import Request
from workers import Workers

from pipeline.rehearsal.json_server import JsonServer

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
        self._server = JsonServer(self._answer).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def url(self) -> str:
        """By name, as Beam takes no endpoint that begins with a digit."""
        return self._server.url.replace("127.0.0.1", "localhost")

    @property
    def token_url(self) -> str:
        """Who gives out tokens."""
        return f"{self._server.url}/token"

    def _answer(self, request: Request) -> tuple[int, Json]:
        called = f"{request.method} {request.path}"
        if request.path == "/token":
            return 200, {"access_token": "any", "expires_in": 3600, "token_type": "Bearer"}
        if found := re.fullmatch(f"POST {_PARENT}", called):
            self.jobs.append(Job(json.loads(request.get_data()), **found.groupdict()))
            number = len(self.jobs) - 1
            threading.Thread(target=self._run, args=[self.jobs[number]], daemon=True).start()
            return 200, self._status(number)
        if found := re.fullmatch(rf"GET {_PARENT}/(\d+)", called):
            return 200, self._status(int(found[3]))
        if found := re.fullmatch(rf"GET {_PARENT}/(\d+)/messages", called):
            return 200, self._messages(int(found[3]))
        if found := re.fullmatch(rf"GET {_PARENT}/(\d+)/metrics", called):
            return 200, self._metrics(int(found[3]))
        self.unknown.append(called)
        return 404, {}

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
            done, job.log = self.workers.run(staged["pipeline.pb"], job.options)
            state = "JOB_STATE_DONE" if done else "JOB_STATE_FAILED"
        finally:  # Whatever happens, the client waits for no job that is over.
            job.state = state

    def _status(self, number: int) -> Json:
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

    def _metrics(self, number: int) -> Json:
        """What the workers counted, as tentative and as committed."""
        counters = re.findall(rf"^{COUNTER} (.+)$", self.jobs[number].log, re.MULTILINE)
        metrics = []
        for step, namespace, name, value in map(json.loads, counters):
            for tentative in ({}, {"tentative": "true"}):
                context = {"step": step, "namespace": namespace, **tentative}
                metrics.append(
                    {"name": {"origin": "user", "name": name, "context": context}, "scalar": value}
                )
        return {"metricTime": "2024-01-01T00:00:00Z", "metrics": metrics}
