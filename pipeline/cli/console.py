"""What people see: calm progress and one closing summary. All else goes to the run's log file."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from common.errors import UserError
from pipeline.cli.status import State
from pipeline.cli.streams import Stream, lead_nowhere
from report.wording import declared_wording

if TYPE_CHECKING:
    from report.facts import Slice
    from report.runs.summary import RunSummary

MARKS = {
    State.WAITING: ("·", "dim"),
    State.CACHED: ("=", "cyan"),
    State.DONE: ("✓", "green"),
    State.REUSED: ("=", "cyan"),
    State.SKIPPED: ("-", "dim"),
    State.FAILED: ("✗", "bold red"),
    State.STOPPED: ("✗", "yellow"),
}

TIMED = (State.DONE, State.FAILED, State.STOPPED)
NOT_ENDED = (State.RUNNING, State.FAILED, State.STOPPED)


@contextlib.contextmanager
def log_to(file: Path) -> Iterator[Console]:
    """Sends all that this process and its children print to a log file, C++ libraries included.

    Args:
        file: The log; appended to.

    Yields:
        A console that still writes to where standard output led.

    Raises:
        OSError: If the log can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as log, Stream(os.dup(1)) as terminal:
        _flush()
        kept = os.dup(1), os.dup(2)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield Console(file=terminal, highlight=False, soft_wrap=not terminal.isatty())
        finally:
            _flush()
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(original, number)
                os.close(original)


def _flush() -> None:
    """Empties the buffers of standard output and error; into nothing, if there is no way."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            lead_nowhere(number)
            stream.flush()


class Progress:
    """A live list of the pipeline's components; lines as they change where there is no terminal.

    Args:
        console: Where to draw.
        stopping: Whether the user has asked to stop, so that a failure is none.
    """

    def __init__(self, console: Console, stopping: Callable[[], bool] = lambda: False) -> None:
        self._console = console
        self._stopping = stopping
        self._states: dict[str, State] = {}
        self._seconds: dict[str, float] = {}
        self._loading: float | None = None
        self._began: dict[str, float] = {}
        self._spinner = Spinner("dots", style="bold")
        self._ended = False
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=4,
            # They lead to the log; rich would lead them back to the terminal.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Progress:
        """Starts drawing, on a terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends drawing."""
        self.end()

    def end(self) -> None:
        """Draws the list a last time, and gives the terminal its cursor back."""
        self._ended = True
        if self._console.is_terminal:
            self._live.stop()

    def loading(self) -> None:
        """Counts the seconds until the components are known."""
        self._loading = time.monotonic()

    def planned(self, components: Sequence[str]) -> None:
        """Takes the components to come, in order."""
        self._states = dict.fromkeys(components, State.WAITING)

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None:
        """Takes a change of a component, and how many seconds it has run."""
        if state is State.FAILED and self._stopping():
            state = State.STOPPED
        self._states[component] = state
        self._seconds[component] = seconds
        if state is State.RUNNING:
            self._began[component] = time.monotonic() - seconds
        elif not self._console.is_terminal:
            self._console.print(f"{component}: {state.value} {seconds:.1f} s", markup=False)

    def noticed(self, sentence: str) -> None:
        """Prints it, above the list."""
        self._console.print(sentence, markup=False, soft_wrap=True)

    @property
    def running(self) -> str | None:
        """The component that has not ended."""
        return next((c for c, s in self._states.items() if s in NOT_ENDED), None)

    def _render(self) -> RenderableType:
        if not self._states:
            told = "looking for what has changed"
            if self._loading is not None:
                seconds = time.monotonic() - self._loading
                told = f"loading TensorFlow, Beam and TFX, {seconds:.0f} s"
            self._spinner.text = Text(told, "dim")
            return self._spinner
        self._spinner.text = ""
        table = Table.grid(padding=(0, 1))
        for column in ("left", "left", "right", "left"):
            table.add_column(justify=column)  # type: ignore[arg-type]
        for name in self._shown():
            state = self._states[name]
            if state is State.RUNNING:
                seconds = time.monotonic() - self._began[name]
                table.add_row(self._spinner, Text(name, "bold"), f"{seconds:.0f} s", "running")
                continue
            mark, style = MARKS[state]
            ended = self._seconds.get(name)
            took = f"{ended:.1f} s" if ended and state in TIMED else ""
            table.add_row(
                Text(mark, style),
                Text(name, "dim" if state is State.WAITING else ""),
                took,
                Text(state.value, style),
            )
        return table

    def _shown(self) -> list[str]:
        """The components that the terminal has lines for, the running one among them."""
        names = list(self._states)
        lines = self._console.height - 1
        if self._ended or len(names) <= lines:
            return names
        first = names.index(self.running) - lines // 2 if self.running else 0
        first = max(0, min(first, len(names) - lines))
        return names[first : first + lines]


def show_summary(console: Console, summary: RunSummary) -> None:
    """Prints what came of a run."""
    console.print()
    if summary.rows:
        rows = ", ".join(f"{count:,} {split}" for split, count in summary.rows.items())
        _line(console, "Examples", rows)
    if summary.anomalies is not None:
        _line(console, "Anomalies", "; ".join(summary.anomalies) or "none")
    if summary.start:
        _line(console, "Start", summary.start)
    if summary.overall is not None:
        _line(console, "Eval", _metrics(summary.overall, "value"))
        known = summary.overall.rmse.baseline is not None
        _line(console, "Baseline", _metrics(summary.overall, "baseline") if known else "none yet")
    if summary.replay is not None:
        _line(console, "Replay", summary.replay)
    if summary.blessed is not None:
        verdict = Text("blessed", "green") if summary.blessed else Text("not blessed", "bold red")
        _line(console, "Verdict", verdict)
        for reason in summary.reasons:
            _line(console, "", reason)
    if summary.pushed_to:
        _line(console, "Pushed to", shortened(summary.pushed_to))
        _warn_if_not_served(console, Path(summary.pushed_to))
    if summary.scored:
        _line(console, "Scored", summary.scored)


def shortened(place: str) -> str:
    """A path as one would type it here: relative if it is below the working directory."""
    here = Path.cwd()
    return str(Path(place).relative_to(here)) if here in Path(place).parents else place


def _warn_if_not_served(console: Console, pushed: Path) -> None:
    """A push from the cache may have been followed by others, or removed."""
    newer = [v.name for v in pushed.parent.glob("[0-9]*") if int(v.name) > int(pushed.name)]
    again = "to push this model again: --from Pusher --no-cache"
    if not pushed.exists():
        _line(console, "", f"that folder has been removed since; {again}")
    elif newer:
        _line(console, "", f"the newest version there is {max(newer, key=int)}; {again}")


def show_places(console: Console, places: dict[str, str]) -> None:
    """Prints where to look further, by what is there."""
    show_lines(console, places.items())


def show_lines(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    """Prints names with what is told of each; a name that is empty goes on with the last one."""
    for name, told in lines:
        _line(console, name, told)


def _line(console: Console, name: str, text: str | Text) -> None:
    line = Text(f"  {name:<12}", "dim").append(
        text if isinstance(text, Text) else Text(text, "default")
    )
    console.print(line, soft_wrap=True)


def _metrics(overall: Slice, whose: Literal["value", "baseline"]) -> str:
    amount = declared_wording().amount
    return (
        f"RMSE {amount(getattr(overall.rmse, whose), more_digits=1)}, "
        f"MAE {amount(getattr(overall.mae, whose), more_digits=1)}, "
        f"calibration {getattr(overall.calibration, whose):.3f} on {overall.examples:,} examples"
    )


def show_error(console: Console, error: UserError) -> None:
    """Prints what is wrong, and what to do about it."""
    whole = not console.is_terminal  # Lines of a pipe or file are not to be broken.
    console.print(
        Text("\nerror: ", "bold red").append(error.cause, "not bold default"), soft_wrap=whole
    )
    console.print(Text(error.cure), soft_wrap=whole)
