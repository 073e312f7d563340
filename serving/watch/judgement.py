"""Holds logged requests to what a model learned, by day and by version."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping

import numpy as np
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tensorflow_metadata.proto.v0 import schema_pb2

from schema.comparators import DRIFT, SKEW
from schema.served_findings import TRAINING, measure, not_allowed, too_far
from schema.statistics import Statistics
from serving.watch.logged_rows import LoggedRows
from serving.watch.watched import MIN_ROWS, Period, Predictions, Watched, period_name


def judge(
    rows: LoggedRows,
    training: Mapping[int, Statistics],
    schema: schema_pb2.Schema,
    log: str,
    min_rows: int = MIN_ROWS,
) -> Watched:
    """Holds requests to what was learned.

    Each day of a version is held to the examples that it learned from, and to the last day before
    that has rows enough: of the same version, or else of any. All days of a version together are
    held to its examples.

    Args:
        rows: One or more.
        training: Statistics of the train split by version, where they are known; one or more.
        schema: The one that training's examples keep to.
        log: Folder of the log.
        min_rows: Fewest rows of a period that are judged.
    """
    period = functools.partial(_period, schema, min_rows)
    versions, days, served = [], [], {}
    for version in np.unique(rows.versions).tolist():
        own = rows.where(rows.versions == version)
        served[version] = _statistics(own)
        versions.append(period(None, version, own, served[version], training.get(version)))
    earlier: dict[int, tuple[datetime.date, Statistics]] = {}
    for day in np.unique(rows.days):
        today = rows.days == day
        found = {}
        for version in np.unique(rows.versions[today]).tolist():
            own = rows.where(today & (rows.versions == version))
            statistics = _statistics(own)
            before = earlier.get(version) or max(
                earlier.values(), key=lambda each: each[0], default=None
            )
            learned = training.get(version)
            days.append(period(day.item(), version, own, statistics, learned, before))
            if len(own) >= min_rows:
                found[version] = (day.item(), statistics)
        earlier |= found
    # The newest that was asked, if what it learned from is known.
    known = max(served.keys() & training.keys() or training.keys())
    return Watched(
        log=log,
        first=rows.days.min().item(),
        last=rows.days.max().item(),
        min_rows=min_rows,
        version=known,
        versions=tuple(versions),
        days=tuple(days),
        training=training[known],
        served=served[known] if known in served else _statistics(rows),
    )


def _statistics(rows: LoggedRows) -> Statistics:
    (batch,) = rows.features.combine_chunks().to_batches()
    return generate_statistics_in_memory(batch, tfdv.StatsOptions())


def _period(
    schema: schema_pb2.Schema,
    min_rows: int,
    day: datetime.date | None,
    version: int,
    rows: LoggedRows,
    statistics: Statistics,
    training: Statistics | None,
    before: tuple[datetime.date, Statistics] | None = None,
) -> Period:
    name = period_name(day, version)
    findings, measured, unjudged = not_allowed(statistics, schema, name), [], ""
    if len(rows) < min_rows:
        unjudged = f"{len(rows):,} rows are too few, {min_rows:,} are needed"
    else:
        if training is None:
            unjudged = f"what version {version} learned from is not known here"
        else:
            skew = measure(training, statistics, schema, SKEW)
            findings += too_far(skew, training, statistics, (TRAINING, "requests"), name)
            measured += skew
        if before:
            drift = measure(before[1], statistics, schema, DRIFT)
            findings += too_far(drift, before[1], statistics, (str(before[0]), "this day"), name)
            measured += drift
    tenth, median, ninetieth = np.quantile(rows.predictions, (0.1, 0.5, 0.9)).tolist()
    return Period(
        day=day,
        version=version,
        rows=len(rows),
        predictions=Predictions(tenth, median, ninetieth),
        findings=tuple(findings),
        distances=tuple(measured),
        before=before[0] if before and measured else None,
        unjudged=unjudged,
    )
