"""The pipeline on this machine: what `local_runner.py` does where no command is named."""

from __future__ import annotations

import contextlib
import gc
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from common.errors import UserError
from common.imports import without_garbage_collection
from data.query import render_splits
from data.source import open_source
from data.table import TABLE
from pipeline.caching import name_by_content
from pipeline.cli.config import SettingsError
from pipeline.cli.console import (
    Progress,
    log_to,
    shortened,
    show_error,
    show_places,
    show_summary,
)
from pipeline.cli.explain import explained
from pipeline.cli.interrupts import Interrupts
from pipeline.cli.run_root import new_log, sole_run
from pipeline.cli.status import Exit, Observer
from pipeline.local.last_run import LastRun, inputs_of, leave, repeat
from pipeline.settings import BIGQUERY, LocalSettings
from report.runs import metadata_file
from serving.versions.push_folder import remove_old

if TYPE_CHECKING:
    from report.runs.summary import RunSummary


def run(settings: LocalSettings, options: None, console: Console) -> int:
    """Runs the pipeline, and shows how it goes and what came of it.

    Raises:
        SettingsError: If the source or the schema is not what it should be.
        UserError: If the run root is not.
    """
    check_files(settings)
    with sole_run(settings.run_root):
        metadata_file.check(settings.run_root / metadata_file.METADATA)
        log = new_log(settings.run_root)
        with log_to(log):
            return _observed(settings, log, console)


def check_files(settings: LocalSettings) -> None:
    """Checks the query, and the files that settings name: before TensorFlow, Beam and TFX load.

    Raises:
        UserError: If the query is not what it should be.
        SettingsError: If a file is not.
    """
    render_splits(settings, table=settings.table, sample=settings.sample)
    try:
        name_by_content(settings.schema_file)
        if settings.source != BIGQUERY:
            open_source(str(settings.source_path))
    except UserError as error:
        raise SettingsError(error.cause, error.cure) from error


def _observed(settings: LocalSettings, log: Path, console: Console) -> int:
    run_id = log.stem
    console.print(
        Text(TABLE.pipeline, "bold").append(f" run {run_id} on {settings.source}", "none")
    )
    interrupts = Interrupts(lambda: _stopped(console, progress), Exit.INTERRUPTED)
    progress = Progress(console, lambda: interrupts.came)
    try:
        with interrupts, progress:
            summary = run_pipeline(settings, run_id, progress)
    # What libraries make of a Ctrl-C need not be a KeyboardInterrupt.
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001, shown, and whole in the log
        _log_traceback(error)
        if interrupts.came:
            return _stopped(console, progress)
        failed = explained(error, where=progress.running or "The run", log=log)
        show_error(console, failed)
        show_places(console, {"Log": str(log)} | _page_of_failed(settings, run_id, failed, console))
        return Exit.FAILED
    show_summary(console, summary)
    places = {"Report": shortened(summary.page), "Log": str(log)}
    if summary.training_log:
        folder = shortened(summary.training_log)
        places["TensorBoard"] = f"make tensorboard, or tensorboard --logdir {folder}"
    show_places(console, places)
    return Exit.NOT_BLESSED if summary.blessed is False else Exit.DONE


def run_pipeline(settings: LocalSettings, run_id: str, observer: Observer) -> RunSummary:
    """Runs the pipeline on this machine.

    Raises:
        UserError: What the user can mend.
        Exception: What a component raised.
    """
    inputs = inputs_of(settings)
    last = LastRun.read(settings.run_root)
    if last and last.is_repeated_by(inputs, settings.run_root):
        return repeat(last, settings.run_root, run_id, observer)

    observer.loading()
    with without_garbage_collection():  # Takes seconds: all of TensorFlow, Beam and TFX.
        from absl import logging

        from common.lean_beam import lean_beam
        from pipeline.local import housekeeping
        from pipeline.local.chunked_source import chunked_source
        from pipeline.local.engines import local_engines
        from pipeline.local.one_trace import one_trace
        from pipeline.local.runner import ObservedRunner, run_options
        from pipeline.pipeline import create_pipeline
        from report.component import Report
        from report.run_info import RunInfo
        from report.runs.run_records import RunRecords

    gc.set_threshold(50_000)  # Of Python's 700: graphs are built of many objects that stay.
    logging.use_absl_handler()  # Lines with time and place.
    logging.set_verbosity(logging.INFO)  # All that TFX tells goes to the run's log file.
    engines = local_engines(settings)
    store = metadata_file.open_metadata(settings.run_root, write=True)
    for sentence in housekeeping.make_ready(store, settings.run_root.resolve(), run_id):
        observer.noticed(sentence)
    pipeline = create_pipeline(settings, engines)
    partial = run_options(settings.from_, settings.to)
    report = next(c for c in pipeline.components if isinstance(c, Report))
    records = RunRecords(store, settings.run_root)
    records.begin(run_id, RunInfo.from_json(report.exec_properties["run_info"]))
    chunked = chunked_source() if settings.read_in_chunks else contextlib.nullcontext()
    with lean_beam(), one_trace(), chunked:
        ObservedRunner(observer, run_id).run(pipeline, run_options=partial)
    housekeeping.tidy(settings.run_root)
    remove_old(settings.serving_folder, settings.versions_kept)
    summary = records.end(run_id)
    if inputs and inputs == inputs_of(settings):  # Nothing was edited meanwhile.
        leave(settings.run_root, run_id, inputs, summary)
    return summary


def report_failure(settings: LocalSettings, run_id: str, failure: str) -> str | None:
    """Makes the page of a run in which something failed.

    Returns:
        The page; None if the run failed before it began.
    """
    from report.runs.run_records import RunRecords

    store = metadata_file.open_metadata(settings.run_root, write=True)
    records = RunRecords(store, settings.run_root)
    return records.end(run_id, failure).page if run_id in records.read() else None


def _page_of_failed(
    settings: LocalSettings, run_id: str, failed: UserError, console: Console
) -> dict[str, str]:
    try:
        page = report_failure(settings, run_id, failed.cause)
    # Whatever kept the run from ending well may keep its page from being made.
    except Exception as error:  # noqa: BLE001, shown, and whole in the log
        _log_traceback(error)
        console.print(f"Nor could its report be made ({type(error).__name__}); the log says why.")
        return {}
    return {"Report": shortened(page)} if page else {}


def _stopped(console: Console, progress: Progress) -> Exit:
    progress.end()
    where = f" in {progress.running}" if progress.running else ""
    console.print(
        f"\nStopped{where}. The next run continues with what is done, "
        "and training from its last checkpoint."
    )
    return Exit.INTERRUPTED


def _log_traceback(error: BaseException) -> None:
    try:
        traceback.print_exception(error)  # Standard error leads to the log.
    except OSError:
        return  # The disk may be full; the message is shown all the same.
