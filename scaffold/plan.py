"""Which columns of a table become which features, and why."""

# The types that pandas and scikit-learn are given by guessing do not fit.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import UserError
from models.declaration import UNKNOWN, Category, Feature, Label, Number
from scaffold import leaks, sql
from scaffold.profile import Profile, find_key, profile, values
from scaffold.rows import Rows

OTHER = "Other"
"""The word that rare ones share."""

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""In the order of BigQuery's DAYOFWEEK, which is 1 on a Sunday."""

_MOSTLY_NULL = 0.95
_BUCKETS = 10
_DAYS_FOR_MONTHS = 300


@dataclass(frozen=True)
class Planned:
    """A feature, and where it comes from.

    Attributes:
        feature: Its declaration.
        sql: The expression of the query that gives it.
    """

    feature: Feature
    sql: str


@dataclass(frozen=True)
class Decision:
    """What became of a column, for the page.

    Attributes:
        column: Its name.
        role: What it is used as.
        why: The reason, as a sentence.
    """

    column: str
    role: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What a project predicts, from what.

    Attributes:
        label: What is predicted.
        label_sql: The expression of the query that gives it.
        features: What it is predicted from.
        key: The columns whose rows stay together in one split; none where each row is on its own.
        decisions: One for each column.
        suspects: Columns that may know the label.
    """

    label: Label
    label_sql: str
    features: tuple[Planned, ...]
    key: str | None
    decisions: tuple[Decision, ...]
    suspects: tuple[leaks.Suspect, ...]


def make(rows: Rows, label: str, unit: str, split_by: str | None) -> Plan:
    """Decides on each column of a table.

    Args:
        rows: The table.
        label: Name of the column to predict.
        unit: Its unit; may be empty.
        split_by: The column whose rows stay together in one split; None to look for one.

    Raises:
        UserError: If a column is not there, the label is no number, or nothing is left to predict
            it from.
    """
    profiles = profile(rows)
    for name in filter(None, (label, split_by)):
        if name not in profiles:
            close = difflib.get_close_matches(name, profiles, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(profiles)}."
            raise UserError(f"The table has no column {name}.", hint)
    if profiles[label].kind != "number":
        raise UserError(
            f"The label {label} is a {profiles[label].kind} of type {profiles[label].column.type}.",
            "Name a column of numbers that differ: this pipeline predicts numbers.",
        )
    columns = {name: values(rows, name) for name in profiles}
    suspects = leaks.find(label, columns, profiles)
    key = split_by or find_key(profiles.values(), rows.data.num_rows)
    if key is not None:
        sql.check_key(profiles[key].column)

    features: list[Planned] = []
    in_unit = f", in {unit}" if unit else ""
    decisions = [Decision(label, "label", f"What is predicted{in_unit}.")]
    whole = rows.total == rows.data.num_rows
    for name, each in profiles.items():
        if name == label:
            continue
        planned, decision = _decide(each, columns[name], suspects.get(name), name == key, whole)
        features += planned
        decisions.append(decision)
    if not features:
        raise UserError(
            f"No column of {rows.name} is fit to predict {label}: "
            + "; ".join(f"{d.column}: {d.why}" for d in decisions[1:]),
            "Give columns that are known before the label is, with more than one value.",
        )
    low, high = limits(columns[label].dropna(), whole)
    title = label.replace("_", " ")
    return Plan(
        Label(label, unit, low, high, f"{title} of a row", noun=title),
        sql.number(profiles[label].column),
        tuple(features),
        key,
        tuple(decisions),
        tuple(suspects.values()),
    )


def _decide(
    profiled: Profile,
    series: pd.Series,
    suspect: leaks.Suspect | None,
    is_key: bool,
    whole: bool,
) -> tuple[list[Planned], Decision]:
    name, kind = profiled.name, profiled.kind
    if suspect is not None and suspect.left_out:
        return [], Decision(name, "left out: leak suspect", suspect.why)
    if is_key:
        return [], Decision(name, "key of the splits", "All rows with one value are in one split.")
    if profiled.nulls > _MOSTLY_NULL:
        return [], Decision(name, "left out", f"{profiled.nulls:.1%} of the rows have none.")
    reasons = {
        "constant": "It has one value only.",
        "identifier": f"{profiled.distinct:,} values, too few rows of each to learn from.",
        "text": "It is free text, which this network does not read.",
    }
    if kind in reasons:
        return [], Decision(name, "left out", reasons[kind])
    if kind == "number":
        planned = [_number(profiled, series, whole)]
        why = f"Numbers from {profiled.low:g} to {profiled.high:g}."
    elif kind == "category":
        planned = [_category(profiled)]
        words, others = profiled.vocabulary()
        rest = f"; {profiled.distinct - len(words)} rarer ones are {OTHER}" if others else ""
        why = f"{len(words)} words{rest}."
    else:
        planned = list(_times(profiled))
        why = "Of a time, what comes back: " + ", ".join(p.feature.title for p in planned) + "."
    if profiled.nulls:
        why += f" {profiled.nulls:.1%} are NULL."
    if suspect is not None:
        why += f" Check that it is known in time: {suspect.why}"
    return planned, Decision(name, "feature" if len(planned) == 1 else "features", why)


def _number(profiled: Profile, series: pd.Series, whole: bool) -> Planned:
    known = series.dropna()
    low, high = limits(known, whole)
    title = profiled.name.replace("_", " ")
    feature = Number(
        profiled.name,
        "",
        low,
        high,
        f"{title}, as the table has it",
        boundaries=boundaries(known, low, high),
        optional=profiled.nulls > 0,
    )
    return Planned(feature, sql.number(profiled.column))


def _category(profiled: Profile) -> Planned:
    words, others = profiled.vocabulary()
    missing = profiled.nulls > 0 or UNKNOWN in words or "" in words
    words = tuple(word for word in words if word not in ("", UNKNOWN, OTHER))
    others = others or OTHER in dict(profiled.words)
    vocabulary = (*words, *([OTHER] if others else []), *([UNKNOWN] if missing else []))
    title = profiled.name.replace("_", " ")
    help_ = f"{title}, as the table has it" + (f"; {OTHER} for any other" if others else "")
    expression = sql.category(profiled.column, words, OTHER if others else None)
    return Planned(Category(profiled.name, vocabulary, help_), expression)


def _times(profiled: Profile) -> Iterator[Planned]:
    """What comes back each day, week and year; how late it is does not, and no model knows it."""
    name, optional = profiled.name, profiled.nulls > 0
    title = name.replace("_", " ")

    def part(unit: str, low: int, high: int, help_: str) -> Planned:
        edges = tuple(range(low + 1, high + 1))
        called = f"{name}_{unit.lower()}"
        feature = Number(called, "", low, high, help_, boundaries=edges, optional=optional)
        return Planned(feature, sql.part_of_time(unit, name))

    if profiled.kind == "moment":
        yield part("HOUR", 0, 23, f"hour of {title}, in UTC if the table's times are")
    missing = (UNKNOWN,) if optional else ()
    day = Category(f"{name}_weekday", (*DAYS, *missing), f"day of the week of {title}")
    yield Planned(day, sql.weekday(name, DAYS))
    if (profiled.high - profiled.low).days >= _DAYS_FOR_MONTHS:  # type: ignore[union-attr]
        yield part("MONTH", 1, 12, f"month of {title}, from 1 to 12")


def limits(known: pd.Series, whole: bool) -> tuple[float, float]:
    """A range for numbers: theirs, rounded outwards; zero stays the least of what is never below.

    Args:
        known: The numbers.
        whole: Whether these are all there are; of a part, a margin is added.
    """
    low, high = float(known.min()), float(known.max())
    step = 10.0 ** math.floor(math.log10(high - low)) if high > low else 1.0
    margin = 0 if whole else 1
    bottom = (math.floor(low / step) - margin) * step
    top = (math.ceil(high / step) + margin) * step
    return tidy(max(bottom, 0.0) if low >= 0 else bottom), tidy(top)


def boundaries(known: pd.Series, low: float, high: float) -> tuple[float, ...]:
    """Bucket boundaries: each value, if they are few; else where tenths of the rows are below."""
    distinct = np.unique(known)
    if len(distinct) <= _BUCKETS + 2:
        edges = distinct[1:]
    else:
        edges = np.quantile(known, np.arange(1, _BUCKETS) / _BUCKETS)
    tidied = sorted({rounded(edge) for edge in edges})
    return tuple(edge for edge in tidied if low < edge <= high)


def rounded(value: float, digits: int = 3) -> float:
    """A number with so many significant digits; whole ones of more digits stay whole."""
    if value == 0 or not math.isfinite(value):
        return 0
    return tidy(round(value, max(0, digits - 1 - math.floor(math.log10(abs(value))))))


def tidy(value: float) -> float:
    """A number as people write it: without the dust of binary fractions, whole ones as integers."""
    value = float(f"{value:.12g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
