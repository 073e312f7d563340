"""The command line of the local runner."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from common.errors import UserError, causes
from pipeline.cli.console import (
    Progress,
    log_to,
    shortened,
    show_error,
    show_places,
    show_summary,
)
from pipeline.cli.interrupts import Interrupts
from pipeline.cli.run_root import new_log, sole_run
from pipeline.cli.status import Exit
from pipeline.local.reports import show_reports
from pipeline.settings import LocalSettings, load_settings

DISK_FULL = ("No space left on device", "database or disk is full")
"""What Python, TensorFlow, Arrow and SQLite say then."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command line.

    Args:
        arguments: What stands after the program's name.

    Returns:
        One of `Exit`.
    """
    errors = Console(stderr=True, highlight=False)
    try:
        settings = load_settings(arguments)
    except UserError as error:
        show_error(errors, error)
        return Exit.BAD_SETTINGS
    try:
        if settings.predict:
            return _predict(settings, settings.predict.request)
        if settings.report:
            show_reports(settings, settings.report)
            return Exit.DONE
        return _run(settings)
    except UserError as error:
        show_error(errors, error)
        return Exit.FAILED


def _predict(settings: LocalSettings, request: str) -> int:
    # Fast: a wrong request is told before TensorFlow loads.
    from models.request import parse_request

    birth = parse_request(request)
    with log_to(Path(os.devnull)):
        from pipeline.local.predict import predict

        pounds = predict(settings.serving_folder, birth)
    print(f"{pounds:.2f} lb")
    return Exit.DONE


def _run(settings: LocalSettings) -> int:
    with sole_run(settings.run_root):
        log = new_log(settings.run_root)
        with log_to(log) as console:
            return _observed_run(settings, log, console)


def _observed_run(settings: LocalSettings, log: Path, console: Console) -> int:
    run_id = log.stem
    console.print(Text("natality", "bold").append(f" run {run_id} on {settings.source}", "none"))
    interrupts = Interrupts(lambda: _stopped(console, progress), Exit.INTERRUPTED)
    progress = Progress(console, lambda: interrupts.came)
    try:
        with interrupts, progress:
            # Takes seconds: all of TensorFlow, Beam and TFX.
            from pipeline.local.engines import run_locally

            summary = run_locally(settings, run_id, progress)
    # What libraries make of a Ctrl-C need not be a KeyboardInterrupt.
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001, told, and whole in the log
        _log_traceback(error)
        if interrupts.came:
            return _stopped(console, progress)
        told = _explained(error, progress.running)
        show_error(console, told)
        show_places(console, {"Log": str(log)} | _page_of_failed(settings, run_id, told, console))
        return Exit.FAILED
    show_summary(console, summary)
    places = {"Report": shortened(summary.page), "Log": str(log)}
    if summary.training_log:
        folder = shortened(summary.training_log)
        places["TensorBoard"] = f"make tensorboard, or tensorboard --logdir {folder}"
    show_places(console, places)
    return Exit.NOT_BLESSED if summary.blessed is False else Exit.DONE


def _page_of_failed(
    settings: LocalSettings, run_id: str, told: UserError, console: Console
) -> dict[str, str]:
    try:
        from pipeline.local.engines import report_failure

        page = report_failure(settings, run_id, told.cause)
    # Whatever kept the run from ending well may keep its page from being made.
    except Exception as error:  # noqa: BLE001, told, and whole in the log
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


def _explained(error: BaseException, component: str | None) -> UserError:
    """The error a user can act on, wherever in the chain of causes it is."""
    for cause in causes(error):
        if isinstance(cause, UserError):
            return cause
        if any(words in str(cause) for words in DISK_FULL):
            return UserError(
                f"The disk ran full in {component or 'the run'}.",
                "Make room, or choose a folder on another disk with --run-root; "
                "the next run continues with what is done.",
            )
    # Loaded by now, wherever one of its errors came from.
    from pipeline.vertex.failures import explain

    if explained := explain(error):
        return explained
    return UserError(
        f"{component or 'The run'} failed: {type(error).__name__}: {error}.",
        "This is not something a setting explains; the log has the whole story.",
    )


def _log_traceback(error: BaseException) -> None:
    import traceback

    with contextlib.suppress(OSError):  # The disk may be full.
        traceback.print_exception(error)  # Standard error leads to the log.
