"""How large a model's error is on rows whose labels are not known yet.

The squared error of examples that the model did not learn from is fitted by least squares on
indicators: bins of the prediction, and the slices that are known in time. The mean over other rows
of what that expects is their mean squared error, whatever their mix of bins and slices, as long as
rows of one kind err as they did. If what is asked relates to the label in another way than it did,
no estimate without labels can tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models import features as declared
from models.intervals import known_in_time
from models.slicing import slice_values

_BINS = 10
_SLICE = 100
"""Fewest examples of a slice with an indicator of its own."""

_NORMAL = 1.96
"""Standard errors to both sides of a 95% interval."""


@dataclass(frozen=True)
class Estimate:
    """An RMSE without labels, in the label's unit, with its 95% interval."""

    rmse: float
    low: float
    high: float


@dataclass(frozen=True)
class ErrorModel:
    """The squared error of a model, by what is asked.

    Attributes:
        examples: Examples it was fitted on.
        edges: Rising inner edges of the bins of the prediction.
        slices: Slicing features and slices that have an indicator.
        coefficients: Of the bins, then of the slices, in the label's unit squared.
        covariance: Of the coefficients.
        spread: Variance of a squared error, as a share of the square of what is expected of it.
    """

    examples: int
    edges: tuple[float, ...]
    slices: tuple[tuple[str, str], ...]
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    spread: float

    def estimate(self, predictions: np.ndarray, columns: Mapping[str, np.ndarray]) -> Estimate:
        """Estimates the RMSE of rows.

        Args:
            predictions: In the label's unit, `[rows]`, one or more.
            columns: What was asked, by name, `[rows]` each, as the model takes it.
        """
        design = _design(self.edges, self.slices, predictions, columns)
        expected = np.maximum(design @ np.array(self.coefficients), 0)
        mean = design.mean(axis=0)
        # What is not known of the coefficients, and what chance does among so many rows.
        variance = mean @ np.array(self.covariance) @ mean
        variance += self.spread * float(np.mean(expected**2)) / len(predictions)
        middle, reach = float(expected.mean()), _NORMAL * math.sqrt(max(variance, 0))
        low, high = max(middle - reach, 0.0), middle + reach
        return Estimate(math.sqrt(middle), math.sqrt(low), math.sqrt(high))


def fit_errors(
    predictions: np.ndarray, labels: np.ndarray, columns: Mapping[str, np.ndarray]
) -> ErrorModel:
    """Fits the squared error.

    Args:
        predictions: Of examples the model did not learn from, `[rows]`.
        labels: Their labels, `[rows]`.
        columns: What was asked, by name, `[rows]` each.
    """
    shares = np.linspace(0, 1, _BINS + 1)[1:-1]
    edges = tuple(np.unique(np.quantile(predictions, shares)).astype(float).tolist())
    slices = tuple(_slices(columns, len(labels)))
    design = _design(edges, slices, predictions, columns)
    squared = (predictions.astype(np.float64) - labels) ** 2
    # Some indicators add up to others; of all fits that are as good, the shortest is taken.
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    coefficients = inverse @ (design.T @ squared)
    residuals = squared - design @ coefficients
    # The examples made of one record err alike, and are in one group.
    everything: dict[str, Any] = {**dict.fromkeys(declared.CONTEXT), **columns}
    everything[declared.LABEL.name] = labels
    from models.resampling import (
        RESAMPLING_GROUPS,
        resampling_groups,
    )  # Has pandas; servers need none.

    groups = resampling_groups(everything, len(labels))
    scores = np.zeros((RESAMPLING_GROUPS, design.shape[1]))
    np.add.at(scores, groups, design * residuals[:, None])
    covariance = inverse @ (scores.T @ scores) @ inverse
    expected = design @ coefficients
    spread = float(np.mean(residuals**2) / max(np.mean(expected**2), np.finfo(float).tiny))
    return ErrorModel(
        len(labels),
        edges,
        slices,
        tuple(coefficients.tolist()),
        tuple(tuple(row) for row in covariance.tolist()),
        spread,
    )


def _slices(columns: Mapping[str, np.ndarray], rows: int) -> list[tuple[str, str]]:
    """All slices that are large enough, but for the largest of each slicing feature."""
    found = []
    for feature in known_in_time():
        names, counts = np.unique(slice_values(columns, feature, rows), return_counts=True)
        others = np.delete(np.arange(len(names)), np.argmax(counts))
        found += [(feature, str(names[i])) for i in others if counts[i] >= _SLICE]
    return found


def _design(
    edges: tuple[float, ...],
    slices: tuple[tuple[str, str], ...],
    predictions: np.ndarray,
    columns: Mapping[str, np.ndarray],
) -> np.ndarray:
    """An indicator for each bin of the prediction and each slice, `[rows, indicators]`."""
    rows = len(predictions)
    bins = np.digitize(predictions, edges)
    design = np.zeros((rows, len(edges) + 1 + len(slices)))
    design[np.arange(rows), bins] = 1
    values = {feature: slice_values(columns, feature, rows) for feature, _ in slices}
    for place, (feature, name) in enumerate(slices, start=len(edges) + 1):
        design[:, place] = values[feature] == name
    return design
