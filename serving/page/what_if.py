"""An answer as the page shows it: with what made it, and what it would be otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from models.attributions import mixtures
from models.declaration import Category, Feature, Number
from models.feature_kinds import categories
from models.features import FEATURES
from models.interpretation import Interpretation
from models.intervals import Intervals
from models.names import PREDICTION, SERVING
from models.request import contradictions
from serving.instances import Columns, from_rows, row_count
from serving.server.service import Service

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import SavedModel

_POINTS = 60
"""Most values of a number for which the answer is shown."""


async def answer(service: Service, model: SavedModel, columns: Columns) -> dict[str, Any]:
    """The answer to one row, and to all that differ from it in one feature, by one call.

    Returns:
        As JSON has it: `prediction`; `intervals` by level, and `attributions`, None for a version
        without; `curves` by feature: `values`, `predictions`, and the `lower` and `upper` ends of
        the narrowest interval.
    """
    found = model.interpretation
    parts = {feature.name: _otherwise(feature, columns) for feature in FEATURES}
    mixed = mixtures(len(columns))
    # The mixtures come last, and the very last of them is the row itself.
    asked = [*parts.values()]
    asked.append(mixed.mix(columns, from_rows([found.reference])) if found else columns)
    together = {n: np.concatenate([part[n] for part in asked]) for n in columns}
    told = await service.compute(model.signatures[SERVING], together)
    ends = np.cumsum([row_count(part) for part in asked])[:-1]
    *curves, last = np.split(told[PREDICTION], ends)
    return {
        "prediction": last[-1],
        "intervals": _ends(found.intervals, last[-1:], columns) if found else None,
        "attributions": _attributions(found, *mixed.shares(last)) if found else None,
        "curves": {
            name: _curve(name, part, its, found.intervals if found else None)
            for (name, part), its in zip(parts.items(), curves, strict=True)
        },
    }


def step_of(number: Number) -> float:
    """A step for people who try values: a hundredth of the range or so; 1 for whole numbers."""
    if number.boundaries and all(float(edge).is_integer() for edge in number.boundaries):
        return 1.0
    return 10.0 ** math.floor(math.log10((number.maximum - number.minimum) / 20))


def _otherwise(feature: Feature, columns: Columns) -> Columns:
    """The row once for each value of a feature that does not contradict the others."""
    if isinstance(feature, Category):
        others = {c.name: [columns[c.name][0].decode()] for c in categories()}
        values = np.array(
            [
                word.encode()
                for word in feature.vocabulary
                if not any(contradictions(others | {feature.name: [word]}))
            ],
            dtype=object,
        )
    else:
        span, step = feature.maximum - feature.minimum, step_of(feature)
        # Whole steps from one to the next, as many as give few enough values.
        stride = step * math.ceil(span / step / _POINTS)
        values = feature.minimum + stride * np.arange(math.floor(span / stride) + 1)
        values = np.unique(np.append(values, feature.maximum)).astype(np.float32)
    repeated = {name: np.repeat(value, len(values)) for name, value in columns.items()}
    return repeated | {feature.name: values}


def _curve(
    name: str, columns: Columns, predictions: np.ndarray, intervals: Intervals | None
) -> dict[str, Any]:
    values = columns[name]
    shown = [v.decode() for v in values] if values.dtype == object else values
    curve: dict[str, Any] = {"values": shown, "predictions": predictions}
    if intervals is not None:
        ends = next(iter(intervals.around(predictions, columns).values())).astype(np.float32)
        low, high = np.ascontiguousarray(ends.T)
        curve |= {"lower": low, "upper": high}
    return curve


def _ends(intervals: Intervals, prediction: np.ndarray, columns: Columns) -> dict[str, np.ndarray]:
    found = intervals.around(prediction, columns)
    return {str(level): ends[0].astype(np.float32) for level, ends in found.items()}


def _attributions(
    found: Interpretation, start: np.ndarray, shares: np.ndarray
) -> Mapping[str, Any]:
    names = (feature.name for feature in FEATURES)
    return {
        "reference": {"row": found.reference, "prediction": float(start[0])},
        "features": dict(zip(names, shares[0].tolist(), strict=True)),
    }
