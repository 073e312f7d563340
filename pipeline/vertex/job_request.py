"""The request that starts a run, and the labels that tell what ran."""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from datetime import datetime, timezone
from typing import Any

from google.cloud.aiplatform_v1.types import CreatePipelineJobRequest, PipelineJob
from google.protobuf import json_format

from data.query import render_splits
from data.table import TABLE
from pipeline.caching import code_fingerprint
from pipeline.settings import ROOT
from pipeline.vertex.compile import Job, compile_job
from pipeline.vertex.vertex_settings import VertexSettings

CODE = (
    "models.metrics",
    "models.task",
    "models.transform",
    "pipeline.components.anomaly_gate",
    "pipeline.components.replay_gate",
    "pipeline.vertex.engines",
    "report.artifact",
)
"""Modules that, with all they import of ours, make a run what it is."""


def request_for(settings: VertexSettings, job: PipelineJob) -> CreatePipelineJobRequest:
    """What starts a run, with a job id that sorts by time and that no other has."""
    now = datetime.now(timezone.utc)
    return CreatePipelineJobRequest(
        parent=settings.parent,
        pipeline_job=job,
        pipeline_job_id=f"{TABLE.pipeline}-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}",
    )


def pipeline_job(settings: VertexSettings, table_state: str = "") -> PipelineJob:
    """The run itself, compiled, as it is also put on a schedule.

    Raises:
        UserError: If the schema file holds none.
    """
    return to_pipeline_job(settings, compile_job(settings, table_state))


def to_pipeline_job(settings: VertexSettings, compiled: Job) -> PipelineJob:
    """A compiled pipeline, with who runs it and the labels."""
    job: dict[str, Any] = {
        "displayName": compiled["displayName"],
        "pipelineSpec": compiled["pipelineSpec"],
        "labels": fingerprints(settings) | compiled["labels"],
        "runtimeConfig": {
            "gcsOutputDirectory": settings.artifact_root,
            # What is begun is finished, and nothing more is paid for once a task has failed.
            "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
        },
        "serviceAccount": settings.service_account,
    }
    if settings.network:
        job["network"] = settings.network
    return PipelineJob.wrap(json_format.ParseDict(job, PipelineJob.pb()()))


def as_text(settings: VertexSettings, request: CreatePipelineJobRequest) -> str:
    """What the client sends, for people and for curl.

    Returns:
        JSON of method, URL and body.
    """
    runs = f"{settings.address('aiplatform')}/v1/{request.parent}/pipelineJobs"
    sent = {
        "method": "POST",
        "url": f"{runs}?pipelineJobId={request.pipeline_job_id}",
        "body": json_format.MessageToDict(PipelineJob.pb(request.pipeline_job)),
    }
    return json.dumps(sent, indent=2)


def fingerprints(settings: VertexSettings) -> dict[str, str]:
    """Labels that tell what ran on what.

    Returns:
        Fingerprints of our code, and of what is asked of BigQuery and the schema; and
        the commit, if the checkout has no other changes.
    """
    code = hashlib.sha256("".join(map(code_fingerprint, CODE)).encode())
    data = hashlib.sha256(settings.schema_file.read_bytes())
    queries = render_splits(settings, table=settings.table, sample=settings.sample)
    for query in queries.values():
        data.update(query.encode())
    labels = {"code": code.hexdigest()[:16], "data": data.hexdigest()[:16]}
    commit = _commit()
    return labels | {"commit": commit} if commit else labels


def _commit() -> str | None:
    """Of the checkout that this runs from; None where there is none, or it has been changed."""
    try:
        if _git("status", "--porcelain"):
            return None
        return _git("rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):  # Installed as a package, or there is no git.
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    return ended.stdout.strip()
