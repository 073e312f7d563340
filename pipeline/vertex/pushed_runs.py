"""The runs on Vertex AI that pushed a version, and what they left of what it learned."""

from __future__ import annotations

from dataclasses import dataclass

from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.protobuf.field_mask_pb2 import FieldMask

from pipeline.vertex import run_details
from pipeline.webhook import TIMEOUT


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


def pushed_runs(
    pipelines: PipelineServiceClient, parent: str, pipeline: str
) -> dict[int, PushedRun]:
    """Finds the newest run of each version, as `RunRecords.pushed` does on a laptop.

    Args:
        pipelines: Asks for runs.
        parent: Project and region, as projects/PROJECT/locations/REGION.
        pipeline: Name of the pipeline.

    Returns:
        Runs by version.

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
        details = list(job.job_detail.task_details)
        if version := run_details.pushed_version(details):
            run = PushedRun(
                statistics=run_details.folder(details, "StatisticsGen", "statistics"),
                model=run_details.folder(details, "Trainer", "model"),
                report=run_details.report_page(details),
            )
            found.setdefault(version, run)
    return found
