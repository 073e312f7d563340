"""The command `release`: which version of the pushed model answers, and how to take one back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import CliSubCommand
from rich.console import Console
from rich.table import Table

from common.errors import UserError
from pipeline.settings import LocalSettings
from serving.versions import push_folder


class Status(BaseModel):
    """List the versions there are, and which one answers."""


class RollBack(BaseModel):
    """Take back the newest version; the one before it answers again."""

    to: int | None = Field(
        None, ge=0, description="version that shall answer; all that are newer are taken back"
    )


class Restore(BaseModel):
    """Put back the version that was taken back last."""


class Options(BaseModel):
    """Tell which version of the pushed model answers, take one back, or put it back."""

    status: CliSubCommand[Status]
    rollback: CliSubCommand[RollBack]
    restore: CliSubCommand[Restore]


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Shows or changes which version answers; servers see it within a second.

    Raises:
        UserError: If there is nothing that could be done so.
    """
    folder = settings.serving_folder
    if options.rollback:
        for version in push_folder.roll_back(folder, options.rollback.to):
            console.print(f"{version.name} is taken back.", highlight=False)
        console.print(f"{push_folder.versions(folder)[0].name} answers.", highlight=False)
    elif options.restore:
        console.print(f"{push_folder.restore(folder).name} is back.", highlight=False)
        console.print(f"{push_folder.versions(folder)[0].name} answers.", highlight=False)
    elif options.status:
        _show(folder, console)
    else:
        raise UserError(
            "It is not said what to do with the release.", "Name one of status, rollback, restore."
        )
    return 0


def _show(folder: Path, console: Console) -> None:
    there = push_folder.versions(folder)
    states = dict.fromkeys(there, "kept")
    states |= dict.fromkeys(there[:1], "answers")
    states |= dict.fromkeys(push_folder.taken_back(folder), "taken back")
    if not states:
        console.print(f"No model has been pushed to {folder}.", markup=False, soft_wrap=True)
        return
    table = Table("Version", "Pushed", "State", box=None, header_style="dim")
    for version, state in sorted(states.items(), key=lambda each: -int(each[0].name)):
        pushed = datetime.fromtimestamp((version / "saved_model.pb").stat().st_mtime)
        table.add_row(version.name, f"{pushed:%Y-%m-%d %H:%M}", state)
    console.print(table)
