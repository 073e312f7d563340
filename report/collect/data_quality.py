"""What the run was fed with: rows, distributions, distances and findings."""

# pandas carries types that do not fit what it does.
# pyright: reportCallIssue=false

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.dsl.io import fileio

from models.features import CALENDAR
from report.collect.run_artifacts import RunArtifacts
from report.facts import Data, Distribution
from schema.distances import DRIFT, SKEW, distances
from schema.findings import Finding
from schema.propose import diff, propose
from schema.statistics import Columns, Statistics
from schema.validation import (
    TRAIN,
    inspect,
    read_anomalies,
    read_findings,
    read_schema,
    read_statistics,
    schema_path,
)

SCHEMA_FILE = "schema/schema.pbtxt"
"""The schema, as one finds it in the project."""


def row_counts(statistics: Mapping[str, Statistics]) -> dict[str, int]:
    """Examples by split."""
    return {split: Columns(its).examples for split, its in statistics.items()}


def read_split_statistics(run: RunArtifacts) -> dict[str, Statistics]:
    """Statistics by split; nothing for a run that did not get to them."""
    if run.statistics is None:
        return {}
    return read_statistics(run.statistics.uri, run.statistics.splits)


def find(run: RunArtifacts, statistics: Mapping[str, Statistics]) -> tuple[Finding, ...] | None:
    """What of the data is not as agreed; None for a run that did not get to the gate.

    It is what the gate wrote; or, if it stopped the run and so wrote nothing, what it saw.
    """
    if run.findings is not None:
        return tuple(read_findings(run.findings.uri))
    if run.anomalies is None or run.schema is None:
        return None
    previous = run.previous
    return tuple(
        inspect(
            read_anomalies(run.anomalies.uri, run.anomalies.splits),
            statistics,
            read_statistics(previous.uri, previous.splits) if previous else {},
            read_schema(run.schema.uri),
            schema_path(run.inferred.uri) if run.inferred else "<root of the run>",
        )
    )


def describe_data(
    run: RunArtifacts,
    statistics: Mapping[str, Statistics],
    findings: tuple[Finding, ...],
    examples: Mapping[str, pd.DataFrame],
) -> Data:
    """Describes the data of a run by its statistics, and the first examples of each split."""
    rows = row_counts(statistics)
    schema = read_schema(run.schema.uri) if run.schema else schema_pb2.Schema()
    previous = read_statistics(run.previous.uri, run.previous.splits) if run.previous else {}
    train = statistics.get(TRAIN)
    return Data(
        rows=rows,
        months=tuple(_months(rows, examples)),
        months_estimated=any(len(its) < rows[split] for split, its in examples.items()),
        columns=distributions(statistics),
        skew={
            split: tuple(distances(train, other, schema, SKEW))
            for split, other in statistics.items()
            if train is not None and split != TRAIN
        },
        drift=tuple(distances(previous[TRAIN], train, schema, DRIFT))
        if train is not None and TRAIN in previous
        else None,
        findings=findings,
        schema_diff=_schema_diff(run),
    )


def _months(
    rows: Mapping[str, int], examples: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[int, int, str, float]]:
    if CALENDAR is None:
        return
    for split, its in examples.items():
        scale = rows[split] / len(its)
        counts = its.groupby([CALENDAR.year, CALENDAR.month]).size().reset_index(name="count")
        for year, month, count in counts.itertuples(index=False):
            yield int(year), int(month), split, count * scale


def distributions(statistics: Mapping[str, Statistics]) -> dict[str, tuple[Distribution, ...]]:
    """How the values of each column are distributed in each split."""
    found: dict[str, tuple[Distribution, ...]] = {}
    for split, its in statistics.items():
        columns = Columns(its)
        for name in columns.names:
            found[name] = (*found.get(name, ()), _distribution(columns, name, split))
    return dict(sorted(found.items()))


def _distribution(columns: Columns, name: str, split: str) -> Distribution:
    examples = columns.examples
    missing = 1 - columns.present(name) / examples if examples else 0.0
    if columns.type(name) not in ("INT", "FLOAT"):
        values = tuple(columns.counts(name).items())
        return Distribution(split, examples, missing, values=values)
    number = columns.number(name)
    return Distribution(
        split,
        examples,
        missing,
        histogram=tuple(_bins(number)),
        mean=number.mean,
        deviation=number.std_dev,
        minimum=number.min,
        maximum=number.max,
    )


def _bins(number: statistics_pb2.NumericStatistics) -> Iterator[tuple[float, float, float]]:
    for histogram in number.histograms:
        if histogram.type == histogram.STANDARD:
            for bucket in histogram.buckets:
                yield bucket.low_value, bucket.high_value, bucket.sample_count


def _schema_diff(run: RunArtifacts) -> str:
    """From the schema to one that would accept the data; empty if it does already."""
    if run.schema is None or run.inferred is None:
        return ""
    with fileio.open(schema_path(run.schema.uri), "r") as file:
        agreed = file.read()
    proposal = propose(agreed, read_schema(run.inferred.uri))
    return diff(agreed, proposal.text, SCHEMA_FILE, f"{SCHEMA_FILE} (proposed)")
