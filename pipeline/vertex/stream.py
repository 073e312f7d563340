"""`stream`: answers messages that keep coming, by a job of Dataflow."""

from __future__ import annotations

from rich.console import Console

from pipeline.cli.status import Exit
from pipeline.vertex.dataflow import console_link, own_job_flags
from pipeline.vertex.options import Stream
from pipeline.vertex.release import served_model
from pipeline.vertex.vertex_settings import VertexSettings


def run(settings: VertexSettings, options: Stream, console: Console) -> int:
    """Starts the job, or replaces the one of its name, and does not wait.

    Raises:
        UserError: If there is no model.
    """
    # Takes the seconds of TensorFlow and Beam.
    from serving.stream_pipeline.answer_steps import StreamJob
    from serving.stream_pipeline.launch_pipeline import start

    version, path = served_model(settings, options.model_folder)
    stored = settings.serving_folder if settings.push_to == "storage" else None
    job = StreamJob(
        options.subscription,
        options.answers,
        options.dead_letters,
        path,
        int(version),
        watched=options.model_folder or stored,
        id_attribute=options.id_attribute,
        most_bytes=options.most_bytes,
        table=options.table,
    )
    flags = [
        *own_job_flags(settings, options.name),
        "--enable_streaming_engine",
        "--autoscaling_algorithm=THROUGHPUT_BASED",
    ]
    result = start(job, [*flags, "--update"] if options.update else flags)
    job_id = result.job_id()  # pyright: ignore[reportAttributeAccessIssue] Of Dataflow's result.
    console.print(f"  Version {version} of the model, {path}", soft_wrap=True, highlight=False)
    console.print(f"  Job {job_id}: {console_link(settings, job_id)}", soft_wrap=True)
    where = f"--region {settings.region} --project {settings.project}"
    console.print(
        f"  To end it without loss: gcloud dataflow jobs drain {job_id} {where}", soft_wrap=True
    )
    return Exit.DONE
