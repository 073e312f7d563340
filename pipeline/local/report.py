"""The command `report`: which runs there were, the page of one, or two side by side."""

from __future__ import annotations

import difflib
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg
from rich.console import Console
from rich.table import Table

from common.errors import UserError
from pipeline.cli.console import shortened
from pipeline.settings import LocalSettings
from report.runs.run_records import PastRun, RunRecords
from report.wording import declared_wording

if TYPE_CHECKING:
    from report.facts import Facts, Slice

NONE = "-"
"""What a table shows where there is nothing."""


class Options(BaseModel):
    """List the runs; or show the page of one, or two of them side by side."""

    runs: CliPositionalArg[list[str]] = Field([], description="two runs, for --compare")
    run: str | None = Field(None, description="the run whose page to show")
    compare: bool = Field(False, description="show two runs side by side")
    open: bool = Field(False, description="open the page in a browser; by default the newest run's")


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Does what was asked of the reports on past runs.

    Args:
        settings: What the user chose; only the run root matters.
        options: What to show.
        console: Where to show it.

    Returns:
        Zero.

    Raises:
        UserError: If there is no such run, or the options don't fit together.
    """
    _check(options)
    records = RunRecords.open(settings.run_root)
    runs = records.read()
    if not console.is_terminal:
        console.width = 200  # Nothing is to be cut off in a pipe.
    if options.compare:
        a, b = (_named(runs, name) for name in options.runs)
        page = _compare(records, a, b, console)
    elif options.run or options.open:
        past = _named(runs, options.run) if options.run else next(iter(runs.values()))
        page = _page(records, past, console)
    else:
        _print_list(console, runs)
        return 0
    console.print(shortened(str(page)), markup=False, soft_wrap=True)
    if options.open:
        webbrowser.open(page.as_uri())
    return 0


def _check(options: Options) -> None:
    if options.compare and options.run:
        raise UserError("Both --run and --compare were given.", "Give one of them.")
    if options.compare and len(options.runs) != 2:
        raise UserError(
            f"--compare takes two runs, not {len(options.runs)}.",
            "Give two of those that local_runner.py report lists.",
        )
    if options.runs and not options.compare:
        raise UserError(
            f"What to do with {' and '.join(options.runs)}?",
            "Say --run before a run to show it, or --compare before two.",
        )


def _named(runs: Mapping[str, PastRun], name: str) -> PastRun:
    if name in runs:
        return runs[name]
    close = difflib.get_close_matches(name, runs, n=1)
    hint = f"Did you mean {close[0]}?" if close else "local_runner.py report lists those there are."
    raise UserError(f"There has been no run {name}.", hint)


def _page(records: RunRecords, past: PastRun, console: Console) -> Path:
    if written := records.page(past):
        return written
    past.known_info()  # Loading TensorFlow takes seconds; what can't be is told before.
    with console.status("reading the run"):
        return records.write_page(records.facts(past))


def _compare(records: RunRecords, a: PastRun, b: PastRun, console: Console) -> Path:
    for past in (a, b):
        past.known_info()
    with console.status("reading both runs"):
        facts = records.facts(a), records.facts(b)
        page = records.write_comparison(*facts)
    _print_comparison(console, *facts)
    return page


def _print_list(console: Console, runs: Mapping[str, PastRun]) -> None:
    table = _table(
        "run", "began", ">examples", ">" + declared_wording().in_unit("RMSE"), "verdict", "source"
    )
    for past in runs.values():
        table.add_row(
            past.run_id,
            past.began.astimezone().strftime("%Y-%m-%d %H:%M"),
            NONE if past.examples is None else f"{past.examples:,}",
            NONE if past.rmse is None else f"{past.rmse:.4f}",
            past.outcome,
            NONE if past.info is None else past.info.source,
        )
    console.print(table)


def _print_comparison(console: Console, a: Facts, b: Facts) -> None:
    columns = a.run_id, b.run_id
    chosen = a.info.settings, b.info.settings
    settings = _table("setting", *columns)
    for name in dict.fromkeys([*chosen[0], *chosen[1]]):
        values = [of.get(name, NONE) for of in chosen]
        if values[0] != values[1]:
            settings.add_row(name, *values)
    console.print(settings if settings.rows else "The settings are the same.")

    rows = _table("examples", *(f">{column}" for column in columns))
    counts = [facts.data.rows if facts.data else {} for facts in (a, b)]
    for split in dict.fromkeys([*counts[0], *counts[1]]):
        rows.add_row(split, *(f"{of[split]:,}" if split in of else NONE for of in counts))
    rows.add_row("verdict", a.verdict.outcome, b.verdict.outcome)
    console.print(rows)

    metrics = _table("slice", *(f">RMSE {column}" for column in columns), ">change", ">examples")
    found = [{(s.feature, s.value): s for s in facts.slices} for facts in (a, b)]
    for key in dict.fromkeys([*found[0], *found[1]]):
        metrics.add_row(" ".join(key).strip() or "all", *_metrics(*(of.get(key) for of in found)))
    if metrics.rows:
        console.print(metrics)


def _metrics(a: Slice | None, b: Slice | None) -> tuple[str, ...]:
    errors = [NONE if s is None else f"{s.rmse.value:.4f}" for s in (a, b)]
    # Rounded, and zero added: summed in another order, the same errors are not "-0.0000" apart.
    change = (
        NONE if a is None or b is None else f"{round(b.rmse.value - a.rmse.value, 4) + 0.0:+.4f}"
    )
    return *errors, change, " / ".join(NONE if s is None else f"{s.examples:,}" for s in (a, b))


def _table(*columns: str) -> Table:
    """A plain table; columns that start with `>` are flush right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        justify = "right" if column.startswith(">") else "left"
        table.add_column(column.removeprefix(">"), justify=justify, no_wrap=True)
    return table
