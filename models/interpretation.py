"""What helps to read an answer: how sure it is, and what it is compared with.

The Trainer finds both on the eval split and writes them beside the model, as one file of the
SavedModel's `assets.extra`, the folder for what its graph does not read. So whoever has a pushed
model has them: the server, the command line, a batch job, a person.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from models import features as declared
from models.error_estimate import ErrorModel, fit_errors
from models.feature_kinds import categories
from models.intervals import Intervals, fit
from models.names import PREDICTION
from models.request import Request

FILE = "assets.extra/interpretation.json"
"""Where it is in a SavedModel's folder."""

MOST_ROWS = 200_000
"""Examples it is made from; of as many, a quantile is good to a tenth of a percent."""

_BATCH = 16_384


@dataclass(frozen=True)
class Interpretation:
    """What goes with a model.

    Attributes:
        reference: A typical row, which attributions compare with: the words that are together most
            often, and of each number the value in the middle.
        intervals: How far labels are from predictions.
        errors: How large the error is, by what is asked; None in what earlier models have.
    """

    reference: Mapping[str, str | float | None]
    intervals: Intervals
    errors: ErrorModel | None = None

    def reference_row(self) -> Request:
        """The reference as the model takes it."""
        return {
            name: math.nan if value is None else value for name, value in self.reference.items()
        }


def interpret(
    answer: Callable[..., Mapping[str, Any]], rows: Mapping[str, np.ndarray]
) -> Interpretation:
    """Finds what goes with a model.

    Args:
        answer: The model's `serving_default`.
        rows: Columns of examples it did not learn from, by name, with the label.
    """
    columns = {feature.name: rows[feature.name] for feature in declared.FEATURES}
    labels = rows[declared.LABEL.name]
    predictions = [
        np.asarray(answer(**{n: v[i : i + _BATCH] for n, v in columns.items()})[PREDICTION])
        for i in range(0, len(labels), _BATCH)
    ]
    predicted = np.concatenate(predictions)
    return Interpretation(
        _typical(columns),
        fit(predicted, labels, columns),
        fit_errors(predicted, labels, columns),
    )


def _typical(columns: Mapping[str, np.ndarray]) -> dict[str, str | float | None]:
    words = _most_frequent([columns[category.name] for category in categories()])
    chosen = dict(zip((category.name for category in categories()), words, strict=True))
    return {
        name: chosen[name] if name in chosen else _middle(values)
        for name, values in columns.items()
    }


def _most_frequent(columns: Sequence[np.ndarray]) -> list[str]:
    """The words that are together most often: of each column alone, they could contradict."""
    if not columns:
        return []
    coded = [np.unique(column, return_inverse=True) for column in columns]
    places = np.stack([places.reshape(-1) for _, places in coded], axis=1)
    found, counts = np.unique(places, axis=0, return_counts=True)
    together = found[np.argmax(counts)]
    return [words[place].decode() for (words, _), place in zip(coded, together, strict=True)]


def _middle(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, 0.5, method="lower")) if len(known) else None


def write(interpretation: Interpretation, path: str) -> None:
    """Writes it beside a SavedModel.

    Args:
        interpretation: Of that model.
        path: The SavedModel's folder.
    """
    import tensorflow as tf

    file = f"{path}/{FILE}"
    tf.io.gfile.makedirs(file.rpartition("/")[0])
    with tf.io.gfile.GFile(file, "w") as stream:
        content = dataclasses.asdict(interpretation)
        stream.write(json.dumps(content, indent=1, allow_nan=False) + "\n")


def read(path: str) -> Interpretation | None:
    """Reads what `write` wrote.

    Args:
        path: The SavedModel's folder.

    Returns:
        None for a model that was written without.

    Raises:
        ValueError: If the file is not whole.
    """
    import tensorflow as tf

    file = f"{path}/{FILE}"
    if not tf.io.gfile.exists(file):
        return None
    with tf.io.gfile.GFile(file) as stream:
        return TypeAdapter(Interpretation).validate_json(stream.read())
