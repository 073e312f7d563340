"""`batch`: predicts for many rows, by a job of Dataflow."""

from __future__ import annotations

from rich.console import Console

from common.errors import UserError
from pipeline.cli.config import SettingsError
from pipeline.cli.status import Exit
from pipeline.vertex.dataflow import bounded, console_link, own_job_flags
from pipeline.vertex.options import Batch
from pipeline.vertex.release import served_model
from pipeline.vertex.vertex_settings import VertexSettings
from serving.batch.row_files import BIGQUERY, is_query, is_table


def run(settings: VertexSettings, options: Batch, console: Console) -> int:
    """Starts the job, and waits for its end unless it is told not to.

    Returns:
        The exit status of a batch, as `python -m serving.batch` has it; zero where the job was
        only started.

    Raises:
        UserError: If there is no model, nothing to read, or the job failed.
    """
    given, output = options.input.removeprefix(BIGQUERY), options.output.removeprefix(BIGQUERY)
    for name, place in (("input", given), ("output", output)):
        table = is_query(place) if name == "input" else is_table(place)
        if not table and not place.startswith("gs://"):
            raise SettingsError(
                f"--{name} is {place!r}, which Dataflow's workers do not reach.",
                "Name files of a bucket, gs://BUCKET/..., or a table as bq:project.dataset.table; "
                "files of this machine are predicted by local_runner.py predict.",
            )
    # Takes the seconds of TensorFlow and Beam.
    from serving.batch import launch_batch
    from serving.batch.batch_plan import new_run, plan

    name, version = served_model(settings, options.model_folder)
    run_name = options.run or new_run()
    batch = plan(
        given,
        output,
        version,
        version_name=name,
        dead_letters=options.dead_letters
        or (f"{settings.run_root}/batch/{run_name}.dead.jsonl" if is_table(output) else None),
        # Each run has its own, in what may be deleted after a day.
        staging=f"{settings.temp_root}/batch/{run_name}",
        run=run_name,
        request_log=options.request_log,
        request_log_share=options.request_log_share,
    )
    flags = [*own_job_flags(settings, f"batch-{run_name}"), bounded(settings)]
    console.print(f"  Version {name} of the model, {version}", soft_wrap=True, highlight=False)
    result = launch_batch.start(batch, flags)
    job_id = result.job_id()  # pyright: ignore[reportAttributeAccessIssue] Of Dataflow's result.
    console.print(f"  Job {job_id}: {console_link(settings, job_id)}", soft_wrap=True)
    if not options.wait:
        console.print(f"  Rows that are not answered: {batch.dead_letters}", soft_wrap=True)
        return Exit.DONE

    def tell(said: str) -> None:
        console.print(f"  {said}", markup=False, highlight=False, soft_wrap=True)

    with launch_batch.progress(batch.staging, tell):
        try:
            outcome = launch_batch.wait(batch, result)
        except UserError as error:
            raise UserError(error.cause, f"{error.cure} See the log of job {job_id}.") from error
        except KeyboardInterrupt:
            tell(f"Job {job_id} goes on; 'gcloud dataflow jobs cancel' ends it.")
            raise
    tell(launch_batch.summary(batch, outcome))
    return outcome.status
