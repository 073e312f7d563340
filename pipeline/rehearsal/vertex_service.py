"""Answers on loopback what tasks ask of Vertex AI: training jobs, models and endpoints.

Only what TFX's Trainer and Pusher ask for; the rest is answered with 501, which their clients turn
into an error that stops the rehearsal.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
import shutil
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.custom_job import TrainingJob

Body = dict[str, Any]
_NAME = r"projects/[^/]+/locations/[^/]+"


class RefusedError(Exception):
    """An answer other than 200.

    Args:
        status: HTTP status.
        message: What is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Vertex:
    """The service; a `with` statement starts and ends it.

    Args:
        processes: Starts the replicas of training jobs.
        buckets: Where models are.
        endpoints: Folder that gets NAME/VERSION for each model deployed.
        logs: Folder for the replicas' logs, and for requests.jsonl.

    Attributes:
        task: Name of the task that runs; logs are named after it.
        jobs: Training jobs by resource name.
    """

    def __init__(self, processes: Processes, buckets: Buckets, endpoints: Path, logs: Path) -> None:
        self.task = ""
        self.jobs: dict[str, TrainingJob] = {}
        self._processes = processes
        self._buckets = buckets
        self._endpoints = endpoints
        self._logs = logs
        self._models: dict[str, Body] = {}
        self._token = secrets.token_urlsafe()
        self._lock = threading.Lock()
        self._routes: list[tuple[str, str, Callable[..., Body]]] = [
            ("POST", rf"({_NAME})/customJobs", self._create_job),
            ("GET", rf"({_NAME}/customJobs/\d+)", self._get_job),
            ("POST", rf"({_NAME})/models:upload", self._upload_model),
            ("GET", rf"({_NAME}/models/\d+)(?:@\d+)?", self._get_model),
            ("POST", rf"({_NAME})/endpoints", self._create_endpoint),
            ("GET", rf"({_NAME})/endpoints", self._list_endpoints),
            ("GET", rf"({_NAME}/endpoints/[\w-]+)", self._get_endpoint),
            ("POST", rf"({_NAME}/endpoints/[\w-]+):deployModel", self._deploy),
        ]

    def __enter__(self) -> Vertex:
        """Starts to answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        serve = functools.partial(self._server.serve_forever, poll_interval=0.05)
        threading.Thread(target=serve, name="vertex", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()

    def access(self) -> dict[str, str]:
        """What a client must know, as `loopback.lead_clients` takes it."""
        address = f"http://127.0.0.1:{self._server.server_port}"
        return {"address": address, "token": self._token, "buckets": self._buckets.folder}

    def admits(self, authorization: str) -> bool:
        """Whether a request is of one of our containers: it may start processes."""
        return secrets.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())

    def answer(self, method: str, target: str, body: Body) -> Body:
        """Answers a request.

        Args:
            method: GET or POST.
            target: Path and query.
            body: JSON values.

        Raises:
            RefusedError: If the answer is an error.
        """
        url = urllib.parse.urlsplit(target)
        path = re.sub(r"^/v1(beta1)?/", "", url.path)
        with self._lock:
            if method == "POST":
                self._keep({"task": self.task, "path": target, "body": body})
            for wanted, pattern, handle in self._routes:
                match = re.fullmatch(pattern, path)
                if method == wanted and match:
                    return handle(match[1], body, dict(urllib.parse.parse_qsl(url.query)))
        raise RefusedError(501, f"{method} {path} is not rehearsed")

    def _keep(self, request: Body) -> None:
        with (self._logs / "requests.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(request) + "\n")

    def _create_job(self, parent: str, body: Body, _: Mapping[str, str]) -> Body:
        name = f"{parent}/customJobs/{len(self.jobs) + 1}"
        self.jobs[name] = TrainingJob(body, self._processes, self._logs / self.task)
        return self._get_job(name, {}, {})

    def _get_job(self, name: str, _: Body, __: Mapping[str, str]) -> Body:
        job = _found(self.jobs, name)
        error = {"error": {"code": 13, "message": job.error}} if job.error else {}
        return {**job.request, **error, "name": name, "state": job.state}

    def _upload_model(self, parent: str, body: Body, _: Mapping[str, str]) -> Body:
        # Rises with time, as the names of versions must.
        name = f"{parent}/models/{time.time_ns() // 1000}"
        model = {"supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"], "versionId": "1"}
        self._models[name] = {**body["model"], **model, "name": name}
        return _done("UploadModelResponse", {"model": name, "modelVersionId": "1"})

    def _get_model(self, name: str, _: Body, __: Mapping[str, str]) -> Body:
        return _found(self._models, name)

    def _create_endpoint(self, parent: str, body: Body, _: Mapping[str, str]) -> Body:
        name = body.get("displayName", "")
        if not re.fullmatch(r"[\w-]+", name):
            raise RefusedError(400, f"an endpoint called {name!r} can't be a folder")
        (self._endpoints / name).mkdir(parents=True, exist_ok=True)
        return _done("Endpoint", self._get_endpoint(f"{parent}/endpoints/{name}", {}, {}))

    def _list_endpoints(self, parent: str, _: Body, query: Mapping[str, str]) -> Body:
        names = sorted(f.name for f in self._endpoints.glob("*") if f.is_dir())
        if "filter" in query:
            match = re.fullmatch(r'display_name="([^"]*)"', query["filter"])
            if match is None:
                raise RefusedError(501, f"the filter {query['filter']} is not rehearsed")
            names = [name for name in names if name == match[1]]
        return {"endpoints": [self._get_endpoint(f"{parent}/endpoints/{n}", {}, {}) for n in names]}

    def _get_endpoint(self, name: str, _: Body, __: Mapping[str, str]) -> Body:
        display_name = name.rpartition("/")[2]
        folder = self._endpoints / display_name
        if not folder.is_dir():
            raise RefusedError(404, f"there is no {name}")
        parent = name.partition("/endpoints/")[0]
        versions = sorted((v.name for v in folder.glob("[0-9]*")), key=int)
        return {
            "name": name,
            "displayName": display_name,
            "deployedModels": [{"id": v, "model": f"{parent}/models/{v}"} for v in versions],
            "trafficSplit": {versions[-1]: 100} if versions else {},
        }

    def _deploy(self, endpoint: str, body: Body, _: Mapping[str, str]) -> Body:
        model = _found(self._models, body["deployedModel"]["model"].partition("@")[0])
        version = model["name"].rpartition("/")[2]
        folder = self._endpoints / endpoint.rpartition("/")[2]
        partial = folder / f".partial-{version}"
        shutil.copytree(self._buckets.path(model["artifactUri"]), partial)
        partial.rename(folder / version)
        deployed = {**body["deployedModel"], "id": version}
        return _done("DeployModelResponse", {"deployedModel": deployed})


def _found(resources: Mapping[str, Any], name: str) -> Any:
    if name not in resources:
        raise RefusedError(404, f"there is no {name}")
    return resources[name]


def _done(kind: str, response: Body) -> Body:
    """A long-running operation that has ended."""
    kind = f"type.googleapis.com/google.cloud.aiplatform.v1.{kind}"
    name = f"projects/1/locations/rehearsal/operations/{time.time_ns()}"
    return {"name": name, "done": True, "response": {"@type": kind, **response}}


def _handler(vertex: Vertex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status = 200
            try:
                if not vertex.admits(self.headers.get("Authorization", "")):
                    raise RefusedError(403, "the request is not of a container of the rehearsal")
                body = json.loads(self.rfile.read(length) or "{}")
                answer = vertex.answer(self.command, self.path, body)
            except RefusedError as refused:
                status = refused.status
                answer = {"error": {"code": status, "message": str(refused)}}
            except (OSError, KeyError, ValueError) as error:
                status = 500
                answer = {"error": {"code": status, "message": f"{type(error).__name__}: {error}"}}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _respond  # noqa: N815 (the library's names)

        def log_message(self, *_: object) -> None:
            pass  # Requests are kept in requests.jsonl.

    return Handler
