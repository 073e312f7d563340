"""The exit handler: tells a chat or a mail gateway, by a webhook, how a run has ended."""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
from typing import Any

from google.cloud import aiplatform_v1
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx import v1 as tfx

from pipeline.vertex import run_details
from pipeline.webhook import TIMEOUT, post, webhook_address

NODE = "Notification"


@tfx.orchestration.experimental.exit_handler
def Notification(  # noqa: N802, the name of the node
    final_status: tfx.dsl.components.Parameter[str],
    webhook: tfx.dsl.components.Parameter[str],
    pipeline: tfx.dsl.components.Parameter[str],
) -> None:
    """Posts how the run has ended: its state, the verdict, and where report and run are seen.

    Args:
        final_status: A PipelineTaskFinalStatus as JSON, which Vertex AI fills in.
        webhook: Where to post `{"text": ...}`; or the version of a secret that says where.
        pipeline: Name of the pipeline.

    Raises:
        UserError: If the webhook does not take it.
    """
    status: Any = json_format.Parse(
        final_status, pipeline_spec_pb2.PipelineTaskFinalStatus(), ignore_unknown_fields=True
    )
    run = _run(status.pipeline_job_resource_name)
    post(webhook_address(webhook), describe(pipeline, status, run.job_detail.task_details))


def describe(pipeline: str, status: Any, details: run_details.Details) -> str:
    """How a run has ended, in a few lines.

    Args:
        pipeline: Its name.
        status: The PipelineTaskFinalStatus of all tasks but the exit handler.
        details: Of the run's tasks.
    """
    blessed = run_details.blessed(details)
    model = {None: "", True: ", and its model is blessed", False: "; its model is not blessed"}
    lines = [f"{pipeline}: the run {status.state.lower()}{model[blessed]}."]
    if verdict := run_details.verdict(details):
        lines.append(verdict)
    failed = run_details.failures(details)
    if failed or status.error.message:
        lines.append(run_details.failure_text(failed) or status.error.message)
    if pushed := run_details.pushed_to(details):
        lines.append(f"Pushed to: {pushed}")
    if report := run_details.report_page(details):
        lines.append(f"Report: {report}")
    _, project, _, region, _, job_id = status.pipeline_job_resource_name.split("/")
    return "\n".join([*lines, f"Run: {run_details.run_page(project, region, job_id)}"])


def _run(name: str) -> aiplatform_v1.PipelineJob:
    region = name.split("/")[3]
    options = {"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    client = aiplatform_v1.PipelineServiceClient(transport="rest", client_options=options)
    return client.get_pipeline_job(name=name, timeout=TIMEOUT)
