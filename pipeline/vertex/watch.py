"""`watch`: whether what the served model is asked is still what it learned."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from pipeline.cli.console import shortened, show_places
from pipeline.cli.status import Exit
from pipeline.vertex.options import RehearseWatch, SubmitWatch, Watch
from pipeline.vertex.vertex_settings import VertexSettings
from serving.watch.log_files import find_files


def run(settings: VertexSettings, options: Watch, console: Console) -> int:
    """Compiles the watch, starts one, puts it on a schedule, or rehearses it.

    Returns:
        `Exit.DRIFTED` if a watch that was waited for, or rehearsed, found what is asked to be not
        as learned; else zero.

    Raises:
        UserError: If a file can't be read or written, or the watch failed.
    """
    # Takes the seconds of TFX.
    from pipeline.vertex import schedule
    from pipeline.vertex.compile import write
    from pipeline.vertex.watch_pipeline import compile_watch, prepare_watch

    if chosen := options.compile:
        write(compile_watch(settings, chosen), chosen.output, console)
    elif chosen := options.schedule:
        schedule.create(settings, chosen, lambda c: prepare_watch(settings, chosen, c), console)
    elif chosen := options.rehearse:
        return _rehearse(settings, chosen, console)
    elif chosen := options.submit:
        return _submit(settings, chosen, console)
    return Exit.DONE


def _rehearse(settings: VertexSettings, options: RehearseWatch, console: Console) -> int:
    from pipeline.rehearsal.spec_runner import rehearse
    from pipeline.vertex.engines import schema_uri
    from pipeline.vertex.rehearse import attend, show_replacements
    from pipeline.vertex.watch_pipeline import compile_watch, retraining

    files = find_files(options.requests, None)
    job = compile_watch(settings, options)
    show_replacements(job, console)
    with tempfile.TemporaryDirectory() as folder:
        uploads = {f"{options.log}/{file.name}": file for file in files}
        uploads[schema_uri(settings)] = settings.schema_file
        if options.retrain:
            uri, content = retraining(settings)
            uploads[uri] = Path(folder, "retraining.json")
            uploads[uri].write_bytes(content)
        outcome = attend(
            console,
            lambda progress: rehearse(
                job, options.root, source="", observer=progress, uploads=uploads
            ),
        )
    if outcome is None:
        return Exit.INTERRUPTED
    said = "not as learned" if outcome.drifted else "nothing past its bounds"
    places = {"Verdict": said, "Report": shortened(str(outcome.page))}
    show_places(console, places | {"Logs": shortened(str(outcome.logs))})
    return Exit.DRIFTED if outcome.drifted else Exit.DONE


def _submit(settings: VertexSettings, options: SubmitWatch, console: Console) -> int:
    from pipeline.vertex.cloud import Cloud
    from pipeline.vertex.follow import follow
    from pipeline.vertex.job_request import as_text, request_for, to_pipeline_job
    from pipeline.vertex.start import begin
    from pipeline.vertex.watch_pipeline import compile_watch, prepare_watch

    if options.dry_run:
        job = to_pipeline_job(settings, compile_watch(settings, options))
        request = request_for(settings, job)
        console.print(as_text(settings, request), markup=False, soft_wrap=True)
        return Exit.DONE
    cloud = Cloud(settings)
    request = request_for(settings, prepare_watch(settings, options, cloud))
    job_id = begin(settings, cloud, request, console)
    if options.wait:
        return follow(settings, cloud, job_id, options.every, console)
    console.print(f"  To see how it goes: vertex_runner.py submit --follow {job_id}")
    return Exit.DONE
