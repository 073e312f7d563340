"""Starts a run on Vertex AI: what it reads from the bucket first, then the run itself."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timezone

from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CreatePipelineJobRequest
from rich.console import Console
from rich.text import Text

from common.errors import UserError
from data.table import TABLE
from pipeline.vertex.cloud import CALL, Cloud
from pipeline.vertex.engines import schema_uri
from pipeline.vertex.job_request import pipeline_job, request_for
from pipeline.vertex.run_details import run_page
from pipeline.vertex.vertex_settings import VertexSettings

STORED = ("TABLE", "CLONE", "SNAPSHOT")
"""Types of tables whose last change is that of their rows; a view's is that of its query."""


@dataclass(frozen=True)
class TableState:
    """What is known of the rows of a table.

    Attributes:
        text: Changes when they do; empty if that is not known.
        reason: Why not, for people.
    """

    text: str = ""
    reason: str = ""


def start(settings: VertexSettings, cloud: Cloud, console: Console) -> str:
    """Starts a run, and returns its job id.

    Raises:
        UserError: If the schema file holds none, or there is no bucket for it, or no table.
    """
    table = read_table_state(settings, cloud) if settings.cache else TableState()
    request = request_for(settings, pipeline_job(settings, table.text))
    upload_schema(settings, cloud)
    job_id = begin(settings, cloud, request, console)
    if table.reason:
        console.print(f"  It reads all rows anew, since {table.reason}.", soft_wrap=True)
    return job_id


def read_table_state(settings: VertexSettings, cloud: Cloud) -> TableState:
    """Asks BigQuery when the table was last changed, in any of its partitions.

    Vertex AI's cache knows BigQueryExampleGen's queries and not what they read. So each query of a
    run begins with a line that changes when the table does; where none can be written, nothing is
    reused.

    Returns:
        Time and number of rows; neither for what BigQuery does not tell them of.

    Raises:
        UserError: If there is no such table.
    """
    try:
        found = cloud.table(settings.table)
    except exceptions.NotFound as error:
        raise UserError(f"There is no table {settings.table}.", "Correct table.") from error
    except exceptions.Forbidden:  # The run's account may read it all the same.
        return TableState(reason=f"you may not look at {settings.table}")
    if found["type"] not in STORED:
        return TableState(reason=f"{settings.table} is no table but {found['type']}")
    if "streamingBuffer" in found:
        return TableState(reason=f"rows are just being streamed into {settings.table}")
    changed = datetime.fromtimestamp(int(found["lastModifiedTime"]) / 1000, timezone.utc)
    return TableState(
        f"last changed {changed.isoformat(timespec='milliseconds')}, {int(found['numRows']):,} rows"
    )


def begin(
    settings: VertexSettings, cloud: Cloud, request: CreatePipelineJobRequest, console: Console
) -> str:
    """Asks for a run that has all it reads from the bucket, and returns its job id."""
    job_id = request.pipeline_job_id
    # No other run has this id: where there is one, an earlier attempt got there and its answer got
    # lost.
    with contextlib.suppress(exceptions.Conflict):
        cloud.pipelines.create_pipeline_job(request, **CALL)
    console.print(Text(TABLE.pipeline, "bold").append(f" run {job_id} on Vertex AI", "none"))
    console.print(f"  {run_page(settings.project, settings.region, job_id)}", soft_wrap=True)
    return job_id


def upload_schema(settings: VertexSettings, cloud: Cloud) -> None:
    """Puts the schema where the tasks look for it.

    Raises:
        UserError: If the file is no schema, or there is no bucket for it.
    """
    upload(settings, cloud, schema_uri(settings), settings.schema_file.read_bytes())


def upload(settings: VertexSettings, cloud: Cloud, uri: str, content: bytes) -> None:
    """Puts a file into the bucket, under a gs:// name that tells its content.

    Raises:
        UserError: If there is no bucket for it.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    blob = cloud.storage.bucket(bucket).blob(name)
    try:
        blob.upload_from_string(content, if_generation_match=0, **CALL)
    except exceptions.PreconditionFailed:
        return
    except exceptions.NotFound as error:
        raise UserError(
            f"There is no bucket {bucket}.",
            f"Create it with 'gcloud storage buckets create gs://{bucket} --project "
            f"{settings.project}', or change run_root.",
        ) from error
