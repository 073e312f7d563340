"""Where the model errs: its predictions on the eval split, grouped."""

# TensorFlow and pandas carry no types that fit each other.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import posixpath
from collections.abc import Callable

import numpy as np
import pandas as pd
import tensorflow as tf

from models.columns import categories, numbers
from models.features import LABEL
from models.names import PREDICTION, SERVING
from report.facts import ErrorGroup, Errors

CELL = 0.25
"""Side of the squares of predicted against actual, in pounds."""

_BATCH = 16_384
_PREDICTED_BY, _WEIGHT_BY = 0.5, 1.0
"""Widths of the groups by predicted value and by weight, in pounds."""


def predictions(model_uri: str, examples: pd.DataFrame) -> np.ndarray:
    """Asks a trained model for the weights of a table of examples.

    Args:
        model_uri: Of a Model.
        examples: As `report.collect.example_rows` reads them.

    Returns:
        Pounds, `[examples]`.
    """
    path = posixpath.join(model_uri, "Format-Serving")
    model = tf.saved_model.load(path)
    signature = model.signatures[SERVING]
    words, values = [c.name for c in categories()], [n.name for n in numbers()]
    answers = []
    for start in range(0, len(examples), _BATCH):
        rows = examples.iloc[start : start + _BATCH]
        columns = {name: tf.constant(rows[name].astype(object).to_numpy()) for name in words}
        columns |= {name: tf.constant(rows[name].to_numpy(np.float32)) for name in values}
        answers.append(signature(**columns)[PREDICTION].numpy())
    return np.concatenate(answers)


def group_errors(examples: pd.DataFrame, predicted: np.ndarray, of: int) -> Errors:
    """Groups the residuals of a model.

    Args:
        examples: Examples of the eval split.
        predicted: What the model makes of them, in pounds.
        of: Examples that the split has.

    Returns:
        Groups with at least one example each.
    """
    rows = pd.DataFrame({"label": examples[LABEL.name], "prediction": predicted})
    by = {
        "predicted value": _bands(rows, rows["prediction"], _PREDICTED_BY, "lb"),
        "gestation week": _each(rows, examples["gestation_weeks"]),
        "mother's age": _each(rows, examples["mother_age"]),
        "weight band": _bands(rows, rows["label"], _WEIGHT_BY, "lb"),
    }
    tenths = pd.qcut(rows["prediction"].rank(method="first"), 10, labels=False)
    return Errors(
        examples=len(rows),
        of=of,
        cells=_cells(rows),
        cell_width=CELL,
        by=by,
        deciles=_groups(rows, tenths, lambda place: str(int(place) + 1)),
    )


def _each(rows: pd.DataFrame, values: pd.Series) -> tuple[ErrorGroup, ...]:
    """A group per value: weeks and years are whole."""
    return _groups(rows, values.round(), lambda value: f"{value:.0f}")


def _bands(
    rows: pd.DataFrame, values: pd.Series, width: float, unit: str
) -> tuple[ErrorGroup, ...]:
    lows = np.floor(values / width) * width
    return _groups(rows, lows, lambda low: f"{low:g} to {low + width:g} {unit}")


def _groups(
    rows: pd.DataFrame, lows: pd.Series, label: Callable[[float], str]
) -> tuple[ErrorGroup, ...]:
    """One group per distinct value of `lows`, in order."""
    return tuple(
        _group(label(float(low)), float(low), members)
        for low, members in rows.groupby(np.asarray(lows), sort=True)
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


def _cells(rows: pd.DataFrame) -> tuple[tuple[float, float, int], ...]:
    cells = (np.floor(rows[["prediction", "label"]] / CELL) * CELL).value_counts(sort=False)
    return tuple((float(x), float(y), int(n)) for (x, y), n in cells.items())
