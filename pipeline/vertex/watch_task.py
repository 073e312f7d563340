"""The task of the second, small pipeline: whether what is asked is still what was learned.

It is what `local_runner.py watch` does, as far as a bucket and Vertex AI's own records let it.
"""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
import datetime
import posixpath
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow_data_validation as tfdv
from absl import logging
from google.api_core import exceptions
from google.cloud import aiplatform_v1
from google.protobuf import json_format
from tfx import v1 as tfx

from common.errors import UserError
from models import interpretation
from pipeline.vertex.run_details import DRIFTED, PushedRun, browsed, pushed_runs
from pipeline.webhook import TIMEOUT, post, webhook_address
from report.artifact import HTML
from report.collect.residuals import serving_folder
from report.collect.served_estimate import estimate_weeks
from report.collect.served_requests import describe_served
from report.component import FILE
from report.facts import EstimatedWeek
from report.render.page import render_served
from report.served_verdict import describe_requests, judge_served
from report.wording import declared_wording
from schema.findings import Finding, blocking
from schema.validation import TRAIN, read_statistics
from serving.watch.fetched_log import fetch
from serving.watch.judgement import judge
from serving.watch.log_files import find_files
from serving.watch.logged_rows import LoggedRows, read_rows
from serving.watch.watched import Watched


@tfx.dsl.components.component
def Watch(  # noqa: N802, the name of the node
    page: tfx.dsl.components.OutputArtifact[HTML],
    log: tfx.dsl.components.Parameter[str],
    schema: tfx.dsl.components.Parameter[str],
    parent: tfx.dsl.components.Parameter[str],
    pipeline: tfx.dsl.components.Parameter[str],
    days: tfx.dsl.components.Parameter[int],
    min_rows: tfx.dsl.components.Parameter[int],
    severity: tfx.dsl.components.Parameter[str],
    max_rmse: tfx.dsl.components.Parameter[float],
    webhook: tfx.dsl.components.Parameter[str] = "",
    retrain: tfx.dsl.components.Parameter[str] = "",
) -> None:
    """Holds a log of requests to what was learned, writes a page, and tells if it is not well.

    Args:
        page: Gets the page, and properties: `verdict`, a sentence, and `drifted`, 1 or 0.
        log: Folder of the log, in a bucket.
        schema: File of the schema, whose comparators are applied.
        parent: Project and region, as projects/PROJECT/locations/REGION.
        pipeline: Name of the pipeline that trains.
        days: How many days to look at; the last one is today, in UTC.
        min_rows: Fewest rows of a period that are judged.
        severity: One of `SEVERITIES`: from which on findings count.
        max_rmse: The gate's bound, which the page shows beside the estimated error.
        webhook: Who is told if it is not well, or if the watch fails; empty for nobody.
        retrain: File of the PipelineJob to start if it is not well; empty for none.

    Raises:
        UserError: If there is no log, or it can't be read; if no version is known that was pushed;
            or if the webhook does not take the verdict.
        google.api_core.exceptions.GoogleAPICallError: If Vertex AI refuses what is asked of it.
    """
    region = parent.rpartition("/")[2]
    pipelines = aiplatform_v1.PipelineServiceClient(
        transport="rest", client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    )
    try:
        found = _watched(log, schema, pushed_runs(pipelines, parent, pipeline), days, min_rows)
    except UserError as error:
        if webhook:
            post(webhook_address(webhook), f"{pipeline}: the watch failed. {error.cause}")
        raise
    wording = declared_wording()
    served = describe_served(found.watched, None, found.estimates)
    tfx.dsl.io.fileio.makedirs(page.uri)
    page.uri = posixpath.join(page.uri, FILE)
    with tfx.dsl.io.fileio.open(page.uri, "w") as file:
        file.write(render_served(served, pipeline, found.run.report, max_rmse, wording))
    sentence = judge_served(found.watched, wording)
    drifted = bool(blocking(found.watched.findings, severity))
    page.set_string_custom_property("verdict", sentence)
    page.set_int_custom_property(DRIFTED, int(drifted))
    logging.info("%s. %s", describe_requests(found.watched), sentence)
    if not drifted:
        return
    try:
        if retrain and blocking(_of_newest(found.watched), severity):
            _retrain(pipelines, parent, retrain, f"{pipeline}-after-{found.watched.version}")
    finally:
        if webhook:
            told = f"{pipeline}: {sentence}\n{describe_requests(found.watched)}.\n"
            post(webhook_address(webhook), f"{told}Report: {browsed(page.uri)}")


@dataclass(frozen=True)
class _Found:
    watched: Watched
    run: PushedRun
    estimates: tuple[EstimatedWeek, ...]


def _watched(
    log: str, schema: str, runs: Mapping[int, PushedRun], days: int, min_rows: int
) -> _Found:
    known = {version: run for version, run in runs.items() if run.statistics}
    if not known:
        raise UserError(
            "No run is known that has pushed a version, so what was learned is not known.",
            "Let the pipeline push a model first: vertex_runner.py submit.",
        )
    since = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days - 1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetch(log, Path(folder), since)
            agreed = tfdv.load_schema_text(schema)
            rows = read_rows(find_files(Path(folder), since), agreed, since)
        except UserError as error:
            raise UserError(error.cause.replace(folder, log), error.cure) from error
    asked = set(np.unique(rows.versions).tolist()) & known.keys() or {max(known)}
    training = {
        version: read_statistics(str(known[version].statistics), [TRAIN])[TRAIN]
        for version in asked
    }
    watched = judge(rows, training, agreed, log, min_rows)
    run = known[watched.version]
    return _Found(watched, run, _estimates(rows, watched.version, run.model))


def _estimates(rows: LoggedRows, version: int, model: str | None) -> tuple[EstimatedWeek, ...]:
    found = interpretation.read(serving_folder(model)) if model else None
    return estimate_weeks(rows, version, found.errors) if found and found.errors else ()


def _of_newest(watched: Watched) -> list[Finding]:
    """What is found of the newest version: what one before it drifted from, it may have learned."""
    newest = [period for period in watched.periods if period.version == watched.version]
    return [finding for period in newest for finding in period.findings]


def _retrain(
    pipelines: aiplatform_v1.PipelineServiceClient, parent: str, file: str, job_id: str
) -> None:
    """Starts a run from a file; once for each id, so that a drift that lasts is not paid daily."""
    with tfx.dsl.io.fileio.open(file, "r") as stream:
        job = json_format.Parse(stream.read(), aiplatform_v1.PipelineJob.pb()())
    try:
        pipelines.create_pipeline_job(
            parent=parent,
            pipeline_job=aiplatform_v1.PipelineJob.wrap(job),
            pipeline_job_id=job_id,
            timeout=TIMEOUT,
        )
    except exceptions.Conflict:
        logging.info("Run %s was started before: each version is retrained from once.", job_id)
    else:
        logging.info("Run %s goes on from the last blessed model.", job_id)
