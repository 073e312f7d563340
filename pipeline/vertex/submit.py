"""`submit`: starts a run on Vertex AI."""

from __future__ import annotations

from rich.console import Console

from pipeline.vertex.cloud import CALL, Cloud
from pipeline.vertex.follow import follow
from pipeline.vertex.options import Submit
from pipeline.vertex.vertex_settings import VertexSettings


def run(settings: VertexSettings, options: Submit, console: Console) -> int:
    """Starts a run, or does to one that was started what the options say.

    Returns:
        Zero if the run was started or, where it was waited for, succeeded; else that of `follow`.

    Raises:
        UserError: If the schema file holds none, or a task failed.
    """
    if options.dry_run:
        # Loads TFX, which a run that goes on can do without.
        from pipeline.vertex.job_request import as_text, pipeline_job, request_for

        request = request_for(settings, pipeline_job(settings))
        console.print(as_text(settings, request), markup=False, soft_wrap=True)
        return 0
    cloud = Cloud(settings)
    if options.cancel:
        return _cancel(settings, cloud, options.cancel, console)
    job_id = options.follow
    if not job_id:
        from pipeline.vertex.start import start

        job_id = start(settings, cloud, console)
    if options.wait or options.follow:
        return follow(settings, cloud, job_id, options.every, console)
    console.print(f"  To see how it goes: vertex_runner.py submit --follow {job_id}")
    return 0


def _cancel(settings: VertexSettings, cloud: Cloud, job_id: str, console: Console) -> int:
    cloud.pipelines.cancel_pipeline_job(name=f"{settings.parent}/pipelineJobs/{job_id}", **CALL)
    console.print(
        f"Run {job_id} is being cancelled. Jobs of Dataflow that it started may go on: see "
        "'gcloud dataflow jobs list --status active'."
    )
    return 0
