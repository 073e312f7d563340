"""The command `watch`: whether what the pushed models are asked is still what they learned."""

from __future__ import annotations

import dataclasses
import datetime
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from rich.console import Console

from common.errors import UserError
from data.table import TABLE
from pipeline.beam import in_process
from pipeline.cli.config import SettingsError
from pipeline.cli.console import shortened, show_lines, show_places
from pipeline.cli.status import Exit
from pipeline.local.run import check_files
from pipeline.local.run import run as run_pipeline
from pipeline.settings import ROOT, LocalSettings
from report.runs.run_records import PastRun, RunRecords
from report.served_verdict import (
    describe_estimate,
    describe_record,
    describe_requests,
    describe_truth,
    judge_served,
)
from report.wording import declared_wording
from serving.watch.log_files import find_files
from serving.watch.watched import MIN_ROWS, Watched, gathered

if TYPE_CHECKING:
    from models.error_estimate import ErrorModel
    from report.facts import EstimatedWeek, Truth
    from schema.statistics import Statistics
    from serving.watch.labels import Labels
    from serving.watch.logged_rows import LoggedRows

_MOST_TOLD = 10
"""Findings in the terminal; the page has all."""


class Options(BaseModel):
    """Compare what is asked with what was learned; docs/watch.md says how to read it."""

    log: Path | None = Field(
        None, description="folder of a server's log of requests; by default 'requests' in run_root"
    )
    since: str | None = Field(
        None, description="first day to look at, as YYYY-MM-DD in UTC; by default all of the log"
    )
    labels: Path | None = Field(
        None,
        description="Parquet or CSV file of labels that have come, with request_id and the label: "
        "would the model be blessed today?",
    )
    min_rows: int = Field(
        MIN_ROWS, ge=2, description="rows of a day below which it is shown but not judged"
    )
    webhook: str | None = Field(
        None,
        description="where to post the verdict if it is not well: an address, or the version of a "
        "secret that has it",
    )
    retrain: bool = Field(
        False, description="if it is not well, run the pipeline with --warm-start"
    )
    open: bool = Field(False, description="open the page in a browser")


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Holds a log of requests to what was learned, writes the page, and says what came of it.

    Returns:
        `Exit.NOT_BLESSED` if the labels say that the model would not be blessed today; else
        `Exit.DRIFTED` if there are findings of the severity or worse; else `Exit.DONE`. Of a
        pipeline that was started, its own.

    Raises:
        SettingsError: If an option is not what it should be.
        UserError: If there is no log, or it or the labels can't be read; if nothing was pushed from
            this run root; or if the webhook does not take the verdict.
    """
    since = _day(options.since)
    if options.retrain:
        check_files(settings)
    folder = (options.log or settings.run_root / "requests").expanduser()
    labels = None
    if options.labels:
        from serving.watch.labels import read_labels  # Arrow and pandas take a moment.

        labels = read_labels(options.labels.expanduser())
    files = find_files(folder, since)
    records = RunRecords.open(settings.run_root)
    runs = records.pushed()
    if not runs:
        raise UserError(
            f"No model has been pushed from {settings.run_root}, so what was learned is not known.",
            "Name with --run-root the root whose model answered, or run local_runner.py first.",
        )
    with console.status("reading the log, and the run of its model"):
        watched, rows = watch_log(settings, options.min_rows, files, since, records, runs)
        errors = _errors(settings.serving_folder / str(watched.version))
        estimates = _estimates(rows, watched.version, errors)
        truth = None
        if labels is not None:
            truth = judge_labels(settings, rows, labels, watched.version, errors)
        page = write_page(records, runs[watched.version], watched, truth, estimates)
    tell(watched, truth, estimates, console)
    show_places(console, {"Report": shortened(str(page))})
    status = judge(watched, truth, settings.anomaly_severity)
    if status and options.webhook:
        from pipeline.webhook import post, webhook_address  # Takes a moment.

        wording = declared_wording()
        said = [f"{TABLE.pipeline}: {judge_served(watched, wording)}"]
        said += [describe_truth(truth, wording)] if truth else []
        said += [f"{describe_requests(watched)}.", f"Report: {page}"]
        post(webhook_address(options.webhook), "\n".join(said))
        console.print("  The webhook was told.")
    if options.open:
        webbrowser.open(page.as_uri())
    if status and options.retrain:
        console.print("\nTraining goes on from the last blessed model.")
        return run_pipeline(settings.model_copy(update={"warm_start": True}), None, console)
    return status


def _day(text: str | None) -> datetime.date | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"--since is {text!r}, which is no day.", "Write it as YYYY-MM-DD, such as 2026-01-31."
        ) from error


def watch_log(
    settings: LocalSettings,
    min_rows: int,
    files: list[Path],
    since: datetime.date | None,
    records: RunRecords,
    runs: Mapping[int, PastRun],
) -> tuple[Watched, LoggedRows]:
    """Reads a log of requests, and holds it to what its versions learned.

    Raises:
        UserError: If a file is none of a log, no row is new enough, or what was made of the
            examples that the versions learned from is gone.
    """
    # They take the seconds of TensorFlow and TFDV.
    import numpy as np
    import tensorflow_data_validation as tfdv

    from serving.watch.judgement import judge as hold_to_training
    from serving.watch.logged_rows import read_rows

    schema = tfdv.load_schema_text(str(settings.schema_file))
    rows = read_rows(files, schema, since)
    asked = set(np.unique(rows.versions).tolist()) & runs.keys() or {max(runs)}
    training = {
        version: statistics
        for version in asked
        if (statistics := _training(records, runs[version])) is not None
    }
    if not training:
        raise UserError(
            f"Statistics of what version {max(asked)} learned from are no longer there.",
            "Push a model again: local_runner.py --no-cache.",
        )
    return hold_to_training(rows, training, schema, str(files[0].parent), min_rows), rows


def _training(records: RunRecords, past: PastRun) -> Statistics | None:
    from report.collect.data_quality import read_split_statistics
    from report.runs.artifact_places import is_there
    from schema.validation import TRAIN

    artifacts = records.artifacts(past)
    made = artifacts.statistics
    if made is None or not is_there(made.type, made.uri):
        return None
    return read_split_statistics(artifacts).get(TRAIN)


def judge_labels(
    settings: LocalSettings,
    rows: LoggedRows,
    labels: Labels,
    version: int,
    errors: ErrorModel | None,
) -> Truth | None:
    """Judges what a version answered by the labels that have come, with the settings' bounds.

    Returns:
        None if no row that it answered has a label.

    Raises:
        UserError: If the labels are of no logged row at all.
    """
    from serving.watch.labels import join_labels

    labelled = join_labels(rows, labels)  # Told before Beam and TFMA load.
    from report.collect.served_truth import judge_truth

    beam = in_process(ROOT / "setup.py")
    return judge_truth(labelled, version, settings.bounds, errors, beam, declared_wording())


def _errors(version: Path) -> ErrorModel | None:
    """What estimates the error of a pushed version; None if it has gone, or has none."""
    from models.interpretation import read

    try:
        found = read(str(version))
    except ValueError as error:
        raise UserError(
            f"What goes with the model in {version} is damaged ({type(error).__name__}).",
            "Push a model again: local_runner.py --from Pusher --no-cache.",
        ) from error
    return found.errors if found else None


def _estimates(
    rows: LoggedRows, version: int, errors: ErrorModel | None
) -> tuple[EstimatedWeek, ...]:
    if errors is None:
        return ()
    from report.collect.served_estimate import estimate_weeks

    return estimate_weeks(rows, version, errors)


def write_page(
    records: RunRecords,
    past: PastRun,
    watched: Watched,
    truth: Truth | None,
    estimates: tuple[EstimatedWeek, ...],
) -> Path:
    """Writes the page of the run whose model was asked, with what it was asked.

    Raises:
        UserError: If what the run made is no longer there.
    """
    from report.collect.served_requests import describe_served

    facts = records.facts(past)
    return records.write_served(
        dataclasses.replace(facts, served=describe_served(watched, truth, estimates))
    )


def judge(watched: Watched, truth: Truth | None, severity: str) -> Exit:
    """What the command ends with; findings count from a severity on, as the gate takes it."""
    from schema.findings import blocking

    if truth and truth.blessed is False:
        return Exit.NOT_BLESSED
    return Exit.DRIFTED if blocking(watched.findings, severity) else Exit.DONE


def tell(
    watched: Watched,
    truth: Truth | None,
    estimates: tuple[EstimatedWeek, ...],
    console: Console,
) -> None:
    """Says in the terminal what came of it; the page has all."""
    wording = declared_wording()
    lines = [("Requests", describe_requests(watched))]
    unjudged = [
        f"{period.name}: {period.unjudged}" for period in watched.periods if period.unjudged
    ]
    lines += _named("Not judged", unjudged)
    found = [
        f"{finding} So in {count} periods." if count > 1 else str(finding)
        for finding, count in gathered(watched.findings)
    ]
    lines += _named("Found", found)
    measured = [distance for period in watched.periods for distance in period.distances]
    if measured and not watched.findings:
        most = max(measured, key=lambda distance: distance.value / distance.bound)
        share = most.value / most.bound
        lines.append(("Furthest", f"{wording.title(most.feature)}, {share:.0%} of what is allowed"))
    lines.append(("Verdict", judge_served(watched, wording)))
    if estimates:
        lines.append(("Estimate", describe_estimate(estimates[0].estimate, wording)))
    if truth:
        lines.append(("Labels", describe_truth(truth, wording)))
        lines += [("", record)] if (record := describe_record(truth, wording)) else []
    show_lines(console, lines)


def _named(name: str, told: list[str]) -> list[tuple[str, str]]:
    more = [f"and {len(told) - _MOST_TOLD:,} more, on the page"] if len(told) > _MOST_TOLD else []
    return [("" if i else name, line) for i, line in enumerate([*told[:_MOST_TOLD], *more])]
