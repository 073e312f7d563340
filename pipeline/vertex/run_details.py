"""What Vertex AI tells of runs: how tasks ended, the verdict, the report; which ones pushed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.types import PipelineTaskDetail
from google.protobuf.field_mask_pb2 import FieldMask

from pipeline.webhook import TIMEOUT

CONSOLE = "https://console.cloud.google.com"
FILES = "https://storage.cloud.google.com"
"""Where a browser that is logged in sees objects of Cloud Storage."""

WATCH = "Watch"
"""The task that watches what is asked."""

DRIFTED = "drifted"
"""Property of its page: 1 if what is asked is not as learned, else 0."""

Details = Sequence[PipelineTaskDetail]


@dataclass(frozen=True)
class PushedRun:
    """A run that pushed a version.

    Attributes:
        statistics: Folder of the statistics of the examples that it learned from; None if Vertex
            AI does not tell it.
        model: Folder of the model as the Trainer left it, likewise.
        report: Where a browser finds the report, likewise.
    """

    statistics: str | None
    model: str | None
    report: str | None


def run_page(project: str, region: str, job_id: str) -> str:
    """The page of a run in Google Cloud's console."""
    return f"{CONSOLE}/vertex-ai/locations/{region}/pipelines/runs/{job_id}?project={project}"


def blessed(details: Details) -> bool | None:
    """Whether the model was blessed, by the Evaluator and the replay; None if nothing judged it."""
    answers = [_property(details, judge, "blessed") for judge in ("Evaluator", "Replay")]
    return None if answers[0] is None else 0 not in answers


def drifted(details: Details) -> bool | None:
    """Whether a watch found what is asked to be not as learned; None if the run is no watch."""
    answer = _property(details, WATCH, DRIFTED)
    return None if answer is None else bool(answer)


def verdict(details: Details) -> str | None:
    """The sentence that the report begins with, or the page of a watch."""
    return _property(details, "Report", "verdict") or _property(details, WATCH, "verdict")


def pushed_to(details: Details) -> str | None:
    """Where the model was pushed."""
    return _property(details, "Pusher", "pushed_destination")


def pushed_version(details: Details) -> int | None:
    """Number of the version that was pushed; None if none was, or it has no number."""
    number = str(_property(details, "Pusher", "pushed_version") or "")
    return int(number) if number.isdigit() else None


def folder(details: Details, task_name: str, output: str) -> str | None:
    """Where an output of a task is."""
    made = (t.outputs[output] for t in details if t.task_name == task_name and output in t.outputs)
    return next((artifact.uri for each in made for artifact in each.artifacts), None)


def report_page(details: Details) -> str | None:
    """Where a browser finds the report, or the page of a watch."""
    pages = [*_artifacts(details, "Report"), *_artifacts(details, WATCH)]
    return browsed(pages[0].uri) if pages else None


def browsed(uri: str) -> str:
    """Where a browser that is logged in sees a gs:// file."""
    return uri.replace("gs://", f"{FILES}/", 1)


def failures(details: Details) -> list[PipelineTaskDetail]:
    """The tasks that failed."""
    return [task for task in details if task.state == PipelineTaskDetail.State.FAILED]


def failure_text(failed: Details) -> str:
    """Which tasks failed, and what Vertex AI says of each."""
    return "; ".join(f"{t.task_name} failed: {t.error.message.rstrip('.')}" for t in failed)


def pushed_runs(
    pipelines: PipelineServiceClient, parent: str, pipeline: str
) -> dict[int, PushedRun]:
    """Finds the newest run of each version, as `RunRecords.pushed` does on a laptop.

    Args:
        pipelines: Asks for runs.
        parent: Project and region, as projects/PROJECT/locations/REGION.
        pipeline: Name of the pipeline.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: If Google Cloud does not tell.
    """
    asked = {
        "parent": parent,
        "filter": f'display_name="{pipeline}"',
        "order_by": "create_time desc",
        "read_mask": FieldMask(paths=["job_detail"]),
    }
    found: dict[int, PushedRun] = {}
    for job in pipelines.list_pipeline_jobs(asked, timeout=TIMEOUT):
        details = job.job_detail.task_details
        if version := pushed_version(details):
            run = PushedRun(
                statistics=folder(details, "StatisticsGen", "statistics"),
                model=folder(details, "Trainer", "model"),
                report=report_page(details),
            )
            found.setdefault(version, run)
    return found


def _artifacts(details: Details, task_name: str) -> Iterator[Any]:
    """What a task made; resolvers have artifacts of other runs."""
    for task in details:
        if task.task_name == task_name:
            for made in task.outputs.values():
                yield from made.artifacts


def _property(details: Details, task_name: str, name: str) -> Any:
    values = ((made.metadata or {}).get(name) for made in _artifacts(details, task_name))
    return next((value for value in values if value is not None), None)
