"""Answers on loopback what tasks ask of Vertex AI, and the Pusher of BigQuery.

Only what the Trainer, the Tuner, the Pusher, `release`, the watch and our exit handler ask for; the
rest is answered with 501, which their clients turn into an error that stops the rehearsal. It is
also the webhook that is told.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from werkzeug import Request

from common.files import write_atomically
from pipeline.rehearsal.bigquery_models import BigQueryModels
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.custom_job import RunningJob, TrainingJob
from pipeline.rehearsal.json_server import Answer, JsonServer
from pipeline.rehearsal.model_registry import NAME, Body, ModelRegistry, RefusedError, Route
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.tuning_job import TuningJob

_RUN = "run.json"
"""File of a rehearsal's logs with its run, as Vertex AI tells of it."""


class Vertex:
    """The service; a `with` statement starts and ends it.

    Args:
        processes: Starts the replicas of training jobs.
        buckets: Where models are.
        endpoints: Folder of the registry, and of what is deployed.
        logs: Folder for the replicas' logs, and for requests.jsonl.

    Attributes:
        task: Name of the task that runs; logs are named after it.
        jobs: Training and tuning jobs by resource name.
        registry: Models and endpoints.
        imported: Models in BigQuery.
    """

    def __init__(self, processes: Processes, buckets: Buckets, endpoints: Path, logs: Path) -> None:
        self.task = ""
        self.jobs: dict[str, RunningJob] = {}
        self._processes = processes
        self._buckets = buckets
        self.registry = ModelRegistry(endpoints, buckets)
        self.imported = BigQueryModels(buckets)
        self._logs = logs
        self._runs: dict[str, Body] = {}
        self._token = secrets.token_urlsafe()
        self._lock = threading.Lock()
        self._routes: list[Route] = [
            ("POST", rf"({NAME}/customJobs)", self._create_job),
            ("POST", rf"({NAME}/hyperparameterTuningJobs)", self._create_job),
            ("GET", rf"({NAME}/(?:custom|hyperparameterTuning)Jobs/\d+)", self._get_job),
            ("GET", rf"({NAME}/hyperparameterTuningJobs)", self._list_jobs),
            ("GET", rf"({NAME}/pipelineJobs/[\w-]+)", self._get_run),
            ("GET", rf"{NAME}/pipelineJobs", self._list_runs),
            ("POST", rf"({NAME}/pipelineJobs)", self._create_run),
            *self.registry.routes,
            *self.imported.routes,
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
        return {"address": self._server.url, "token": self._token}

    @property
    def webhook(self) -> str:
        """Where an exit handler posts; as with all webhooks, whoever knows it may."""
        return f"{self._server.url}/webhook/{self._token}"

    def add_run(self, run_id: str, pipeline: str, task_details: list[Body]) -> str:
        """Lets a run be asked about, also in later rehearsals, by the name that is returned."""
        name = f"projects/1/locations/us-central1/pipelineJobs/{run_id}"
        details = {"taskDetails": task_details}
        state = "PIPELINE_STATE_RUNNING"  # As long as the exit handler is.
        run = {"name": name, "displayName": pipeline, "state": state, "jobDetail": details}
        self._runs[name] = run
        write_atomically(self._logs / _RUN, json.dumps(run))
        return name

    def folder_of(self, pushed: str) -> Path | None:
        """Where a model is that was deployed or imported, by its name; None if it was not."""
        return self.registry.folder_of(pushed) or self.imported.folder_of(pushed)

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
            if request.method != "GET":
                # Containers know folders in place of buckets.
                told = self._buckets.remote_json(body)
                self._keep({"task": self.task, "path": request.full_path, "body": told})
            for method, pattern, handle in self._routes:
                match = re.fullmatch(pattern, path)
                if method == request.method and match:
                    return handle(match.groups(), body, request.args)
        raise RefusedError(501, f"{request.method} {path} is not rehearsed")

    def _keep(self, request: Body) -> None:
        with (self._logs / "requests.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(request) + "\n")

    def _create_job(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        name = f"{groups[0]}/{len(self.jobs) + 1}"
        kind = TrainingJob if groups[0].endswith("/customJobs") else TuningJob
        self.jobs[name] = kind(body, self._processes, self._logs / self.task)
        return self._get_job((name,), {}, {})

    def _get_job(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        (name,) = groups
        if name not in self.jobs:
            raise RefusedError(404, f"there is no {name}")
        job = self.jobs[name]
        error = {"error": {"code": 13, "message": job.error}} if job.error else {}
        return {**job.body, **error, "name": name, "state": job.state}

    def _list_jobs(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        label = re.fullmatch(r'labels\.(\w+)="([\w-]+)"', query["filter"])
        if not label:
            raise RefusedError(501, f"a list by {query['filter']} is not rehearsed")
        jobs = [self._get_job((name,), {}, {}) for name in self.jobs if name.startswith(groups[0])]
        return {
            "hyperparameterTuningJobs": [
                job for job in jobs if job.get("labels", {}).get(label[1]) == label[2]
            ]
        }

    def _get_run(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        (name,) = groups
        if name not in self._runs:
            raise RefusedError(404, f"there is no {name}")
        return self._runs[name]

    def _list_runs(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        """The runs that were rehearsed, the newest first; containers know folders for buckets."""
        asked = re.fullmatch(r'display_name="([\w-]+)"', query["filter"])
        if not asked:
            raise RefusedError(501, f"a list by {query['filter']} is not rehearsed")
        files = sorted(self._logs.parent.glob(f"*/{_RUN}"), reverse=True)
        runs = [json.loads(self._buckets.local(file.read_text("utf-8"))) for file in files]
        return {"pipelineJobs": [run for run in runs if run["displayName"] == asked[1]]}

    def _create_run(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        """Takes a run, and lets it be: what it would be is kept in requests.jsonl."""
        return {**body, "name": f"{groups[0]}/{query['pipelineJobId']}"}
