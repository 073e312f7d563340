"""How the evaluation divides rows: into slices, and into groups for resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from tensorflow_model_analysis.api.types import VarLenTensorValue

from models import features as declared
from models.declaration import UNKNOWN

RESAMPLING_GROUPS = 100
"""Groups into which records are dealt. With as many, intervals are as steady as if TFMA dealt
records one by one."""


def shared_by_copies() -> tuple[str, ...]:
    """Columns in which the examples made of one record are alike, by which they are found.

    Records that are alike in all of them also fall in one group; where a hundredth of 250,000 are,
    that widens intervals by an eighth.
    """
    own = (f.name for f in declared.FEATURES if f.name not in declared.COPIES_DIFFER_IN)
    return (declared.LABEL.name, *own, *declared.CONTEXT)


def slices_of_rows(
    features: dict[str, Any], keys: tuple[str, ...], rows: int
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


def slice_values(features: dict[str, Any], key: str, rows: int) -> np.ndarray:
    """The value of a slicing feature for each example of a batch.

    Args:
        features: Raw columns by name, as TFMA extracts them.
        key: A column, or the name of a declared band or group.
        rows: Rows of the batch.

    Returns:
        Strings, `[batch]`; `UNKNOWN` where there is no value.
    """
    for band in declared.BANDS:
        if band.name == key:
            numbers = dense(features[band.source], rows).astype(np.float64)
            labels = np.asarray(band.labels)[np.digitize(numbers, band.edges)]
            return np.where(np.isnan(numbers), UNKNOWN, labels)
    for group in declared.GROUPS:
        if group.name == key:
            names = dict(group.names)
            return np.asarray(
                [names.get(v, group.otherwise) for v in _words(features[group.source], rows)]
            )
    return np.asarray(_words(features[key], rows))


def _words(column: Any, rows: int) -> list[str]:
    values = dense(column, rows)
    words = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
    # As the transform has it, an empty word is an unknown one.
    return [UNKNOWN if word in ("", "nan") else word for word in words]


def resampling_groups(features: dict[str, Any], rows: int) -> np.ndarray:
    """Deals the records of a batch into groups.

    Args:
        features: Raw columns by name, as TFMA extracts them.
        rows: Rows of the batch.

    Returns:
        The group of each row, `[batch]`; that of a record is the same in every batch and every run.
    """
    columns = pd.DataFrame({name: dense(features[name], rows) for name in shared_by_copies()})
    hashes = pd.util.hash_pandas_object(columns, index=False).to_numpy()
    return (hashes % RESAMPLING_GROUPS).astype(np.int64)


def dense(column: Any, rows: int) -> np.ndarray:
    """A column as TFMA extracts it, with one value a row.

    Args:
        column: Dense, `[batch]` or `[batch, 1]`; sparse; or None, where a batch has no value of it.
        rows: Rows of the batch.

    Returns:
        `[batch]`; empty words, and NaN, where there is no value.
    """
    if column is None:
        return np.full(rows, np.nan)
    if not isinstance(column, VarLenTensorValue):
        return np.asarray(column).reshape(-1)
    values = np.asarray(column.values)
    numeric = np.issubdtype(values.dtype, np.number)
    filled = np.full(rows, np.nan) if numeric else np.full(rows, b"", object)
    filled[column.indices[:, 0]] = values
    return filled
