"""The command `report`: which runs there were, the page of one, or two side by side."""

from __future__ import annotations

import dataclasses
import difflib
import webbrowser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg
from rich.console import Console
from rich.table import Column, Table

from common.errors import UserError
from pipeline.cli.console import shortened
from pipeline.cli.run_root import in_use
from pipeline.settings import LocalSettings
from report.runs.run_records import UNFINISHED, PastRun, RunRecords
from report.wording import declared_wording

if TYPE_CHECKING:
    from report.facts import Facts, Slice

NONE = "-"
"""What a table shows where there is nothing."""

RUNNING = "running"
"""What is told of a run that has not ended, while its run root is in use."""


class Options(BaseModel):
    """List the runs; or show the page of one, or two of them side by side."""

    runs: CliPositionalArg[list[str]] = Field([], description="two runs, for --compare")
    run: str | None = Field(None, description="the run whose page to show")
    compare: bool = Field(False, description="show two runs side by side")
    open: bool = Field(False, description="open the page in a browser; by default the newest run's")


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Does what was asked of the reports on past runs.

    Raises:
        UserError: If there is no such run, or the options don't fit together.
    """
    _check(options)
    records = RunRecords.open(settings.run_root)
    runs = _with_running(records.read(), settings.run_root)
    if not console.is_terminal:
        console.width = 200  # Nothing is to be cut off in a pipe.
    if options.compare:
        a, b = (_named(runs, name) for name in options.runs)
        page = _compare(records, a, b, console)
    elif options.run or options.open:
        past = _named(runs, options.run or next(iter(runs)))
        page = _page(records, past, console)
    else:
        _print_list(console, runs)
        return 0
    console.print(shortened(str(page)), markup=False, soft_wrap=True)
    if options.open:
        webbrowser.open(page.as_uri())
    return 0


def _with_running(runs: Mapping[str, PastRun], run_root: Path) -> dict[str, PastRun]:
    """The runs; the newest is called running, rather than unfinished, if it is."""
    found = dict(runs)
    newest = next(iter(found.values()), None)
    if newest and newest.outcome == UNFINISHED and in_use(run_root):
        found[newest.run_id] = dataclasses.replace(newest, outcome=RUNNING)
    return found


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
        if runs[name].outcome == RUNNING:
            raise UserError(f"Run {name} is still running.", "Its page is written as it ends.")
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
    rows = [
        (
            past.run_id,
            NONE if past.rmse is None else f"{past.rmse:.4f}",
            past.outcome,
            NONE if past.examples is None else f"{past.examples:,}",
            past.began.astimezone().strftime("%Y-%m-%d %H:%M"),
            NONE if past.info is None else past.info.source,
        )
        for past in runs.values()
    ]
    rmse = ">" + declared_wording().in_unit("RMSE")
    _print(console, ("run", rmse, "verdict", ">examples", "began", "source"), rows, needed=3)


def _print_comparison(console: Console, a: Facts, b: Facts) -> None:
    columns = a.run_id, b.run_id
    chosen = a.info.settings, b.info.settings
    settings = [
        (name, *(of.get(name, NONE) for of in chosen))
        for name in dict.fromkeys([*chosen[0], *chosen[1]])
        if chosen[0].get(name, NONE) != chosen[1].get(name, NONE)
    ]
    if settings:
        _print(console, ("setting", *columns), settings, needed=3)
    else:
        console.print("The settings are the same.")

    counts = [facts.data.rows if facts.data else {} for facts in (a, b)]
    rows = [
        (split, *(f"{of[split]:,}" if split in of else NONE for of in counts))
        for split in dict.fromkeys([*counts[0], *counts[1]])
    ]
    rows.append(("verdict", a.verdict.outcome, b.verdict.outcome))
    _print(console, ("examples", *(f">{column}" for column in columns)), rows, needed=3)

    found = [{(s.feature, s.value): s for s in facts.slices} for facts in (a, b)]
    metrics = [
        (" ".join(key).strip() or "all", *_metrics(*(of.get(key) for of in found)))
        for key in dict.fromkeys([*found[0], *found[1]])
    ]
    if metrics:
        names = (f">RMSE\n{column}" for column in columns)
        _print(console, ("slice", *names, ">change", ">examples"), metrics, needed=3)


def _metrics(a: Slice | None, b: Slice | None) -> tuple[str, ...]:
    errors = [NONE if s is None else f"{s.rmse.value:.4f}" for s in (a, b)]
    # Rounded, and zero added: summed in another order, the same errors are not "-0.0000" apart.
    change = (
        NONE if a is None or b is None else f"{round(b.rmse.value - a.rmse.value, 4) + 0.0:+.4f}"
    )
    return *errors, change, " / ".join(NONE if s is None else f"{s.examples:,}" for s in (a, b))


def _print(
    console: Console, columns: Iterable[str], rows: Iterable[tuple[str, ...]], *, needed: int
) -> None:
    """Prints a plain table, of which nothing is cut off.

    Args:
        console: Where to.
        columns: Their names; those that start with `>` are flush right.
        rows: A cell for each column.
        needed: That many columns are always shown, and broken where the console is too narrow. Of
            the others, the last ones are left out there.
    """
    cells = list(zip(columns, *rows, strict=True))
    while len(cells) > needed and _width(cells) > console.width:
        cells.pop()
    table = Table(
        *(
            Column(
                name.removeprefix(">"),
                justify="right" if name[0] == ">" else "left",
                overflow="fold",
            )
            for name, *_ in cells
        ),
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for row in zip(*(values for _, *values in cells), strict=True):
        table.add_row(*row)
    console.print(table)


def _width(cells: list[tuple[str, ...]]) -> int:
    lines = [[line for cell in column for line in cell.splitlines()] for column in cells]
    return sum(max(map(len, column)) for column in lines) + 2 * (len(cells) - 1)
