"""`check`: whether all that a run needs is there, before anything is paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import RequestException
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.status import Exit
from pipeline.vertex.check import here as checks_here
from pipeline.vertex.check import places as checks_places
from pipeline.vertex.check import project as checks_project
from pipeline.vertex.check.result import Finding, There, Verdict, right, unknown, wrong
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.failures import explain
from pipeline.vertex.options import Check
from pipeline.vertex.settings import VertexSettings

MARKS = {
    Verdict.RIGHT: ("✓", "green"),
    Verdict.NOTE: ("!", "yellow"),
    Verdict.WRONG: ("✗", "bold red"),
    Verdict.UNKNOWN: ("?", "dim"),
}


def run(settings: VertexSettings, options: Check, console: Console) -> int:
    """Checks everything, and shows what is right and what is wrong.

    Args:
        settings: What the user chose.
        options: None so far.
        console: Where to show it.

    Returns:
        Zero if nothing is wrong, one if something is.
    """
    counts: Counter[Verdict] = Counter()
    for name, finding in findings(settings):
        _show(console, name, finding)
        counts[finding.verdict] += 1
    console.print(
        "\n"
        + ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    )
    return Exit.FAILED if counts[Verdict.WRONG] else Exit.DONE


def findings(settings: VertexSettings) -> Iterator[tuple[str, Finding]]:
    """What each check finds, as soon as it does.

    Args:
        settings: What the user chose.

    Yields:
        Name and finding.
    """
    for name, check_here in checks_here.CHECKS.items():
        yield name, check_here(settings)
    there, finding = _credentials(settings)
    yield "credentials", finding
    for name, check_there in (checks_project.CHECKS | checks_places.CHECKS).items():
        if there is None:
            yield name, unknown("see credentials")
        else:
            yield name, _asked(lambda check=check_there: check(there), settings)


def _credentials(settings: VertexSettings) -> tuple[There | None, Finding]:
    try:
        cloud = Cloud(settings)
    except TransportError as error:
        return None, _because(unknown, error, settings)
    except GoogleAuthError as error:
        return None, _because(wrong, error, settings)
    whose = f", of {cloud.account}" if cloud.account else ""
    return There(settings, cloud), right(f"are good{whose}")


def _asked(check: Callable[[], Finding], settings: VertexSettings) -> Finding:
    """What a check finds; if Google Cloud refuses to tell, why."""
    try:
        return check()
    except (GoogleAPICallError, GoogleAuthError, RequestException) as error:
        return _because(unknown, error, settings)


def _because(
    finding: Callable[[str, str], Finding], error: Exception, settings: VertexSettings
) -> Finding:
    explained = explain(error, settings.project)
    if explained is None:
        raise error
    return finding(explained.cause, explained.cure)


def _show(console: Console, name: str, finding: Finding) -> None:
    mark, style = MARKS[finding.verdict]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(width=15)
    table.add_column(overflow="fold")
    table.add_row(Text(mark, style), name, Text(finding.text))
    if finding.cure:
        plain = finding.verdict is Verdict.WRONG
        table.add_row("", "", Text(finding.cure, "none" if plain else "dim"))
    console.print(table)
