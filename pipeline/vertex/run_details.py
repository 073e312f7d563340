"""What Vertex AI tells of a run: how its tasks ended, the verdict, the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.cloud.aiplatform_v1.types import PipelineTaskDetail

CONSOLE = "https://console.cloud.google.com"
FILES = "https://storage.cloud.google.com"
"""Where a browser that is logged in sees objects of Cloud Storage."""

WATCH = "Watch"
"""The task that watches what is asked."""

DRIFTED = "drifted"
"""Property of its page: 1 if what is asked is not as learned, else 0."""

Details = Iterable[PipelineTaskDetail]


def run_page(project: str, region: str, job_id: str) -> str:
    """The page of a run in Google Cloud's console."""
    return f"{CONSOLE}/vertex-ai/locations/{region}/pipelines/runs/{job_id}?project={project}"


def blessed(details: Details) -> bool | None:
    """Whether the model was blessed, by the Evaluator and the replay; None if nothing judged it."""
    details = list(details)
    answers = [_property(details, judge, "blessed") for judge in ("Evaluator", "Replay")]
    return None if answers[0] is None else 0 not in answers


def drifted(details: Details) -> bool | None:
    """Whether a watch found what is asked to be not as learned; None if the run is no watch."""
    answer = _property(list(details), WATCH, DRIFTED)
    return None if answer is None else bool(answer)


def verdict(details: Details) -> str | None:
    """The sentence that the report begins with, or the page of a watch."""
    details = list(details)
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
    for task in details:
        if task.task_name == task_name and output in task.outputs:
            for artifact in task.outputs[output].artifacts:
                return artifact.uri
    return None


def report_page(details: Details) -> str | None:
    """Where a browser finds the report, or the page of a watch."""
    details = list(details)
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


def _artifacts(details: Details, task_name: str) -> Iterator[Any]:
    """What a task made; resolvers have artifacts of other runs."""
    for task in details:
        if task.task_name == task_name:
            for made in task.outputs.values():
                yield from made.artifacts


def _property(details: Details, task_name: str, name: str) -> Any:
    for artifact in _artifacts(details, task_name):
        value = (artifact.metadata or {}).get(name)
        if value is not None:
            return value
    return None
