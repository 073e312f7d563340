"""How the evaluation divides rows: into slices, and into groups of births for resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from tensorflow_model_analysis.api.types import VarLenTensorValue

from models.features import BANDS, CONTEXT, COPIES_DIFFER_IN, FEATURES, GROUPS, LABEL

BIRTH = (LABEL.name, *(f.name for f in FEATURES if f.name not in COPIES_DIFFER_IN), *CONTEXT)
"""Columns by which the two examples of a birth are found. Births that are alike in all of them also
fall in one group; among 250,000 births that widens intervals by an eighth."""

BIRTH_GROUPS = 100
"""Groups into which births are dealt. With as many, intervals are as steady as if TFMA dealt births
one by one."""


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
    columns = np.stack([slice_values(features, key) for key in keys], axis=1)
    values, places = np.unique(columns, axis=0, return_inverse=True)
    found = [tuple(zip(keys, map(str, value), strict=True)) for value in values]
    return found, places.reshape(-1)


def slice_values(features: dict[str, Any], key: str) -> np.ndarray:
    """The value of a slicing feature for each example of a batch.

    Args:
        features: Raw columns by name, dense, `[batch]` or `[batch, 1]`.
        key: A column, or the name of one of `models.features.BANDS` or `GROUPS`.

    Returns:
        Strings, `[batch]`.
    """
    for band in BANDS:
        if band.name == key:
            places = np.digitize(np.asarray(features[band.source]).reshape(-1), band.edges)
            return np.asarray(band.labels)[places]
    for group in GROUPS:
        if group.name == key:
            names = dict(group.names)
            return np.asarray(
                [names.get(v, group.otherwise) for v in _words(features[group.source])]
            )
    return np.asarray(_words(features[key]))


def _words(column: Any) -> list[str]:
    flat = np.asarray(column).reshape(-1)
    return [v.decode() if isinstance(v, bytes) else str(v) for v in flat]


def groups_of_births(features: dict[str, Any]) -> np.ndarray:
    """Deals the births of a batch into groups.

    Args:
        features: Raw columns by name, as TFMA extracts them.

    Returns:
        The group of each row, `[batch]`; that of a birth is the same in every batch and every run.
    """
    columns = pd.DataFrame({name: _dense(features[name]) for name in BIRTH})
    hashes = pd.util.hash_pandas_object(columns, index=False).to_numpy()
    return (hashes % BIRTH_GROUPS).astype(np.int64)


def _dense(column: Any) -> np.ndarray:
    """A column with one value a row, `[batch]`; empty where there is none."""
    if not isinstance(column, VarLenTensorValue):
        return np.asarray(column).reshape(-1)
    dense = np.full(column.dense_shape[0], b"", object)
    dense[column.indices[:, 0]] = column.values
    return dense
