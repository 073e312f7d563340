"""What TFMA found in each slice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import metrics_for_slice_pb2
from tensorflow_model_analysis.writers import eval_config_writer

from models.declaration import Bounds
from models.evaluation import bounds_of
from report.facts import Metric, Slice

RMSE, MAE = "root_mean_squared_error", "mean_absolute_error"
CALIBRATION, BIAS, COUNT = "calibration", "bias", "example_count"

_Value: TypeAlias = metrics_for_slice_pb2.MetricsForSlice.MetricKeyAndValue
_Values: TypeAlias = Mapping[tuple[str, str], _Value]
"""Values of a slice, by whose they are (candidate, baseline or change) and name."""

_CHANGE = "change"


def read_slices(uri: str) -> tuple[Slice, ...]:
    """Reads the slices of a ModelEvaluation: all examples first, then the worst RMSE first."""
    bounds = read_bounds(uri)
    found = []
    for record in tfma.load_metrics(uri):
        feature, value = slice_name(record.slice_key)
        values = _values(record)
        examples = round(_number(values[tfma.CANDIDATE_KEY, COUNT].value))
        small = bool(feature) and examples < bounds.min_slice_size
        found.append(
            Slice(
                feature=feature,
                value=value,
                examples=examples,
                rmse=_metric(values, RMSE),
                mae=_metric(values, MAE),
                calibration=_metric(values, CALIBRATION),
                bias=_metric(values, BIAS),
                judged=not feature or (feature in bounds.judged_slices and not small),
                small=small,
            )
        )
    return tuple(sorted(found, key=lambda s: (bool(s.feature), -s.rmse.value)))


def read_bounds(uri: str) -> Bounds:
    """Reads the bounds that a ModelEvaluation held the model to."""
    config, *_ = eval_config_writer.load_eval_run(uri)
    return bounds_of(config)


def slice_name(key: metrics_for_slice_pb2.SliceKey) -> tuple[str, str]:
    """The slicing feature and its value; two empty texts for all examples."""
    for single in key.single_slice_keys:
        return single.column, single.bytes_value.decode()
    return "", ""


def _values(record: metrics_for_slice_pb2.MetricsForSlice) -> _Values:
    return {
        # Without a baseline, TFMA leaves out the candidate's name.
        (_CHANGE if v.key.is_diff else v.key.model_name or tfma.CANDIDATE_KEY, v.key.name): v
        for v in record.metric_keys_and_values
    }


def _metric(values: _Values, name: str) -> Metric:
    candidate = values[tfma.CANDIDATE_KEY, name]
    baseline, change = values.get((tfma.BASELINE_KEY, name)), values.get((_CHANGE, name))
    return Metric(
        value=_number(candidate.value),
        interval=_interval(candidate),
        baseline=_number(baseline.value) if baseline else None,
        change=_number(change.value) if change else None,
        change_interval=_interval(change) if change else None,
    )


def _interval(value: _Value) -> tuple[float, float] | None:
    if not value.HasField("confidence_interval"):
        return None
    bounds = value.confidence_interval.lower_bound, value.confidence_interval.upper_bound
    low, high = map(_number, bounds)
    # Not a number where a resampling left out all examples of a small slice.
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _number(value: metrics_for_slice_pb2.MetricValue) -> float:
    return value.double_value.value
