"""Whether the model's intervals hold what they promise, on the test split, which made none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.features import FEATURES, LABEL, SLICES
from models.intervals import Intervals
from models.slicing import slice_values
from report.facts import Coverage, SliceCoverage


def measure(intervals: Intervals, examples: pd.DataFrame, predicted: np.ndarray) -> Coverage:
    """Counts the labels that are within the intervals.

    Args:
        intervals: The model's.
        examples: Of the test split.
        predicted: Their predictions, in the label's unit.
    """
    names = [*(feature.name for feature in FEATURES), LABEL.name]
    columns = {name: examples[name].to_numpy() for name in names}
    ends = intervals.around(predicted, columns)
    everything = np.ones(len(examples), bool)
    found = [_slice("", "", columns[LABEL.name], ends, everything)]
    for feature in SLICES:
        values = slice_values(columns, feature, len(examples))
        found += [
            _slice(feature, str(value), columns[LABEL.name], ends, values == value)
            for value in np.unique(values)
        ]
    return Coverage(intervals.examples, tuple(found))


def _slice(
    feature: str,
    value: str,
    labels: np.ndarray,
    ends: Mapping[int, np.ndarray],
    rows: np.ndarray,
) -> SliceCoverage:
    of_slice = {level: both[rows].T for level, both in ends.items()}
    return SliceCoverage(
        feature=feature,
        value=value,
        examples=int(np.count_nonzero(rows)),
        held={
            level: float(np.mean((low <= labels[rows]) & (labels[rows] <= high)))
            for level, (low, high) in of_slice.items()
        },
        width={level: float(np.mean(high - low)) for level, (low, high) in of_slice.items()},
    )
