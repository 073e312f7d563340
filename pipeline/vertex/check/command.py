"""`check`: whether all that a run needs is there, before anything is paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import RequestException
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.status import Exit
from pipeline.vertex.check import local_checks, place_checks, project_checks
from pipeline.vertex.check.check_result import (
    CheckResult,
    CheckStatus,
    CloudCheck,
    Target,
    failed,
    not_asked,
    passed,
)
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.failures import explain
from pipeline.vertex.options import Check
from pipeline.vertex.vertex_settings import VertexSettings

AT_ONCE = 8
"""Checks that wait for Google Cloud at the same time."""

MARKS = {
    CheckStatus.PASSED: ("✓", "green"),
    CheckStatus.WARNING: ("!", "yellow"),
    CheckStatus.FAILED: ("✗", "bold red"),
    CheckStatus.NOT_ASKED: ("?", "dim"),
}


def run(settings: VertexSettings, options: Check, console: Console) -> int:
    """Checks everything, and shows what is right and what is wrong.

    Returns:
        Zero if nothing is wrong, one if something is.
    """
    counts: Counter[CheckStatus] = Counter()
    for name, result in results(settings):
        _show(console, name, result)
        counts[result.status] += 1
    console.print(
        "\n"
        + ", ".join(f"{counts[status]} {status.value}" for status in CheckStatus if counts[status])
    )
    return Exit.FAILED if counts[CheckStatus.FAILED] else Exit.DONE


def results(settings: VertexSettings) -> Iterator[tuple[str, CheckResult]]:
    """The name of each check and what it finds, in the order in which they are listed."""
    target, credentials = _credentials(settings)
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check")
    try:
        # They wait for answers while this thread compiles, which takes as long.
        asked = {
            name: pool.submit(_asked, check, target, settings)
            for name, check in (project_checks.CHECKS | place_checks.CHECKS).items()
        }
        for name, local_check in local_checks.CHECKS.items():
            yield name, local_check(settings)
        yield "credentials", credentials
        for name, answer in asked.items():
            yield name, answer.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _credentials(settings: VertexSettings) -> tuple[Target | None, CheckResult]:
    try:
        cloud = Cloud(settings)
    except TransportError as error:
        return None, _because(not_asked, error, settings)
    except GoogleAuthError as error:
        return None, _because(failed, error, settings)
    whose = f", of {cloud.account}" if cloud.account else ""
    return Target(settings, cloud), passed(f"are good{whose}")


def _asked(check: CloudCheck, target: Target | None, settings: VertexSettings) -> CheckResult:
    """What a check finds; if Google Cloud refuses to tell, why."""
    if target is None:
        return not_asked("see credentials")
    try:
        return check(target)
    except (GoogleAPICallError, GoogleAuthError, RequestException) as error:
        return _because(not_asked, error, settings)


def _because(
    result: Callable[[str, str], CheckResult], error: Exception, settings: VertexSettings
) -> CheckResult:
    explained = explain(error, settings.project)
    if explained is None:
        raise error
    return result(explained.cause, explained.cure)


def _show(console: Console, name: str, result: CheckResult) -> None:
    mark, style = MARKS[result.status]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(width=16)
    table.add_column(overflow="fold")
    table.add_row(Text(mark, style), name, Text(result.text))
    if result.cure:
        plain = result.status is CheckStatus.FAILED
        table.add_row("", "", Text(result.cure, "none" if plain else "dim"))
    console.print(table)
