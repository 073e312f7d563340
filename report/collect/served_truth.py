"""How right logged predictions were, once their labels have come: judged as the gate would."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.options.pipeline_options import PipelineOptions

from models.declaration import Bounds, Category
from models.features import FEATURES, LABEL
from models.logged_evaluation import evaluate_predictions
from report.collect.slice_metrics import read_slices
from report.collect.verdict import describe_violation, read_validation
from report.facts import Truth
from report.wording import Wording
from serving.watch.labels import LabelledRows

_WEEK = "served/week"
"""Slice of a week, named by its Monday."""


def judge_truth(
    labelled: LabelledRows, version: int, bounds: Bounds, beam: Sequence[str], wording: Wording
) -> Truth | None:
    """Judges what a version answered.

    Args:
        labelled: Rows whose labels are known.
        version: Whose answers to judge.
        bounds: When a model is blessed.
        beam: Options of Beam.
        wording: How to speak of the table.

    Returns:
        None if no row that it answered has a label.
    """
    own = labelled.rows.versions == version
    if not own.any():
        return None
    rows, labels = labelled.rows.where(own), labelled.labels[own]
    columns = {f.name: _column(rows.features[f.name], f) for f in FEATURES}
    columns |= {LABEL.name: labels, _WEEK: _weeks(rows.days)}
    with tempfile.TemporaryDirectory() as folder:
        evaluate_predictions(
            *(columns, bounds, (_WEEK,), rows.predictions.astype(np.float64)),
            *(folder, PipelineOptions(list(beam))),
        )
        found = read_slices(folder)
        violations, unjudged = read_validation(folder)
    reasons = (*(describe_violation(v, wording) for v in violations), *unjudged)
    overall = found[0]
    if overall.examples < bounds.min_slice_size:
        violations, reasons = (), ()
    return Truth(
        version=version,
        unlogged=labelled.unlogged,
        ambiguous=labelled.ambiguous,
        bounds=bounds,
        violations=violations,
        reasons=reasons,
        slices=tuple(s for s in found if s.feature != _WEEK),
        weeks=tuple(sorted((s for s in found if s.feature == _WEEK), key=lambda week: week.value)),
    )


def _column(values: pa.ChunkedArray, feature: object) -> np.ndarray:
    """As the slices take it: empty words and NaN where there is no value."""
    first = pc.list_element(values, 0)
    if isinstance(feature, Category):
        return pc.fill_null(first, b"").to_numpy()
    return pc.fill_null(first, float("nan")).to_numpy()


def _weeks(days: np.ndarray) -> np.ndarray:
    """The Monday of each day."""
    # The first day of time was a Thursday.
    mondays = days - ((days.astype(np.int64) + 3) % 7).astype("timedelta64[D]")
    found, places = np.unique(mondays, return_inverse=True)
    names = np.array([_name(monday.item()) for monday in found], object)
    return names[places]


def _name(monday: datetime.date) -> bytes:
    return monday.isoformat().encode()
