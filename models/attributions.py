"""How much each feature moves an answer: Shapley values against a reference.

A feature's share is how much the prediction changes when its value replaces the reference's, as a
mean over all orders in which the values could be replaced one by one (Shapley, "A Value for
n-Person Games", 1953). So the shares add up to the prediction less the reference's.

The shares are exact for up to `MOST_EXACT` features, from the predictions of all 2^n mixtures of
row and reference. With more, the mean is over `ORDERS` random orders, always the same ones; the sum
is exact then too.

A mixture need not be a row that anybody could send; the model is asked all the same.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST_EXACT = 10
"""Features up to which all mixtures are asked for: 1,024 of them."""

ORDERS = 64
"""Orders for more features; half of them the others reversed, which takes out most of the noise."""

_SEED = 1

_WHISKER = 1e-12
"""Share of the largest answer below which a share is rounding."""


@dataclass(frozen=True)
class Mixtures:
    """Which mixtures of a row and the reference to ask for, and what their answers mean.

    Attributes:
        of_row: Whether a mixture has the row's value of a feature, `[mixtures, features]`; the
            first is the reference, the last the row.
        weights: What an answer adds to each feature's share, `[mixtures, features]`.
    """

    of_row: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.of_row)

    def mix(
        self, columns: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The columns to ask for: all mixtures of the first row, then those of the next.

        Args:
            columns: Values by feature, `[rows]` each.
            reference: Values by feature, `[1]` each.
        """
        return {
            name: np.where(
                self.of_row[:, place], columns[name][:, None], reference[name][None]
            ).ravel()
            for place, name in enumerate(columns)
        }

    def shares(self, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the answers to `mix` mean.

        Args:
            answers: Predictions, `[rows * mixtures]`.

        Returns:
            The prediction of the reference; each feature's share, `[rows, features]`.
        """
        by_row = answers.reshape(-1, len(self)).astype(np.float64)
        shares = by_row @ self.weights
        # Of a value that is the reference's, rounding leaves a whisker.
        shares[np.abs(shares) < _WHISKER * np.abs(by_row).max(initial=0)] = 0
        return by_row[:, 0], shares


@functools.cache
def mixtures(features: int) -> Mixtures:
    """The mixtures for a number of features."""
    return _exact(features) if features <= MOST_EXACT else _sampled(features)


def _exact(features: int) -> Mixtures:
    # Counted up in binary, so that the first has none of the row's values and the last all.
    of_row = np.array(list(itertools.product((False, True), repeat=features)))
    sizes = of_row.sum(axis=1)
    orders = math.factorial(features)
    # Orders in which a mixture comes about by the feature's value, and in which it is the next.
    last = [math.factorial(max(n - 1, 0)) * math.factorial(features - n) for n in sizes]
    following = [math.factorial(n) * math.factorial(max(features - n - 1, 0)) for n in sizes]
    return Mixtures(
        of_row,
        np.where(of_row, np.array(last)[:, None], -np.array(following)[:, None]) / orders,
    )


def _sampled(features: int) -> Mixtures:
    draw = np.random.default_rng(_SEED)
    drawn = [draw.permutation(features).tolist() for _ in range(ORDERS // 2)]
    weights: dict[tuple[bool, ...], np.ndarray] = {}
    for order in itertools.chain.from_iterable((o, o[::-1]) for o in drawn):
        before = _members((), features)
        for count, feature in enumerate(order, start=1):
            after = _members(order[:count], features)
            for mixture, sign in ((before, -1), (after, 1)):
                weights.setdefault(mixture, np.zeros(features))[feature] += sign / ORDERS
            before = after
    by_size = sorted(weights, key=sum)
    return Mixtures(np.array(by_size), np.array([weights[mixture] for mixture in by_size]))


def _members(some: Sequence[int], features: int) -> tuple[bool, ...]:
    return tuple(place in some for place in range(features))
