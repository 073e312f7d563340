"""Intervals, on rows whose spread is known."""

from __future__ import annotations

import numpy as np
import pytest

from models import intervals
from models.features import LABEL
from models.intervals import Intervals

WEEKS = "gestation_weeks"


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Predictions, labels and columns: the higher the prediction, the wider the spread, and twice
    as wide for triplets."""
    draw = np.random.default_rng(seed)
    predictions = draw.uniform(4, 9, count)
    triplets = draw.random(count) < 0.1
    spread = 0.1 * predictions * np.where(triplets, 2, 1)
    labels = predictions + spread * draw.normal(size=count)
    columns = {
        "plurality": np.where(triplets, "Triplets(3)", "Single(1)").astype(object),
        "is_male": np.where(draw.random(count) < 0.5, "True", "Unknown").astype(object),
        "mother_age": draw.integers(15, 45, count).astype(np.float32),
        WEEKS: draw.integers(30, 42, count).astype(np.float32),
    }
    return predictions, labels, columns


@pytest.fixture(scope="module")
def fitted() -> Intervals:
    return intervals.fit(*rows(10_000, 1))


def held(ends: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean((ends[:, 0] <= labels) & (labels <= ends[:, 1])))


@pytest.mark.parametrize("level", intervals.LEVELS)
def test_as_many_labels_are_within_as_should_be(fitted, level):
    predictions, labels, columns = rows(20_000, 2)
    ends = fitted.around(predictions, columns)[level]
    assert held(ends, labels) == pytest.approx(level / 100, abs=0.01)
    for part in (predictions < 5, predictions > 8, columns["plurality"] == "Triplets(3)"):
        assert held(ends[part], labels[part]) == pytest.approx(level / 100, abs=0.02)


def test_they_are_as_wide_as_the_spread(fitted):
    asked = {"is_male": "True", "mother_age": 30.0, WEEKS: 39.0}
    one, three = (
        {name: np.array([v], object if isinstance(v, str) else float) for name, v in row.items()}
        for row in (asked | {"plurality": word} for word in ("Single(1)", "Triplets(3)"))
    )

    def width(row: dict[str, np.ndarray], prediction: float) -> float:
        ((low, high),) = fitted.around(np.array([prediction]), row)[80]
        return high - low

    expected = 2 * 1.2816 * 0.1  # 80% of a normal distribution; by the predicted value.
    assert width(one, 5) == pytest.approx(5 * expected, rel=0.15)
    assert width(one, 8) == pytest.approx(8 * expected, rel=0.15)
    assert width(three, 5) == pytest.approx(2 * width(one, 5), rel=0.2)


def test_they_are_nested_and_hold_the_prediction_and_stay_in_the_labels_range(fitted):
    _, _, columns = rows(5_000, 3)
    predictions = np.linspace(LABEL.minimum, LABEL.maximum, 5_000)
    around = fitted.around(predictions, columns)
    edges = [around[95][:, 0], around[80][:, 0], predictions, around[80][:, 1], around[95][:, 1]]
    assert (np.diff(edges, axis=0) >= 0).all()
    assert edges[0].min() >= LABEL.minimum
    assert edges[-1].max() <= LABEL.maximum


def test_a_higher_prediction_has_no_lower_ends(fitted):
    for level in fitted.levels:
        for distances in (fitted.knots.lower[level], fitted.knots.upper[level]):
            assert (np.diff(np.add(fitted.knots.predictions, distances)) >= 0).all()


def test_few_examples_have_intervals_as_well():
    predictions, labels, columns = rows(50, 4)
    few = intervals.fit(predictions, labels, columns)
    assert len(few.knots.predictions) == 1
    assert not any(factors for by in few.factors.values() for factors in by.values())
    assert held(few.around(predictions, columns)[80], labels) == pytest.approx(0.8, abs=0.1)


def test_what_needs_the_label_divides_nothing(fitted):
    assert "birth_weight" not in fitted.factors[80]
    assert "gestation_band" in fitted.factors[80]
