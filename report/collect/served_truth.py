"""How right logged predictions were, once their labels have come: judged as the gate would."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions

from models.declaration import Bounds
from models.error_estimate import ErrorModel
from models.features import LABEL
from models.logged_evaluation import evaluate_predictions
from report.collect.slice_metrics import read_slices
from report.collect.verdict import describe_violation, read_validation
from report.facts import Truth
from report.wording import Wording
from serving.watch.labels import LabelledRows

_WEEK = "served/week"
"""Slice of a week, named by its Monday."""


def judge_truth(
    labelled: LabelledRows,
    version: int,
    bounds: Bounds,
    errors: ErrorModel | None,
    beam: Sequence[str],
    wording: Wording,
) -> Truth | None:
    """Judges what a version answered, where labels are known, by the bounds of the gate.

    Returns:
        None if no row that it answered has a label.
    """
    own = labelled.rows.versions == version
    if not own.any():
        return None
    rows, labels = labelled.rows.where(own), labelled.labels[own]
    asked = rows.columns()
    columns = asked | {LABEL.name: labels, _WEEK: rows.weeks()}
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
        estimate=errors.estimate(rows.predictions, asked) if errors else None,
        slices=tuple(s for s in found if s.feature != _WEEK),
        weeks=tuple(sorted((s for s in found if s.feature == _WEEK), key=lambda week: week.value)),
    )
