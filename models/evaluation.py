"""What makes a model fit to serve: metrics, slices and bounds, for TFMA."""

from __future__ import annotations

import json
import math

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models import features as declared
from models import metrics, names
from models.declaration import Bounds


def eval_config(bounds: Bounds, code: str) -> config_pb2.EvalConfig:
    """The configuration of TFX's Evaluator.

    Args:
        bounds: When a model is blessed.
        code: Fingerprint of the evaluation's code, so that the Evaluator runs again when it
            changes.

    Returns:
        Metrics on all slices, with 95% confidence intervals; bounds overall and on the slices
        judged. The bound on the rise is ignored by TFMA where there is no baseline.
    """
    overall = _threshold((), bounds.max_rmse, bounds.max_rmse_rise)
    slices = [
        _threshold((key,), bounds.max_slice_rmse, bounds.max_slice_rmse_rise)
        for key in bounds.judged_slices
    ]
    configs = [_metric(name, code=code) for name in metrics.FORMULAS]
    configs[0].per_slice_thresholds.append(overall)  # The first formula is the error judged.
    # A threshold on a slicing feature holds in every slice of it, also those too small to tell; so
    # what slices are judged by is a metric of its own, which is 0 in small ones.
    judged = _metric(metrics.JUDGED, code=code, min_slice_size=bounds.min_slice_size)
    judged.per_slice_thresholds.extend(slices)
    return config_pb2.EvalConfig(
        model_specs=[
            # Without its type, TFMA would load each model once more, with Keras, to find out.
            config_pb2.ModelSpec(
                signature_name=names.EXAMPLES,
                label_key=declared.LABEL.name,
                model_type=tfma.TF_GENERIC,
            ),
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[key]) for key in declared.SLICES),
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[*configs, judged])],
        options=config_pb2.Options(
            include_default_metrics={"value": False},
            compute_confidence_intervals={"value": True},
            confidence_intervals=config_pb2.ConfidenceIntervalOptions(
                # The bootstrap draws groups anew for each sample; it takes twice as long.
                method=config_pb2.ConfidenceIntervalOptions.JACKKNIFE
            ),
        ),
    )


def _metric(name: str, **config: str | int) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(
        class_name=metrics.ResidualMetric.__name__,
        module=metrics.__name__,
        config=json.dumps({"name": name} | config),
    )


def _threshold(
    keys: tuple[str, ...], bound: float, rise: float
) -> config_pb2.PerSliceMetricThreshold:
    return config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec(feature_keys=keys)],
        threshold=config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(upper_bound={"value": bound}),
            change_threshold=config_pb2.GenericChangeThreshold(
                direction=config_pb2.MetricDirection.LOWER_IS_BETTER, absolute={"value": rise}
            ),
        ),
    )


def bounds_of(config: config_pb2.EvalConfig) -> Bounds:
    """The bounds that `eval_config` wrote into a configuration."""
    configs = {json.loads(m.config)["name"]: m for s in config.metrics_specs for m in s.metrics}
    judged = configs[metrics.JUDGED]
    (overall,) = configs[next(iter(metrics.FORMULAS))].per_slice_thresholds
    limits = [_limits(threshold) for threshold in judged.per_slice_thresholds]
    # All slices that are judged have the same bounds; without any, none is ever crossed.
    max_slice_rmse, max_slice_rmse_rise = limits[0] if limits else (math.inf, math.inf)
    max_rmse, max_rmse_rise = _limits(overall)
    return Bounds(
        max_rmse=max_rmse,
        max_slice_rmse=max_slice_rmse,
        max_rmse_rise=max_rmse_rise,
        max_slice_rmse_rise=max_slice_rmse_rise,
        min_slice_size=json.loads(judged.config)["min_slice_size"],
        judged_slices=tuple(
            t.slicing_specs[0].feature_keys[0] for t in judged.per_slice_thresholds
        ),
    )


def _limits(threshold: config_pb2.PerSliceMetricThreshold) -> tuple[float, float]:
    """Highest RMSE, and highest rise of it."""
    bound = threshold.threshold
    return bound.value_threshold.upper_bound.value, bound.change_threshold.absolute.value
