"""Makes checked columns, which a model takes, of the rows or columns of a request.

A whole column is compared with its declaration at once; value by value, and in words, only once
something is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from models.declaration import Category, Feature
from models.features import FEATURES
from models.request import RequestError, check_value, contradictions, unknown_field

Columns = Mapping[str, np.ndarray]
"""Values by name, each of shape [rows]."""

_Wrong = list[tuple[int, RequestError]]
"""What is wrong with a request, by row: collected, so that the answer names all of it."""

_NAMES = frozenset(feature.name for feature in FEATURES)
_MOST_NAMED = 20
"""Wrong values that one answer names; whoever sent more has one mistake, many times."""


def from_rows(rows: Sequence[Any]) -> Columns:
    """Columns of a request that came as rows.

    Args:
        rows: Each a mapping of names to values; what may be unknown may be left out or None.

    Returns:
        A column for every feature: bytes as objects, numbers as float32.

    Raises:
        RequestError: If a row is no mapping or a value is not as declared; it names every one.
    """
    wrong: _Wrong = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            cure = f"Give the fields by name: {', '.join(sorted(_NAMES))}."
            wrong.append((index, RequestError("It is no object.", cure)))
        elif not row.keys() <= _NAMES:
            for name in sorted(row.keys() - _NAMES):
                wrong.append((index, unknown_field(name)))
    _refuse(wrong, len(rows))
    return _checked({f.name: [row.get(f.name) for row in rows] for f in FEATURES}, len(rows))


def from_columns(columns: Mapping[str, Any]) -> Columns:
    """Columns of a request that came as columns.

    Args:
        columns: A list of values by name, all of one length; what may be unknown in every row may
            be left out.

    Returns:
        A column for every feature: bytes as objects, numbers as float32.

    Raises:
        RequestError: If columns differ in length or a value is not as declared; it names every one.
    """
    for name, values in columns.items():
        if name not in _NAMES:
            raise unknown_field(name)
        if not isinstance(values, list):
            raise RequestError(f"The field {name} is no list.", "Give a value for each row.")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        seen = ", ".join(f"{name} {length}" for name, length in lengths.items()) or "none at all"
        raise RequestError(
            f"The fields differ in the number of their values ({seen}).",
            "Give a value for each row.",
        )
    (count,) = set(lengths.values())
    return _checked({f.name: columns.get(f.name, [None] * count) for f in FEATURES}, count)


def row_count(columns: Columns) -> int:
    """The number of rows."""
    return len(next(iter(columns.values())))


def _checked(columns: Mapping[str, list[Any]], rows: int) -> Columns:
    checked = {}
    wrong: _Wrong = []
    for feature in FEATURES:
        values = columns[feature.name]
        if not _as_declared(feature, values):
            values = list(_spelled_out(feature, values, wrong))
        checked[feature.name] = values
    _refuse(wrong, rows)
    _refuse(list(contradictions(checked)), rows)
    return {feature.name: as_fed(feature, checked[feature.name]) for feature in FEATURES}


def _as_declared(feature: Feature, values: list[Any]) -> bool:
    """Whether every value is as declared and as the model takes it."""
    kinds = set(map(type, values))
    if isinstance(feature, Category):
        return kinds == {str} and set(values) <= set(feature.vocabulary)
    if not kinds <= {int, float}:
        return False
    # NaN is neither less nor more, so it must not be asked whether any value is outside.
    return all(feature.minimum <= value <= feature.maximum for value in values)


def _spelled_out(feature: Feature, values: list[Any], wrong: _Wrong) -> Iterator[str | float]:
    for index, value in enumerate(values):
        try:
            yield check_value(feature, value)
        except RequestError as error:
            wrong.append((index, error))


def as_fed(feature: Feature, values: list[Any]) -> np.ndarray:
    """Words or numbers as a model takes them: bytes as objects, numbers as float32."""
    if isinstance(feature, Category):
        return np.array([value.encode() for value in values], dtype=object)
    return np.array(values, dtype=np.float32)


def _refuse(wrong: _Wrong, rows: int) -> None:
    """Refuses a request of so many rows, if anything is wrong with it, and names all that is."""
    if not wrong:
        return
    wrong.sort(key=lambda pair: pair[0])
    named = wrong[:_MOST_NAMED]
    said = [f"Row {row}: {error}" if rows > 1 else str(error) for row, error in named]
    more = len(wrong) - len(named)
    also = f" {more} more values are wrong." if more else ""
    raise RequestError(" ".join(said) + also, "Nothing was predicted.")
