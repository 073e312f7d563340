"""Intervals around predictions, from how far off a model was on examples it did not learn from.

Labels are spread more widely around some predictions than around others. So the eval split is cut
into bins of equal count by rising prediction; the quantiles of the residuals (label minus
prediction) in a bin are a knot at its middle prediction, and between knots they are interpolated.
Then, one slicing feature after the other, the intervals of each slice that is large enough are
stretched or shrunk until they hold as many of its labels as they should. This is split conformal
prediction, by bins and slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models import features as declared
from models.coded_words import ColumnsOrCodes
from models.slicing import slice_places, slice_values

LEVELS = (80, 95)
"""Percent of labels that shall be within an interval, rising."""

_BIN = 200
"""Fewest examples of a bin: five are beyond each end of the 95% interval."""

_MOST_BINS = 20

_SLICE = 100
"""Fewest examples of a slice with a factor of its own: five are outside the 95% interval."""

_FACTORS = (0.5, 2.0)
"""Least and greatest factor; what is beyond is chance."""


@dataclass(frozen=True)
class Knots:
    """Interval ends by prediction, as distances from it in the label's unit.

    Attributes:
        predictions: Rising predictions.
        lower: Distance of the lower end at each, by level.
        upper: Distance of the upper end at each, by level.
    """

    predictions: tuple[float, ...]
    lower: Mapping[int, tuple[float, ...]]
    upper: Mapping[int, tuple[float, ...]]


@dataclass(frozen=True)
class Intervals:
    """The intervals of a model.

    Attributes:
        examples: Examples they come from.
        knots: The ends for all examples.
        factors: What distances are multiplied by, by level, slicing feature and slice; 1 for
            slices that are not named.
    """

    examples: int
    knots: Knots
    factors: Mapping[int, Mapping[str, Mapping[str, float]]]

    @property
    def levels(self) -> tuple[int, ...]:
        """Percent of labels that shall be within, rising."""
        return tuple(sorted(self.factors))

    def around(self, predictions: np.ndarray, columns: ColumnsOrCodes) -> dict[int, np.ndarray]:
        """The intervals of predictions.

        Args:
            predictions: In the label's unit, `[rows]`.
            columns: What was asked, by name, `[rows]` each, as the model takes it.

        Returns:
            By level the ends, `[rows, 2]`: within the label's range, with the prediction between
            them, and each level's within the next one's.
        """
        features = {feature for factors in self.factors.values() for feature in factors}
        slices = {f: slice_places(columns, f, len(predictions)) for f in features}
        ends, found = np.stack([predictions] * 2).T.astype(np.float64), {}
        for level in self.levels:
            distances = _distances(self.knots, level, predictions)
            for feature, factors in self.factors[level].items():
                names, places = slices[feature]
                distances *= _of_slices(factors, names)[places, None]
            low, high = predictions - distances[:, 0], predictions + distances[:, 1]
            low, high = np.minimum(low, ends[:, 0]), np.maximum(high, ends[:, 1])
            ends = np.stack([low, high]).T
            found[level] = ends.clip(declared.LABEL.minimum, declared.LABEL.maximum)
        return found


def fit(
    predictions: np.ndarray, labels: np.ndarray, columns: Mapping[str, np.ndarray]
) -> Intervals:
    """Finds the intervals of a model.

    Args:
        predictions: Of examples it did not learn from, `[rows]`.
        labels: Their labels, `[rows]`.
        columns: What was asked, by name, `[rows]` each.
    """
    knots = _knots(predictions, labels)
    slices = {f: slice_values(columns, f, len(labels)) for f in known_in_time()}
    factors = {
        level: _factors(level, _distances(knots, level, predictions), labels - predictions, slices)
        for level in LEVELS
    }
    return Intervals(len(labels), knots, factors)


def known_in_time() -> tuple[str, ...]:
    """Slicing features that don't need the label."""
    of_label = {band.name for band in declared.BANDS if band.source == declared.LABEL.name}
    return tuple(name for name in declared.SLICES if name not in of_label)


def _knots(predictions: np.ndarray, labels: np.ndarray) -> Knots:
    order = np.argsort(predictions, kind="stable")
    bins = np.array_split(order, min(max(len(order) // _BIN, 1), _MOST_BINS))
    middles = np.array([np.median(predictions[rows]) for rows in bins])
    residuals = labels - predictions

    def ends(share: float) -> tuple[float, ...]:
        # Weibull's ranks are those of conformal prediction: of n + 1 examples, the last unseen.
        found = [np.quantile(residuals[rows], share, method="weibull") for rows in bins]
        return tuple(map(float, _rising(middles + found) - middles))

    outside = {level: (100 - level) / 200 for level in LEVELS}
    return Knots(
        tuple(map(float, middles)),
        {level: ends(share) for level, share in outside.items()},
        {level: ends(1 - share) for level, share in outside.items()},
    )


def _rising(values: np.ndarray) -> np.ndarray:
    """Between the highest so far and the lowest to come: a higher prediction has no lower end."""
    highest = np.maximum.accumulate(values)
    lowest = np.minimum.accumulate(values[::-1])[::-1]
    return (highest + lowest) / 2


def _distances(knots: Knots, level: int, predictions: np.ndarray) -> np.ndarray:
    """How far below and above the prediction an interval reaches, `[rows, 2]`, none below zero."""
    below = -np.interp(predictions, knots.predictions, knots.lower[level])
    above = np.interp(predictions, knots.predictions, knots.upper[level])
    # Below one after the other, and above: what is done with all of them is done faster so.
    return np.maximum(np.stack([below, above]).T, 0)


def _factors(
    level: int, distances: np.ndarray, residuals: np.ndarray, slices: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Factors by slicing feature and slice, each found with those before it applied."""
    found: dict[str, dict[str, float]] = {}
    # What each interval would have to be multiplied by to reach its label.
    needed = np.abs(residuals) / np.maximum(
        np.where(residuals < 0, distances[:, 0], distances[:, 1]), np.finfo(np.float32).tiny
    )
    for feature, values in slices.items():
        found[feature] = {}
        for value in np.unique(values):
            rows = values == value
            if np.count_nonzero(rows) >= _SLICE:
                factor = np.quantile(needed[rows], level / 100, method="weibull").clip(*_FACTORS)
                found[feature][str(value)] = float(factor)
        names, places = np.unique(values, return_inverse=True)
        needed = needed / _of_slices(found[feature], names.tolist())[places]
    return found


def _of_slices(factors: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    return np.array([factors.get(name, 1.0) for name in names])
