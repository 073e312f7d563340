"""Starts a run on Vertex AI: what it reads from the bucket first, then the run itself."""

from __future__ import annotations

import contextlib

from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CreatePipelineJobRequest
from rich.console import Console
from rich.text import Text

from common.errors import UserError
from data.table import TABLE
from pipeline.vertex.cloud import CALL, Cloud
from pipeline.vertex.engines import schema_uri
from pipeline.vertex.job_request import create_request
from pipeline.vertex.run_details import run_page
from pipeline.vertex.table_state import TableState, read_table_state
from pipeline.vertex.vertex_settings import VertexSettings


def start(settings: VertexSettings, cloud: Cloud, console: Console) -> str:
    """Starts a run, and returns its job id.

    Raises:
        UserError: If the schema file holds none, or there is no bucket for it, or no table.
    """
    table = read_table_state(settings, cloud) if settings.cache else TableState()
    request = create_request(settings, table.text)
    upload_schema(settings, cloud)
    job_id = begin(settings, cloud, request, console)
    if table.reason:
        console.print(f"  It reads all rows anew, since {table.reason}.", soft_wrap=True)
    return job_id


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
    """Puts a file into the bucket, under a name that tells its content.

    Args:
        settings: What the user chose.
        cloud: Takes it.
        uri: The gs:// name; where there is a file of it, it is the same.
        content: Of the file.

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
