"""Follows a run on Vertex AI to its end."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import requests
from google.api_core import exceptions, retry
from google.cloud.aiplatform_v1.types import (
    Execution,
    PipelineJob,
    PipelineState,
    PipelineTaskDetail,
)
from google.protobuf import json_format
from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import Progress
from pipeline.cli.status import Exit, State
from pipeline.vertex import run_details
from pipeline.vertex.cloud import TIMEOUT, Cloud
from pipeline.vertex.failures import explain_task
from pipeline.vertex.task_order import tasks_in_order
from pipeline.vertex.vertex_settings import VertexSettings

THROUGH_OUTAGES = retry.Retry(
    retry.if_exception_type(
        exceptions.ServerError,
        exceptions.TooManyRequests,
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
    ),
    initial=1,
    maximum=60,
    timeout=15 * 60,
)
"""A run takes hours: a laptop that sleeps, or a network that is gone for a while, is no end."""

ENDED = (
    PipelineState.PIPELINE_STATE_SUCCEEDED,
    PipelineState.PIPELINE_STATE_FAILED,
    PipelineState.PIPELINE_STATE_CANCELLED,
)

_Task = PipelineTaskDetail.State
STATES = {
    _Task.PENDING: State.WAITING,
    _Task.RUNNING: State.RUNNING,
    _Task.SUCCEEDED: State.DONE,
    _Task.CANCEL_PENDING: State.RUNNING,
    _Task.CANCELLING: State.RUNNING,
    _Task.CANCELLED: State.STOPPED,
    _Task.FAILED: State.FAILED,
    _Task.SKIPPED: State.SKIPPED,
    _Task.NOT_TRIGGERED: State.SKIPPED,
}
"""By state of a task of Vertex AI, that of a component."""


def follow(
    settings: VertexSettings, cloud: Cloud, job_id: str, every: float, console: Console
) -> int:
    """Shows how the tasks of a run go, until it ends.

    Returns:
        0 if the run succeeded, 3 if its model was not blessed, 4 if a watch found what is asked not
        to be as learned; 130 after Ctrl-C, which ends the following and not the run.

    Raises:
        UserError: If the run failed or was cancelled.
    """
    try:
        with Progress(console) as progress:
            job = _watch(cloud, f"{settings.parent}/pipelineJobs/{job_id}", every, progress)
    except KeyboardInterrupt:
        console.print(
            f"\nThe run goes on. To follow it again: vertex_runner.py submit --follow {job_id}\n"
            f"To cancel it: vertex_runner.py submit --cancel {job_id}",
            soft_wrap=True,
        )
        return Exit.INTERRUPTED
    if job.state == PipelineState.PIPELINE_STATE_SUCCEEDED:
        minutes = (job.end_time - job.start_time).total_seconds() / 60  # type: ignore[operator]
        details = _details(job, _tasks(job))
        blessed = run_details.blessed(details)
        verdict = {None: "", True: " The model is blessed.", False: " The model is not blessed."}
        console.print(f"\nThe run succeeded after {minutes:,.0f} minutes.{verdict[blessed]}")
        if (drifted := run_details.drifted(details)) is not None:
            console.print(f"  {run_details.verdict(details)}", soft_wrap=True, markup=False)
        if page := run_details.report_page(details):
            console.print(f"  Report: {page}", soft_wrap=True, markup=False)
        if drifted:
            return Exit.DRIFTED
        return Exit.NOT_BLESSED if blessed is False else Exit.DONE
    raise _outcome(settings, job_id, job)


def _watch(cloud: Cloud, name: str, every: float, progress: Progress) -> PipelineJob:
    shown: dict[str, State] = {}
    while True:
        job = cloud.pipelines.get_pipeline_job(name=name, retry=THROUGH_OUTAGES, timeout=TIMEOUT)
        if not shown:
            shown = dict.fromkeys(_tasks(job), State.WAITING)
            progress.planned(list(shown))
        for task in _details(job, shown):
            state = _state(task)
            if shown[task.task_name] is not state:
                progress.changed(task.task_name, state, _seconds(task))
                shown[task.task_name] = state
        if job.state in ENDED:
            return job
        time.sleep(every)


def _tasks(job: PipelineJob) -> list[str]:
    spec = json_format.MessageToDict(PipelineJob.pb(job).pipeline_spec)
    return list(tasks_in_order(spec))


def _details(job: PipelineJob, tasks: Any) -> list[PipelineTaskDetail]:
    """Those of tasks; the pipeline itself is among them, as is what drives a task."""
    return [task for task in job.job_detail.task_details if task.task_name in tasks]


def _state(task: PipelineTaskDetail) -> State:
    state = STATES.get(task.state, State.WAITING)
    cached = task.execution.state == Execution.State.CACHED
    return State.CACHED if cached and state in (State.DONE, State.SKIPPED) else state


def _seconds(task: PipelineTaskDetail) -> float:
    """How long it took, or has run so far."""
    if not task.start_time:
        return 0.0
    end: Any = task.end_time or datetime.now(timezone.utc)
    return max(0.0, (end - task.start_time).total_seconds())


def _outcome(settings: VertexSettings, job_id: str, job: PipelineJob) -> UserError:
    page = run_details.run_page(settings.project, settings.region, job_id)
    if job.state == PipelineState.PIPELINE_STATE_CANCELLED:
        return UserError(
            "The run was cancelled.",
            f"What its tasks have done is reused by the next run. The run: {page}",
        )
    failed = run_details.failures(_details(job, _tasks(job)))
    if not failed:
        return UserError(
            f"The run failed: {job.error.message or 'Vertex AI does not say why'}.",
            f"{explain_task(job.error.message, settings.project)} The run: {page}",
        )
    said = run_details.failure_text(failed)
    logs = "".join(f" Its log: {link}" for t in failed if (link := _log_page(settings, t)))
    return UserError(
        f"{said}.",
        f"{explain_task(said, settings.project)} The run: {page}{logs}",
    )


def _log_page(settings: VertexSettings, task: PipelineTaskDetail) -> str | None:
    """The page of the custom job that ran the task's container."""
    job = task.executor_detail.container_detail.main_job
    if not job:
        return None
    number = job.rpartition("/")[2]
    place = f"{run_details.CONSOLE}/ai/platform/locations/{settings.region}"
    return f"{place}/training/{number}?project={settings.project}"
