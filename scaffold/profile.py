"""What each column of a table is, from its values and its name."""

# The types that pandas and scikit-learn are given by guessing do not fit.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from data.columns import Column
from scaffold.rows import Rows

Kind = Literal["number", "category", "moment", "date", "identifier", "text", "constant"]

MOST_WORDS = 50
"""Words of a category that get an index of their own; rarer ones share one."""

RARE = 20
"""A word found in fewer rows is rare: nothing is learned from it."""

_WORDS_OF_TEXT = 4
_FEW_CODES = 30
_UNIQUE = 0.9
_IDENTIFIER_NAMES = {"id", "key", "uuid", "guid", "hash"}
_CODE_NAMES = {"code", "type", "class", "category", "zone", "area", "kind", "group", "status"}


@dataclass(frozen=True)
class Profile:
    """One column.

    Attributes:
        column: Name and type in BigQuery.
        kind: What the values are.
        nulls: Share of NULLs.
        distinct: Number of different values.
        words: Of a category: values from the most to the least frequent, with their rows.
        low: Of numbers, dates and moments: the smallest value; numbers are NaN without any.
        high: The largest.
    """

    column: Column
    kind: Kind
    nulls: float
    distinct: int
    words: tuple[tuple[str, int], ...] = ()
    low: float | pd.Timestamp = np.nan
    high: float | pd.Timestamp = np.nan

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    def vocabulary(self) -> tuple[tuple[str, ...], bool]:
        """The words that are frequent enough, and whether there are others."""
        kept = tuple(word for word, rows in self.words[:MOST_WORDS] if rows >= RARE)
        return kept, len(kept) < len(self.words)


def profile(rows: Rows) -> dict[str, Profile]:
    """Profiles of all columns, by name."""
    return {
        column.name: _profile(column, values(rows, column.name), rows.data.num_rows)
        for column in rows.columns
    }


def values(rows: Rows, name: str) -> pd.Series:
    """A column as pandas has it: numbers as floats, moments without a zone, NULL as missing."""
    column = next(c for c in rows.columns if c.name == name)
    series = rows.data[name].to_pandas()
    if column.type in ("INT64", "FLOAT64", "NUMERIC"):
        # Infinite values say as little as missing ones.
        return series.astype(float).replace([np.inf, -np.inf], np.nan)
    if column.type in ("TIMESTAMP", "DATETIME", "DATE"):
        return pd.to_datetime(series, utc=True).dt.tz_localize(None)
    if column.type == "BOOL":
        return series.map({True: "True", False: "False"})
    return series


def name_parts(name: str) -> list[str]:
    """The words that a column's name is made of: `tripTotal` and `trip_total` are alike."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")


def _profile(column: Column, series: pd.Series, rows: int) -> Profile:
    known = series.dropna()
    distinct = int(known.nunique())
    nulls = 1 - len(known) / rows
    kind = _kind(column, known, distinct)
    if kind == "category":
        words = known.astype("int64").astype(str) if column.type == "INT64" else known
        counts = words.value_counts()
        # Of equally frequent words the order is the alphabet's, whatever the order of the rows.
        found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return Profile(column, kind, nulls, distinct, tuple((str(w), int(n)) for w, n in found))
    if kind in ("number", "moment", "date"):
        return Profile(column, kind, nulls, distinct, low=known.min(), high=known.max())
    return Profile(column, kind, nulls, distinct)


def _kind(column: Column, known: pd.Series, distinct: int) -> Kind:
    parts = set(name_parts(column.name))
    if distinct < 2:
        return "constant"
    if column.type in ("TIMESTAMP", "DATETIME"):
        return "moment"
    if column.type == "DATE":
        return "date"
    if column.type == "BOOL":
        return "category"
    if column.type == "INT64" and parts & _CODE_NAMES and distinct <= _FEW_CODES:
        return "category"
    named = bool(parts & _IDENTIFIER_NAMES)
    if column.type == "INT64":
        return "identifier" if named else "number"
    if column.type in ("FLOAT64", "NUMERIC"):
        return "number"
    if distinct > _UNIQUE * len(known) or (named and distinct > MOST_WORDS):
        return "identifier"
    if known.str.split().str.len().mean() > _WORDS_OF_TEXT:
        return "text"
    # A category of which no word is frequent teaches nothing.
    return "category" if known.value_counts().iloc[0] >= RARE else "identifier"


def find_key(profiles: Iterable[Profile], rows: int) -> str | None:
    """The first column that could say which rows belong together: one that repeats, no gaps."""
    for each in profiles:
        repeats = 100 <= each.distinct <= _UNIQUE * rows
        if each.kind == "identifier" and each.nulls == 0 and repeats:
            return each.name
    return None
