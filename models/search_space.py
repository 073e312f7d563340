"""Which hyperparameters tuning tries; as KerasTuner names them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import keras_tuner

from models.declaration import Hyperparameters


@dataclass(frozen=True)
class Interval:
    """Numbers that tuning may try, evenly over their logarithms."""

    low: float
    high: float


@dataclass(frozen=True)
class SearchSpace:
    """The hyperparameters that tuning tries: some of a few, others of an interval.

    Rates are relative to `label_scale`, so these suit labels of any magnitude.

    Attributes:
        hidden_units: Widths of the dense layers.
        category_embedding: Widths of the embeddings.
        wide_learning_rate: Rates of the wide half.
        wide_l2: L2 regularisations of the wide half.
        deep_learning_rate: Peak rates of the deep half.
        cross_share: Shares of their buckets that crosses use.
    """

    hidden_units: tuple[tuple[int, ...], ...] = (
        *((32,), (64,), (64, 32), (128, 64)),
        *((128, 64, 32), (256, 128)),
    )
    category_embedding: tuple[int, ...] = (2, 4, 8, 16)
    wide_learning_rate: Interval = Interval(0.01, 0.3)
    wide_l2: Interval = Interval(0.3, 100.0)
    deep_learning_rate: Interval = Interval(0.0003, 0.02)
    cross_share: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1)


SPACE = SearchSpace()
"""What is searched."""


def to_keras_tuner(
    space: SearchSpace, start: Hyperparameters, chosen: Collection[str] = ()
) -> keras_tuner.HyperParameters:
    """The space that is searched.

    Args:
        space: As it is declared.
        start: What is tried first; also where it lies outside of the space.
        chosen: Names of those that the user has chosen, of which no others are tried.

    Returns:
        Hyperparameters whose defaults are those of `start`.
    """
    found = keras_tuner.HyperParameters()
    for field in dataclasses.fields(space):
        choices, first = getattr(space, field.name), getattr(start, field.name)
        if field.name in chosen:
            found.Fixed(field.name, _text(first))
        elif isinstance(choices, tuple):
            values = list(dict.fromkeys([_text(first), *map(_text, choices)]))
            found.Choice(field.name, values, default=_text(first))
        else:
            first = first or choices.low / 100  # Logarithms have no zero; it is as good as none.
            low, high = min(choices.low, first), max(choices.high, first)
            found.Float(field.name, low, high, sampling="log", default=first)
    return found


def typed(space: keras_tuner.HyperParameters, given: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as KerasTuner has them, of what another service made of the space.

    Args:
        space: What is searched.
        given: By name, as texts or floating-point numbers; those it lacks are as in the space.
    """
    values = dict(space.values)
    for name, value in given.items():
        kind = type(values[name])
        values[name] = value if kind is str else kind(float(value))
    return values


def _text(value: object) -> Any:
    """KerasTuner's choices are numbers and texts."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else value
