"""Answers on loopback what tasks ask of Vertex AI: training jobs, models and endpoints.

Only what TFX's Trainer and Pusher and our exit handler ask for; the rest is answered with 501,
which their clients turn into an error that stops the rehearsal. It is also the webhook that is told
how the run ended.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from werkzeug import Request

from common.files import replacing
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.custom_job import TrainingJob
from pipeline.rehearsal.json_server import Answer, JsonServer
from pipeline.rehearsal.processes import Processes

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
        self._runs: dict[str, Body] = {}
        self._token = secrets.token_urlsafe()
        self._lock = threading.Lock()
        self._routes: list[tuple[str, str, Callable[..., Body]]] = [
            ("POST", rf"({_NAME})/customJobs", self._create_job),
            ("GET", rf"({_NAME}/customJobs/\d+)", self._get_job),
            ("GET", rf"({_NAME}/pipelineJobs/[\w-]+)", self._get_run),
            ("POST", rf"({_NAME})/models:upload", self._upload_model),
            ("GET", rf"({_NAME}/models/\d+)(?:@\d+)?", self._get_model),
            ("POST", rf"({_NAME})/endpoints", self._create_endpoint),
            ("GET", rf"({_NAME})/endpoints", self._list_endpoints),
            ("GET", rf"({_NAME}/endpoints/[\w-]+)", self._get_endpoint),
            ("POST", rf"({_NAME}/endpoints/[\w-]+):deployModel", self._deploy),
        ]

    def __enter__(self) -> Vertex:
        """Starts to answer."""
        self._server = JsonServer(self._answer).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops answering."""
        self._server.__exit__()

    def access(self) -> dict[str, str]:
        """What a client must know, as `loopback.lead_clients` takes it."""
        return {
            "address": self._server.url,
            "token": self._token,
            "buckets": self._buckets.folder,
        }

    @property
    def webhook(self) -> str:
        """Where an exit handler posts; as with all webhooks, whoever knows it may."""
        return f"{self._server.url}/webhook/{self._token}"

    def add_run(self, run_id: str, task_details: list[Body]) -> str:
        """Lets a run be asked about.

        Args:
            run_id: Its id.
            task_details: How its tasks stand, as Vertex AI tells it.

        Returns:
            Its resource name.
        """
        name = f"projects/1/locations/us-central1/pipelineJobs/{run_id}"
        details = {"taskDetails": task_details}
        state = "PIPELINE_STATE_RUNNING"  # As long as the exit handler is.
        self._runs[name] = {"name": name, "state": state, "jobDetail": details}
        return name

    def _answer(self, request: Request) -> Answer:
        try:
            return 200, self._handle(request)
        except RefusedError as refused:
            status, message = refused.status, str(refused)
        except (OSError, KeyError, ValueError) as error:
            status, message = 500, f"{type(error).__name__}: {error}"
        return status, {"error": {"code": status, "message": message}}

    def _handle(self, request: Request) -> Body:
        if request.url == self.webhook and request.method == "POST":
            self._keep({"task": self.task, "path": "/webhook", "body": request.get_json()})
            return {}
        # Only our containers may start processes.
        authorization = request.headers.get("Authorization", "").encode()
        if not secrets.compare_digest(authorization, f"Bearer {self._token}".encode()):
            raise RefusedError(403, "the request is not of a container of the rehearsal")
        body = json.loads(request.get_data() or b"{}")
        path = re.sub(r"^/v1(beta1)?/", "", request.path)
        with self._lock:
            if request.method == "POST":
                self._keep({"task": self.task, "path": request.full_path, "body": body})
            for method, pattern, handle in self._routes:
                match = re.fullmatch(pattern, path)
                if method == request.method and match:
                    return handle(match[1], body, request.args)
        raise RefusedError(501, f"{request.method} {path} is not rehearsed")

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

    def _get_run(self, name: str, _: Body, __: Mapping[str, str]) -> Body:
        return _found(self._runs, name)

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
        with replacing(folder / version) as partial:
            shutil.copytree(self._buckets.path(model["artifactUri"]), partial)
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
