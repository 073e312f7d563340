"""The command `init`: a whole project for another table."""

from __future__ import annotations

import shlex
from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg
from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import show_lines, show_places
from pipeline.settings import BIGQUERY, LocalSettings


class Options(BaseModel):
    """Make a whole project for another table: the code, and drafts of what declares the table."""

    folder: CliPositionalArg[Path] = Field(description="the new project")
    source: str = Field(description="a Parquet or CSV file, or 'bigquery'")
    label: str = Field(description="the column to predict, of numbers")
    unit: str = Field("", description="unit of the label, such as dollars")
    split_by: str | None = Field(
        None, description="the column whose rows stay together in one split"
    )
    table: str | None = Field(None, description="with bigquery: project.dataset.table")
    project: str | None = Field(None, description="with bigquery: who pays for the query")


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Makes the project, and says what was decided.

    Raises:
        UserError: If the table cannot be read, is not fit, or the folder is not empty.
    """
    del settings
    if (options.source == BIGQUERY) != bool(options.table):
        raise UserError(
            f"The source is {options.source}, and the table {options.table or 'not named'}.",
            "Give --source bigquery --table project.dataset.table; a file needs no --table.",
        )
    # Takes a second: data frames and learners.
    from scaffold import make, rows

    folder = options.folder.expanduser()
    make.check_folder(folder)
    if options.table:
        table = rows.read_bigquery(options.table, options.project)
    else:
        table = rows.read_file(Path(options.source).expanduser())
    made = make.make(table, options.label, options.unit, options.split_by, folder)
    _show(made, options.unit, console)
    places = {
        "Project": str(folder),
        "Decisions": str(folder / "docs" / "decisions.md"),
        "Next": f"cd {shlex.quote(str(folder))} && make run",
    }
    show_places(console, places)
    return 0


def _show(made, unit: str, console: Console) -> None:
    tried, planned = made.trial, made.plan
    in_unit = f" {unit}" if unit else ""
    examples = ", ".join(f"{count:,} {split}" for split, count in tried.examples.items())
    split_by = planned.key or "the whole row"
    bound = f"RMSE {tried.bounds.max_rmse:g}{in_unit}; the mean has {tried.mean_rmse:.4g}{in_unit}"
    lines = [
        ("Label", planned.label.name + (f", in {unit}" if unit else "")),
        ("Features", ", ".join(each.feature.name for each in planned.features)),
        ("Crosses", ", ".join(cross.name for cross in tried.crosses) or "none worth it"),
        ("Splits", f"by {split_by}: {examples}"),
        ("Bound", f"{bound}, boosted trees {tried.tree_rmse:.4g}{in_unit}"),
    ]
    for suspect in planned.suspects:
        done = "left out" if suspect.left_out else "kept"
        lines.append(("Leak?", f"{suspect.column}, {done}. {suspect.why}"))
    show_lines(console, [*lines, *(("Note", note) for note in made.notes)])
