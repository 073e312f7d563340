"""What a caller may ask for beside a prediction: how sure it is, and what made it.

The intervals and the reference that attributions compare with were written beside the model; a
version without them answers predictions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request

from models.attributions import mixtures
from models.features import FEATURES
from models.interpretation import Interpretation
from models.names import PREDICTION, SERVING
from models.request import RequestError
from serving.instances import Columns, from_rows, row_count
from serving.refusals import InputError
from serving.server.service import Service

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import SavedModel

INTERVALS, ATTRIBUTIONS = "intervals", "attributions"
"""The parameters."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks for beside the prediction."""

    intervals: bool = False
    attributions: bool = False

    def __bool__(self) -> bool:
        return self.intervals or self.attributions


@dataclass(frozen=True)
class Explained:
    """Predictions, and what was asked for beside them.

    Attributes:
        predictions: In the label's unit, `[rows]`.
        intervals: Ends by level, `[rows, 2]` each; none if they were not asked for.
        reference: Prediction of the reference, `[rows]`; None without attributions.
        shares: How much each feature moves the prediction from there, `[rows, features]`.
    """

    predictions: np.ndarray
    intervals: Mapping[int, np.ndarray]
    reference: np.ndarray | None = None
    shares: np.ndarray | None = None

    def rows(self) -> list[dict[str, Any]]:
        """As JSON has it, an object for each row."""
        found: list[dict[str, Any]] = [{PREDICTION: value} for value in self.predictions]
        for index, row in enumerate(found):
            if self.intervals:
                row[INTERVALS] = {
                    str(level): ends[index].astype(np.float32)
                    for level, ends in self.intervals.items()
                }
            if self.reference is not None and self.shares is not None:
                row[ATTRIBUTIONS] = {
                    "reference": float(self.reference[index]),
                    "features": dict(
                        zip((f.name for f in FEATURES), self.shares[index].tolist(), strict=True)
                    ),
                }
        return found

    def tensors(self) -> dict[str, np.ndarray]:
        """By name, `[rows]` each."""
        found = {PREDICTION: self.predictions}
        for level, ends in self.intervals.items():
            found |= {f"lower_{level}": ends[:, 0], f"upper_{level}": ends[:, 1]}
        if self.reference is not None and self.shares is not None:
            found["reference"] = self.reference
            found |= {
                f"attribution_{f.name}": its for f, its in zip(FEATURES, self.shares.T, strict=True)
            }
        return found


def wanted(parameters: Any) -> Wanted:
    """Reads what a request has as its parameters; None if it has nothing.

    Raises:
        RequestError: If they are not as documented.
    """
    cure = f"Give {INTERVALS} and {ATTRIBUTIONS}, true or false, or leave them out."
    if parameters is None:
        return Wanted()
    if not isinstance(parameters, dict):
        raise RequestError("The parameters are no object.", cure)
    for name, value in parameters.items():
        if name not in (INTERVALS, ATTRIBUTIONS):
            raise RequestError(f"There is no parameter {name[:100]!r}.", cure)
        if not isinstance(value, bool):
            raise RequestError(f"The parameter {name} is neither true nor false.", cure)
    return Wanted(**parameters)


def interpretation_of(model: SavedModel) -> Interpretation:
    """What goes with a version.

    Raises:
        InputError: If it was pushed without.
    """
    if model.interpretation is None:
        raise InputError(
            f"Version {model.version} was pushed without {INTERVALS} and {ATTRIBUTIONS}.",
            "Ask without parameters, or push a model that is trained anew.",
        )
    return model.interpretation


async def explain(
    service: Service, request: Request, model: SavedModel, columns: Columns, asked: Wanted
) -> Explained:
    """The model's answer, with what was asked for beside it, by one call of the model.

    Raises:
        RefusedError: If there are too many rows, the version has no such thing, or no answer.
    """
    signature, rows = model.signatures[SERVING], row_count(columns)
    if not asked.attributions:
        answer = await service.ask(request, signature, columns)
        predictions, reference, shares = answer[PREDICTION], None, None
    else:
        mixed = mixtures(len(columns))
        most = service.settings.max_rows // len(mixed)
        if rows > most:
            raise InputError(
                f"The request has {rows} rows, and asks for {ATTRIBUTIONS}, for which the model is "
                f"asked {len(mixed)} times as many.",
                f"Send at most {most} at once.",
            )
        start = from_rows([interpretation_of(model).reference])
        answer = await service.compute(signature, mixed.mix(columns, start))
        predictions = answer[PREDICTION].reshape(rows, -1)[:, -1]
        service.answered(request, columns, {PREDICTION: predictions})
        reference, shares = mixed.shares(answer[PREDICTION])
    intervals: Mapping[int, np.ndarray] = {}
    if asked.intervals:
        intervals = interpretation_of(model).intervals.around(predictions, columns)
    return Explained(predictions, intervals, reference, shares)
