"""Regression metrics for TFMA that cost per batch, not per example.

Stock TFMA calls Python once per example, slice and metric, which takes most of a run on large eval
splits. All our metrics follow from five sums over the examples of a slice, so the extractor here
adds up each batch by slice with numpy, and TFMA's own machinery does the rest: it merges the sums
of all batches on any Beam runner, derives the metrics and their change from the baseline, applies
the thresholds and writes its usual output. Where TFMA resamples for confidence intervals, the unit
is a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models.features import BANDS, GROUPS
from models.names import PREDICTION

SUMS_KEY = "residual_sums"
"""Key of the extract that holds the sums by model name."""

COUNT, LABELS, PREDICTIONS, ABSOLUTE, SQUARED = range(5)
"""Places in a vector of sums: examples, labels, predictions, absolute and squared errors."""


def _root_mean_squared_error(sums: np.ndarray) -> float:
    return math.sqrt(sums[SQUARED] / sums[COUNT])


FORMULAS: dict[str, Callable[[np.ndarray], float]] = {
    "root_mean_squared_error": _root_mean_squared_error,
    "mean_absolute_error": lambda sums: sums[ABSOLUTE] / sums[COUNT],
    "mean_label": lambda sums: sums[LABELS] / sums[COUNT],
    "mean_prediction": lambda sums: sums[PREDICTIONS] / sums[COUNT],
    "calibration": lambda sums: sums[PREDICTIONS] / sums[LABELS],
    "example_count": lambda sums: sums[COUNT],
}
"""Metrics by name, in pounds; calibration is mean prediction over mean label."""

JUDGED = "judged_root_mean_squared_error"
"""RMSE of slices large enough to judge; 0 for the others, so no bound stops them."""


class ResidualMetric(tfma.metrics.Metric):
    """A metric of this module, by its name; what a `MetricConfig` names as its class.

    Args:
        name: A name of `FORMULAS`, or `JUDGED`.
        min_slice_size: For `JUDGED`: examples below which a slice is not judged.
        code: Fingerprint of the evaluation's code; it only makes TFX's cache see a change of it.
    """

    def __init__(self, name: str, min_slice_size: int = 0, code: str = "") -> None:
        super().__init__(_computations, name=name, min_slice_size=min_slice_size, code=code)


def _computations(
    name: str, min_slice_size: int, code: str, model_names: Sequence[str] | None = None
) -> tfma.metrics.MetricComputations:
    """Per model the shared sums, and the metric derived from them."""
    del code
    computations: list = []
    for model_name in model_names or [""]:
        sums_key = tfma.metrics.MetricKey("_residual_sums", model_name=model_name)
        key = tfma.metrics.MetricKey(name, model_name=model_name)

        def derived(
            metrics: dict, sums_key: Any = sums_key, key: Any = key
        ) -> dict[tfma.metrics.MetricKey, float]:
            sums = metrics[sums_key]
            if name != JUDGED:
                return {key: float(FORMULAS[name](sums))}
            large = sums[COUNT] >= min_slice_size
            return {key: _root_mean_squared_error(sums) if large else 0.0}

        computations += [
            tfma.metrics.MetricComputation(
                keys=[sums_key],
                preprocessors=[_SumsOfModel(model_name)],
                combiner=_AddSums(sums_key),
            ),
            tfma.metrics.DerivedMetricComputation(keys=[key], result=derived),
        ]
    return computations


class _SumsOfModel(tfma.metrics.Preprocessor):
    """Hands the combiner the sums of one model."""

    def __init__(self, model_name: str) -> None:
        super().__init__(name=f"sums_of_{model_name}")
        self._model_name = model_name

    def process(self, extracts: tfma.Extracts) -> Iterator[np.ndarray]:
        yield extracts[SUMS_KEY][self._model_name]


class _AddSums(beam.CombineFn):
    """Adds vectors of sums."""

    def __init__(self, key: tfma.metrics.MetricKey) -> None:
        super().__init__()
        self._key = key

    def create_accumulator(self) -> np.ndarray:
        return np.zeros(5)

    def add_input(self, accumulator: np.ndarray, sums: np.ndarray) -> np.ndarray:
        return accumulator + sums

    def merge_accumulators(self, accumulators: Iterable[np.ndarray]) -> np.ndarray:
        return np.sum(list(accumulators), axis=0)

    def extract_output(self, accumulator: np.ndarray) -> dict[tfma.metrics.MetricKey, np.ndarray]:
        return {self._key: accumulator}


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """What TFX's Evaluator runs on the examples before the metrics.

    Args:
        eval_shared_model: The candidate model, or a list of candidate and baseline.
        eval_config: Slices and models.
        tensor_adapter_config: How columns become tensors.

    Returns:
        TFMA extractors: of features, labels, predictions and sums.
    """
    return [
        tfma.extractors.FeaturesExtractor(
            eval_config=eval_config,
            tensor_representations=tensor_adapter_config.tensor_representations,
        ),
        tfma.extractors.LabelsExtractor(eval_config=eval_config),
        tfma.extractors.PredictionsExtractor(
            eval_config=eval_config, eval_shared_model=eval_shared_model
        ),
        tfma.extractors.Extractor(
            # The name that TFMA's evaluator waits for.
            stage_name=tfma.extractors.SLICE_KEY_EXTRACTOR_STAGE_NAME,
            ptransform=_SumBySlice(eval_config),
        ),
    ]


class _SumBySlice(beam.PTransform):
    """Turns each batch into one extract per slice found in it."""

    def __init__(self, eval_config: config_pb2.EvalConfig) -> None:
        super().__init__()
        self._slices = [tuple(spec.feature_keys) for spec in eval_config.slicing_specs]
        self._models = [spec.name for spec in eval_config.model_specs]

    def expand(self, pcoll: beam.PCollection) -> beam.pvalue.PValue:
        return pcoll | "SumBySlice" >> beam.FlatMap(_sum_by_slice, self._slices, self._models)


def _sum_by_slice(
    batch: tfma.Extracts, slices: Sequence[tuple[str, ...]], models: Sequence[str]
) -> Iterator[tfma.Extracts]:
    labels = _by_model(batch[tfma.LABELS_KEY], models)
    predictions = _by_model(batch[tfma.PREDICTIONS_KEY], models)
    rows = {model: _terms(labels[model], predictions[model]) for model in models}
    features = batch[tfma.FEATURES_KEY]
    for keys in slices:
        for slice_key, members in _members(features, keys, len(labels[models[0]])):
            sums = {model: terms[members].sum(axis=0) for model, terms in rows.items()}
            yield {tfma.SLICE_KEY_TYPES_KEY: [slice_key], SUMS_KEY: sums}


def _by_model(column: Any, models: Sequence[str]) -> dict[str, np.ndarray]:
    """A column, `[batch]`, for each model; TFMA leaves out the name of a single one."""
    columns = {models[0]: column} if len(models) == 1 else column
    outputs = {m: c[PREDICTION] if isinstance(c, dict) else c for m, c in columns.items()}
    return {m: np.asarray(output, np.float64).reshape(-1) for m, output in outputs.items()}


def _terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """What each example adds to the sums, `[examples, 5]`."""
    errors = predictions - labels
    return np.stack([np.ones_like(labels), labels, predictions, np.abs(errors), errors**2], axis=1)


def _members(
    features: dict[str, Any], keys: tuple[str, ...], examples: int
) -> Iterator[tuple[tuple, np.ndarray]]:
    """The slices that a batch has for these keys, each with the places of its examples."""
    if not keys:
        yield (), np.arange(examples)
        return
    columns = np.stack([slice_values(features, key) for key in keys], axis=1)
    values, inverse = np.unique(columns, axis=0, return_inverse=True)
    for index, value in enumerate(values):
        members = np.flatnonzero(inverse.reshape(-1) == index)
        yield tuple(zip(keys, map(str, value), strict=True)), members


def slice_values(features: dict[str, Any], key: str) -> np.ndarray:
    """The value of a slicing feature for each example of a batch.

    Args:
        features: Raw columns by name, dense, `[batch]` or `[batch, 1]`.
        key: A column, or the name of one of `models.features.BANDS` or `GROUPS`.

    Returns:
        Strings, `[batch]`.
    """
    for band in BANDS:
        if band.name == key:
            places = np.digitize(np.asarray(features[band.source]).reshape(-1), band.edges)
            return np.asarray(band.labels)[places]
    for group in GROUPS:
        if group.name == key:
            names = dict(group.names)
            return np.asarray(
                [names.get(v, group.otherwise) for v in _words(features[group.source])]
            )
    return np.asarray(_words(features[key]))


def _words(column: Any) -> list[str]:
    flat = np.asarray(column).reshape(-1)
    return [v.decode() if isinstance(v, bytes) else str(v) for v in flat]
