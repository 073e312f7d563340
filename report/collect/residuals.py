"""Where the model errs: its predictions on the eval split, grouped."""

# TensorFlow and pandas carry no types that fit each other.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from models.declaration import Number
from models.feature_kinds import categories, numbers
from models.features import LABEL
from models.names import PREDICTION, SERVING
from report.facts import ErrorGroup, Errors
from serving.versions.saved_model import SavedModel, Signature

_BATCH = 16_384
_CELLS = 80
"""Squares across the label's range in the picture of predicted against actual."""
_MOST_NUMBERS = 8
"""Numbers by which errors are grouped, the first declared; charts of more nobody reads."""
_MOST_VALUES = 60
"""Up to so many whole numbers have a group each; others are put together."""


def serving_folder(model_uri: str) -> str:
    """Where a Model artifact has its SavedModel."""
    return posixpath.join(model_uri, "Format-Serving")


def predict(model_uri: str, examples: Mapping[str, pd.DataFrame]) -> dict[str, np.ndarray]:
    """Asks a trained model for predictions in the label's unit, `[examples]` of each split."""
    signature = SavedModel(serving_folder(model_uri), 1).signatures[SERVING]
    return {split: _answers(signature, its) for split, its in examples.items()}


def _answers(signature: Signature, examples: pd.DataFrame) -> np.ndarray:
    answers = []
    for start in range(0, len(examples), _BATCH):
        rows = examples.iloc[start : start + _BATCH]
        columns = {c.name: rows[c.name].to_numpy(object) for c in categories()}
        columns |= {n.name: rows[n.name].to_numpy(np.float32) for n in numbers()}
        answers.append(signature(columns)[PREDICTION])
    return np.concatenate(answers)


def group_errors(examples: pd.DataFrame, predicted: np.ndarray, of: int) -> Errors:
    """Groups the residuals of a model on examples of the eval split, of `of` that it has."""
    rows = pd.DataFrame({"label": examples[LABEL.name], "prediction": predicted})
    # Of a range that few labels reach, the part where they are.
    spread = min(LABEL.maximum - LABEL.minimum, 16 * float(rows["label"].std(ddof=0)))
    cell = _round_width(spread / _CELLS)
    tenths = pd.qcut(rows["prediction"].rank(method="first"), 10, labels=False)
    return Errors(
        examples=len(rows),
        of=of,
        cells=_cells(rows, cell),
        cell_width=cell,
        by={
            "predicted value": _bands(rows, rows["prediction"], 2 * cell, LABEL.unit),
            **{n.title: _by_number(rows, examples, n) for n in numbers()[:_MOST_NUMBERS]},
            f"{LABEL.noun} band": _bands(rows, rows["label"], 4 * cell, LABEL.unit),
        },
        deciles=_groups(rows, tenths, lambda place: str(int(place) + 1)),
    )


def _by_number(
    rows: pd.DataFrame, examples: pd.DataFrame, number: Number
) -> tuple[ErrorGroup, ...]:
    """A group per value where they are whole and not too many; else of bands."""
    values = examples[number.name]
    known = values.dropna()
    if known.nunique() <= _MOST_VALUES and (known == known.round()).all():
        return _groups(rows, values, lambda value: f"{value:.0f}")
    low, high = known.quantile((0.01, 0.99))
    return _bands(rows, values, _round_width((high - low) / 20), number.unit)


def _round_width(width: float) -> float:
    """The least of 1, 2, 2.5, 5 or 10 times a power of ten that is as large."""
    if width <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(width))
    # A whisker more: floating point must not make 0.25 the next larger.
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= width * (1 - 1e-9))


def _bands(
    rows: pd.DataFrame, values: pd.Series, width: float, unit: str
) -> tuple[ErrorGroup, ...]:
    lows = np.floor(values / width) * width
    return _groups(rows, lows, lambda low: f"{low:g} to {low + width:g} {unit}".rstrip())


def _groups(
    rows: pd.DataFrame, lows: pd.Series, label: Callable[[float], str]
) -> tuple[ErrorGroup, ...]:
    """One group per distinct value of `lows`, in order; what has none comes last."""
    return tuple(
        _group("unknown" if math.isnan(low) else label(low), low, members)
        for low, members in rows.groupby(np.asarray(lows, float), sort=True, dropna=False)
    )


def _group(label: str, low: float, members: pd.DataFrame) -> ErrorGroup:
    residuals = (members["prediction"] - members["label"]).to_numpy(np.float64)
    tenth, median, ninetieth = np.quantile(residuals, (0.1, 0.5, 0.9))
    return ErrorGroup(
        label=label,
        low=low,
        examples=len(members),
        mean_label=float(members["label"].mean()),
        mean_prediction=float(members["prediction"].mean()),
        rmse=float(np.sqrt(np.mean(residuals**2))),
        tenth=float(tenth),
        median=float(median),
        ninetieth=float(ninetieth),
    )


def _cells(rows: pd.DataFrame, width: float) -> tuple[tuple[float, float, int], ...]:
    cells = (np.floor(rows[["prediction", "label"]] / width) * width).value_counts(sort=False)
    return tuple((float(x), float(y), int(n)) for (x, y), n in cells.items())
