"""Tries a version before it answers anybody: it must take what is declared, and answer sensibly.

The calls also do what TensorFlow puts off until a graph is first run, in the sizes of batch that
will be met, so that no caller waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.errors import UserError
from models.declaration import Category, Feature
from models.features import FEATURES, LABEL
from models.judging import EXAMPLE_REQUEST
from models.names import EXAMPLES, PREDICTION, SERVING
from serving.examples import example_of
from serving.instances import Columns, from_rows, row_count
from serving.records.recorded_requests import Row
from serving.versions.saved_model import SavedModel

ROWS = 64
"""Rows that are tried; enough for every declared word to occur."""

_GOLDEN_RATIO = 0.6180339887498949
_TOLERANCE = 1e-3
"""How far answers to one row may lie apart, relative to the larger: more than rounding makes."""


def warm_up(model: SavedModel, largest: int, recorded: Sequence[Row] = ()) -> None:
    """Calls the model as it will be called.

    Args:
        model: The version, loaded.
        largest: Rows of the largest batch to expect.
        recorded: What callers have asked, if that is kept; tried beside what is declared.

    Raises:
        UserError: If the version must not serve, with the reason.
    """
    _check_inputs(model)
    columns = from_rows([*(_row(index) for index in range(ROWS)), *recorded])
    answers = _ask(model, columns)
    for size in (1, largest):
        _ask(model, {name: np.resize(values, size) for name, values in columns.items()})
    alone = [_ask(model, {n: v[i : i + 1] for n, v in columns.items()})[0] for i in range(4)]
    _compare(model, "a row alone and in a batch", np.array(alone), answers[:4])
    if EXAMPLES in model.signatures:
        again = model.signatures[EXAMPLES]({"examples": _examples(columns)})[PREDICTION]
        _compare(model, f"{SERVING} and {EXAMPLES}", answers, again)
    if model.interpretation:
        # Made for today's declaration, or refused here and not when somebody asks.
        _ask(model, from_rows([model.interpretation.reference]))
        model.interpretation.intervals.around(answers, columns)
    (example,) = _ask(model, from_rows([dict(EXAMPLE_REQUEST)]))
    if not LABEL.minimum <= example <= LABEL.maximum:
        raise _refused(
            model,
            f"answers the example request with {example:g}, which is not within "
            f"{LABEL.minimum:g} to {LABEL.maximum:g}",
        )


def _check_inputs(model: SavedModel) -> None:
    if SERVING not in model.signatures:
        raise _refused(model, f"has no signature {SERVING}")
    signature = model.signatures[SERVING]
    declared = {feature.name for feature in FEATURES}
    if different := declared ^ signature.inputs.keys():
        raise _refused(
            model,
            "was trained on other features than models/features.py declares "
            f"({', '.join(sorted(different))})",
        )
    if PREDICTION not in signature.outputs:
        raise _refused(model, f"gives no {PREDICTION}")


def _ask(model: SavedModel, columns: Columns) -> np.ndarray:
    answers = model.signatures[SERVING](columns)[PREDICTION]
    if answers.shape != (row_count(columns),):
        raise _refused(model, f"answers {row_count(columns)} rows with shape {answers.shape}")
    if not np.isfinite(answers).all():
        raise _refused(model, "answers with what is no finite number")
    return answers


def _compare(model: SavedModel, what: str, one: np.ndarray, other: np.ndarray) -> None:
    if one.shape != other.shape or not np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise _refused(model, f"answers {what} differently")


def _refused(model: SavedModel, reason: str) -> UserError:
    return UserError(
        f"Version {model.version} {reason}.", "Push another; the one before goes on answering."
    )


def _row(index: int) -> dict[str, str | float]:
    return {feature.name: _value(feature, index, n) for n, feature in enumerate(FEATURES, start=1)}


def _value(feature: Feature, index: int, number: int) -> str | float:
    """A value of the feature; over many rows all of them, in ever new company."""
    if isinstance(feature, Category):
        return feature.vocabulary[index % len(feature.vocabulary)]
    return feature.minimum + (feature.maximum - feature.minimum) * (
        index * number * _GOLDEN_RATIO % 1
    )


def _examples(columns: Columns) -> np.ndarray:
    rows = ({n: values[i] for n, values in columns.items()} for i in range(row_count(columns)))
    return np.array([example_of(row).SerializeToString() for row in rows], dtype=object)
