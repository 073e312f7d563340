"""`rehearse`: the compiled pipeline on this machine, task by task, as Vertex AI would run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from common.errors import UserError
from data.source import open_source
from data.table import TABLE
from pipeline.cli.console import Progress, shortened, show_places
from pipeline.cli.interrupts import Interrupts
from pipeline.cli.status import Exit
from pipeline.rehearsal.outcome import Rehearsed
from pipeline.rehearsal.replacements import replacements
from pipeline.rehearsal.spec_runner import ENVIRONMENT, rehearse
from pipeline.settings import SAMPLE
from pipeline.vertex.options import Rehearse
from pipeline.vertex.vertex_settings import VertexSettings


def run(settings: VertexSettings, options: Rehearse, console: Console) -> int:
    """Rehearses, and shows how it goes.

    Raises:
        UserError: If the pipeline can't be rehearsed.
        TaskFailed: If a task failed.
    """
    console.print(Text(TABLE.pipeline, "bold").append(f" rehearsal on {options.source}", "none"))
    outcome = attend(console, lambda progress: _rehearsed(settings, options, console, progress))
    if outcome is None:
        return Exit.INTERRUPTED
    _show(console, outcome)
    if outcome.pushed and settings.push_to == "endpoint" and settings.endpoint_traffic:
        from pipeline.rehearsal.release_drill import drill
        from pipeline.vertex.release import place

        steps = drill(options.root.resolve(), outcome.logs, place(settings))
        show_places(console, {"Release": "; ".join(steps)})
    return Exit.NOT_BLESSED if outcome.blessed is False else Exit.DONE


def attend(console: Console, rehearsal: Callable[[Progress], Rehearsed]) -> Rehearsed | None:
    """Shows how a rehearsal goes.

    Returns:
        What came of it; None if it was stopped.

    Raises:
        UserError: As the rehearsal does.
    """
    interrupts = Interrupts(lambda: _stopped(console, progress), Exit.INTERRUPTED)
    progress = Progress(console, lambda: interrupts.came)
    try:
        with interrupts, progress:
            progress.loading()
            return rehearsal(progress)
    except (KeyboardInterrupt, UserError):
        if interrupts.came:
            _stopped(console, progress)
            return None
        raise


def _rehearsed(
    settings: VertexSettings, options: Rehearse, console: Console, progress: Progress
) -> Rehearsed:
    # Takes seconds: all of TensorFlow, Beam and TFX.
    from pipeline.vertex.compile import compile_job
    from pipeline.vertex.engines import schema_uri

    source = str(TABLE.sample) if options.source == SAMPLE else options.source
    # As `submit` asks BigQuery.
    job = compile_job(settings, f"rehearsed on rows {open_source(source).fingerprint()[:16]}")
    show_replacements(job, console)
    return rehearse(
        job,
        options.root,
        source=source,
        observer=progress,
        from_task=options.from_,
        uploads={schema_uri(settings): settings.schema_file},
    )


def show_replacements(job: Mapping[str, Any], console: Console) -> None:
    """Tells what is other than on Vertex AI."""
    console.print(Text("Here, these are replaced:", "dim"))
    for each in replacements(job):
        console.print(Text(f"  {each.service}: ").append(each.stand_in, "dim"), soft_wrap=True)


def _stopped(console: Console, progress: Progress) -> Exit:
    progress.end()
    task = progress.running
    begun = task not in (None, ENVIRONMENT)
    where = f" in {task}; --from {task} continues there" if begun else ""
    console.print(f"\nStopped{where}.", soft_wrap=True)
    return Exit.INTERRUPTED


def _show(console: Console, outcome: Rehearsed) -> None:
    console.print()
    places = {"Baseline": "the latest blessed model" if outcome.baseline else "none yet"}
    if outcome.blessed is not None:
        places["Verdict"] = "blessed" if outcome.blessed else "not blessed"
    if outcome.blessed is False:
        # TFMA is loaded by now, as the pipeline was compiled.
        from report.collect.replayed_requests import read_replay
        from report.collect.verdict import read_reasons

        refused = read_replay(str(outcome.replay)).reasons if outcome.replay else ()
        places["Because"] = "; ".join([*read_reasons(str(outcome.evaluation)), *refused])
    if outcome.page:
        places["Report"] = shortened(str(outcome.page))
    if outcome.pushed:
        places["Pushed to"] = shortened(str(outcome.pushed))
    show_places(console, places | {"Logs": shortened(str(outcome.logs))})
