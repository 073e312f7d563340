"""The second pipeline of Vertex AI: one task that watches what is asked."""

from __future__ import annotations

import hashlib

from google.cloud.aiplatform_v1.types import PipelineJob
from google.protobuf import json_format
from tfx import v1 as tfx

from data.table import TABLE
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.compile import Job, to_job
from pipeline.vertex.engines import schema_uri
from pipeline.vertex.job_request import pipeline_job, to_pipeline_job
from pipeline.vertex.options import WatchOptions
from pipeline.vertex.start import upload, upload_schema
from pipeline.vertex.vertex_settings import VertexSettings
from pipeline.vertex.watch_task import Watch


def compile_watch(settings: VertexSettings, options: WatchOptions) -> Job:
    """Compiles the watch.

    Args:
        settings: What the user chose; whom `notify_webhook` names is told if it is not well.
        options: What to look at.

    Returns:
        The job; the same for the same settings and code.

    Raises:
        UserError: If the schema can't be read.
    """
    pipeline = f"{TABLE.pipeline}-{settings.environment}"
    watch = Watch(
        log=options.log,
        schema=schema_uri(settings),
        parent=settings.parent,
        pipeline=pipeline,
        days=options.days,
        min_rows=options.min_rows,
        severity=settings.anomaly_severity,
        max_rmse=settings.max_rmse,
        webhook=settings.notify_webhook or "",
        retrain=retraining(settings)[0] if options.retrain else "",
    )
    return to_job(
        settings,
        tfx.dsl.Pipeline(
            pipeline_name=f"{pipeline}-watch",
            pipeline_root=settings.artifact_root,
            components=[watch],
            enable_cache=False,  # The log is another each time.
        ),
    )


def retraining(settings: VertexSettings) -> tuple[str, bytes]:
    """The run that a watch starts, which goes on from the last blessed model.

    Returns:
        A gs:// name that changes with the run, and the run as JSON.
    """
    job = pipeline_job(settings.model_copy(update={"warm_start": True}))
    text = json_format.MessageToJson(PipelineJob.pb(job), sort_keys=True).encode()
    name = hashlib.sha256(text).hexdigest()[:16]
    return f"{settings.run_root}/retraining/{name}.json", text


def prepare_watch(settings: VertexSettings, options: WatchOptions, cloud: Cloud) -> PipelineJob:
    """Compiles the watch, and puts into the bucket what it reads there.

    Raises:
        UserError: If the schema can't be read, or there is no bucket.
    """
    job = to_pipeline_job(settings, compile_watch(settings, options))
    upload_schema(settings, cloud)
    if options.retrain:
        upload(settings, cloud, *retraining(settings))
    return job
