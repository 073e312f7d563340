"""`schedule`: a run that comes again and again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim
from google.cloud.aiplatform_v1.types import PipelineJob, Schedule
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.errors import UserError
from pipeline.vertex import options as command_options
from pipeline.vertex.cloud import CALL, Cloud
from pipeline.vertex.vertex_settings import VertexSettings

SHOWN = 3
"""How many of the next runs are shown."""


def run(settings: VertexSettings, options: command_options.Schedule, console: Console) -> int:
    """Creates, lists, pauses, resumes or deletes a schedule.

    Raises:
        UserError: If there is no such schedule, or already one.
    """
    if options.create:
        return _create(settings, options.create, console)  # Loads TFX, unlike the others.
    cloud = Cloud(settings)
    chosen = options.pause or options.resume or options.delete
    if not chosen:
        _list(settings, cloud, console)
        return 0
    schedule = _find(settings, cloud, chosen.name)
    if options.pause:
        cloud.schedules.pause_schedule(name=schedule.name, **CALL)
        console.print(f"{chosen.name} is paused; runs that have begun go on.", markup=False)
    elif options.resume:
        # What was missed in between is not made up for.
        cloud.schedules.resume_schedule(name=schedule.name, **CALL)
        console.print(f"{chosen.name} is active again.", markup=False)
        _show_next(console, schedule.cron)
    else:
        cloud.schedules.delete_schedule(name=schedule.name, **CALL).result(timeout=120)
        console.print(f"{chosen.name} is deleted; its runs stay.", markup=False)
    return 0


def next_runs(cron: str, now: datetime | None = None) -> list[datetime]:
    """When a schedule comes next.

    Args:
        cron: With its time zone, as Vertex AI has it: CRON_TZ=Europe/Berlin 0 6 * * 1.
        now: In any time zone; by default, the time it is.

    Returns:
        The next three times, in the schedule's time zone.
    """
    *zones, expression = cron.split(" ", 1) if "TZ=" in cron else [cron]
    zone = ZoneInfo(zones[0].partition("=")[2] if zones else "Etc/UTC")
    start = now.astimezone(zone) if now else datetime.now(zone)
    return list(itertools.islice(CronSim(expression, start), SHOWN))


def _create(
    settings: VertexSettings, options: command_options.CreateSchedule, console: Console
) -> int:
    from pipeline.vertex.job_request import pipeline_job
    from pipeline.vertex.start import upload_schema

    if "warm_start" not in settings.model_fields_set:
        # Fresh rows each time: a run goes on from what the one before has learned.
        settings = settings.model_copy(update={"warm_start": True})

    def prepare(cloud: Cloud) -> PipelineJob:
        job = pipeline_job(settings)
        upload_schema(settings, cloud)
        return job

    create(settings, options, prepare, console)
    return 0


def create(
    settings: VertexSettings,
    options: command_options.CreateSchedule,
    prepare: Callable[[Cloud], PipelineJob],
    console: Console,
) -> None:
    """Puts a run on a schedule.

    Args:
        settings: What the user chose.
        options: The schedule's name, and when it comes.
        prepare: Makes the run, and puts into the bucket what it reads there.
        console: Where to show it.

    Raises:
        UserError: If there is such a schedule already.
    """
    cloud = Cloud(settings)
    if existing := _named(settings, cloud, options.name):
        raise UserError(
            f"There is a schedule {options.name} already, {_state(existing[0])}, "
            f"at {existing[0].cron}.",
            f"Delete it first with 'vertex_runner.py schedule delete {options.name}', "
            "or choose another name.",
        )
    job = prepare(cloud)
    schedule = Schedule(
        display_name=options.name,
        cron=f"CRON_TZ={options.time_zone} {options.cron}",
        max_concurrent_run_count=options.max_concurrent_runs,
        allow_queueing=True,
        # Each run gets an id of its own, and the labels of the code that was put on the schedule.
        create_pipeline_job_request={"parent": settings.parent, "pipeline_job": job},
    )
    # Never repeated: it has no id by which a second one would be known for the same.
    cloud.schedules.create_schedule(
        parent=settings.parent, schedule=schedule, timeout=CALL["timeout"], retry=None
    )
    console.print(Text(options.name, "bold").append(f" runs at {schedule.cron}", "none"))
    _show_next(console, schedule.cron)
    console.print(
        "  It runs the pipeline as it is now; after a change, delete it and create it anew."
    )


def _list(settings: VertexSettings, cloud: Cloud, console: Console) -> None:
    schedules = _all(settings, cloud)
    if not schedules:
        console.print("There are no schedules.")
        return
    table = Table("Name", "State", "When", "Next run", box=None, header_style="dim")
    for schedule in sorted(schedules, key=lambda s: s.display_name):
        comes: Any = schedule.next_run_time
        active = schedule.state == Schedule.State.ACTIVE
        table.add_row(
            Text(schedule.display_name),
            _state(schedule),
            Text(schedule.cron),
            f"{comes:%Y-%m-%d %H:%M} UTC" if active and comes else "",
        )
    console.print(table)


def _find(settings: VertexSettings, cloud: Cloud, name: str) -> Schedule:
    found = _named(settings, cloud, name)
    if not found:
        others = sorted(s.display_name for s in _all(settings, cloud))
        raise UserError(
            f"There is no schedule {name} in {settings.parent}.",
            f"There are {', '.join(others)}." if others else "There are none.",
        )
    if len(found) > 1:
        raise UserError(
            f"There are {len(found)} schedules named {name}: "
            f"{', '.join(s.name.rpartition('/')[2] for s in found)}.",
            "Delete all but one in Google Cloud's console.",
        )
    return found[0]


def _named(settings: VertexSettings, cloud: Cloud, name: str) -> list[Schedule]:
    return [schedule for schedule in _all(settings, cloud) if schedule.display_name == name]


def _all(settings: VertexSettings, cloud: Cloud) -> list[Schedule]:
    return list(cloud.schedules.list_schedules(parent=settings.parent, **CALL))


def _state(schedule: Schedule) -> str:
    return Schedule.State(schedule.state).name.lower()


def _show_next(console: Console, cron: str) -> None:
    for at in next_runs(cron):
        console.print(f"  next: {at:%a %Y-%m-%d %H:%M %Z}", highlight=False)
