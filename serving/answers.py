"""What is answered to rows, as columns beside them: of a batch, of a stream."""

from __future__ import annotations

import numpy as np

from models.coded_words import ColumnsOrCodes
from models.intervals import Intervals
from models.names import PREDICTED


def answers_of(
    predictions: np.ndarray, intervals: Intervals | None, columns: ColumnsOrCodes
) -> dict[str, np.ndarray]:
    """The prediction, and the ends of its intervals.

    Args:
        predictions: In the label's unit, `[rows]`.
        intervals: Those of the model, if it has some.
        columns: What was asked.

    Returns:
        By name `PREDICTED`, `PREDICTED_80_low` and so on, `[rows]` each.
    """
    answers = {PREDICTED: predictions}
    if intervals:
        for level, ends in intervals.around(predictions, columns).items():
            answers[f"{PREDICTED}_{level}_low"] = ends[:, 0]
            answers[f"{PREDICTED}_{level}_high"] = ends[:, 1]
    return answers
