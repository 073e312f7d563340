"""Which slices rows are in, as the evaluation and the intervals divide them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from models import features as declared
from models.coded_words import CodedWords
from models.declaration import UNKNOWN


def slices_of_rows(
    features: Mapping[str, Any], keys: tuple[str, ...], rows: int
) -> tuple[list[tuple], np.ndarray]:
    """Finds the slices of a batch.

    Args:
        features: Raw columns by name, as TFMA extracts them.
        keys: Slicing features; none for the slice of all rows.
        rows: Rows of the batch.

    Returns:
        TFMA's keys of the slices that the batch has, and the place among them of each row's,
        `[batch]`.
    """
    if not keys:
        return [()], np.zeros(rows, np.int64)
    columns = np.stack([slice_values(features, key, rows) for key in keys], axis=1)
    values, places = np.unique(columns, axis=0, return_inverse=True)
    found = [tuple(zip(keys, map(str, value), strict=True)) for value in values]
    return found, places.reshape(-1)


def slice_values(features: Mapping[str, Any], key: str, rows: int) -> np.ndarray:
    """The value of a slicing feature for each example of a batch.

    Args:
        features: Raw columns by name, as `dense` takes them.
        key: A column, or the name of a declared band or group.
        rows: Rows of the batch.

    Returns:
        Strings, `[batch]`; `UNKNOWN` where there is no value.
    """
    names, places = slice_places(features, key, rows)
    return np.asarray(names)[places]


def slice_places(
    features: Mapping[str, Any], key: str, rows: int
) -> tuple[tuple[str, ...], np.ndarray]:
    """The values of a slicing feature that there may be, and the place among them of each row's.

    As `slice_values`, without a string for each row: there are few different ones.
    """
    for band in declared.BANDS:
        if band.name == key:
            numbers = dense(features[band.source], rows).astype(np.float64)
            places = np.digitize(numbers, band.edges)
            return (*band.labels, UNKNOWN), np.where(np.isnan(numbers), len(band.labels), places)
    for group in declared.GROUPS:
        if group.name == key:
            names = dict(group.names)
            words, places = _words(features[group.source], rows)
            return tuple(names.get(word, group.otherwise) for word in words), places
    return _words(features[key], rows)


def _words(column: Any, rows: int) -> tuple[tuple[str, ...], np.ndarray]:
    if isinstance(column, CodedWords):
        different, places = column.vocabulary, column.codes
    else:
        values = dense(column, rows).tolist()
        # A value that was not seen gets the next place: one look at each is enough.
        different = defaultdict[Any, int](itertools.count().__next__)
        places = np.fromiter(map(different.__getitem__, values), np.int64, len(values))
    words = (v.decode() if isinstance(v, bytes) else str(v) for v in different)
    # As the transform has it, an empty word is an unknown one.
    return tuple(UNKNOWN if word in ("", "nan") else word for word in words), places


def dense(column: Any, rows: int) -> np.ndarray:
    """A column with one value a row.

    Args:
        column: Dense, `[batch]` or `[batch, 1]`; sparse, as TFMA has it; or None, where a batch has
            no value of it.
        rows: Rows of the batch.

    Returns:
        `[batch]`; empty words, and NaN, where there is no value.
    """
    if column is None:
        return np.full(rows, np.nan)
    if not hasattr(column, "indices"):  # As only TFMA's sparse values have.
        return np.asarray(column).reshape(-1)
    values = np.asarray(column.values)
    numeric = np.issubdtype(values.dtype, np.number)
    filled = np.full(rows, np.nan) if numeric else np.full(rows, b"", object)
    filled[column.indices[:, 0]] = values
    return filled
