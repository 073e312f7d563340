"""Shapley values, on functions whose shares are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from models.attributions import MOST_EXACT, ORDERS, mixtures

ROWS = 5


def asked(features: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows and a reference."""
    draw = np.random.default_rng(features)
    names = [f"f{number}" for number in range(features)]
    return {n: draw.normal(size=ROWS) for n in names}, {n: draw.normal(size=1) for n in names}


def twisted(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Has all features work together."""
    values = np.stack(list(columns.values()))
    return np.tanh(values.sum(axis=0)) + values[0] * values[-1] ** 2


@pytest.mark.parametrize("features", [1, 2, 7, MOST_EXACT, MOST_EXACT + 1, 25])
def test_shares_add_up_to_the_prediction_less_the_references(features):
    rows, reference = asked(features)
    mixed = mixtures(features)
    start, shares = mixed.shares(twisted(mixed.mix(rows, reference)))
    np.testing.assert_allclose(start, np.repeat(twisted(reference), ROWS))
    np.testing.assert_allclose(start + shares.sum(axis=1), twisted(rows))


@pytest.mark.parametrize("features", [3, MOST_EXACT, 25])
def test_a_sum_is_shared_by_its_terms(features):
    rows, reference = asked(features)
    weights = np.arange(features)
    mixed = mixtures(features)
    answers = weights @ np.stack(list(mixed.mix(rows, reference).values()))
    changes = [weights[i] * (rows[name] - reference[name]) for i, name in enumerate(rows)]
    np.testing.assert_allclose(mixed.shares(answers)[1], np.transpose(changes), atol=1e-12)


def test_they_are_the_means_over_all_orders():
    rows, reference = asked(5)
    mixed = mixtures(5)
    _, shares = mixed.shares(twisted(mixed.mix(rows, reference)))
    expected = np.zeros((ROWS, 5))
    for order in itertools.permutations(range(5)):
        now = {name: np.repeat(value, ROWS) for name, value in reference.items()}
        for place in order:
            after = now | {f"f{place}": rows[f"f{place}"]}
            expected[:, place] += (twisted(after) - twisted(now)) / 120
            now = after
    np.testing.assert_allclose(shares, expected, atol=1e-12)


@pytest.mark.parametrize("features", [7, 25])
def test_a_value_that_is_the_references_has_no_share(features):
    rows, reference = asked(features)
    rows |= {"f3": np.repeat(reference["f3"], ROWS)}
    mixed = mixtures(features)
    _, shares = mixed.shares(twisted(mixed.mix(rows, reference)))
    assert not shares[:, 3].any()
    assert shares[:, 4].all()


def test_words_are_mixed_as_well():
    mixed = mixtures(2)
    columns = mixed.mix(
        {"a": np.array([b"x"], object), "b": np.array([1.0], np.float32)},
        {"a": np.array([b"y"], object), "b": np.array([np.nan], np.float32)},
    )
    assert columns["a"].tolist() == [b"y", b"y", b"x", b"x"]
    assert columns["a"].dtype == object
    assert columns["b"].dtype == np.float32


def test_many_features_are_asked_for_a_fixed_sample():
    many = mixtures(25)
    assert len(many) <= ORDERS * 24 + 2
    assert not many.of_row[0].any()
    assert many.of_row[-1].all()
    rows, reference = asked(25)
    # A product of two, whose shares are equal where both start from zero.
    reference = {name: np.zeros(1) for name in reference}
    mixed = many.mix(rows, reference)
    _, shares = many.shares(mixed["f3"] * mixed["f20"])
    np.testing.assert_allclose(shares[:, 3], shares[:, 20], atol=1e-12)
    np.testing.assert_allclose(shares[:, 3], rows["f3"] * rows["f20"] / 2, atol=1e-12)
