"""Regression metrics for TFMA that cost per batch, not per example.

Stock TFMA calls Python once per example, slice and metric, which takes most of a run on large eval
splits. All our metrics follow from five sums over the examples of a slice, so the extractor here
adds up each batch by slice with numpy, and TFMA's own machinery does the rest: it merges the sums
of all batches on any Beam runner, derives the metrics and their change from the baseline, applies
the thresholds and writes its usual output.

TFMA's confidence intervals come of a jackknife: it deals what it is given of each slice into 20
buckets, at random and without a seed, and sees how much a metric moves as each is left out. So it
is given groups of records: many enough for buckets of about one size, and their number does not
grow with the eval split. The examples made of one record are in one group, for they err alike:
taken for independent, two of them would make intervals too narrow by up to a third.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from models.names import PREDICTION
from models.resampling import RESAMPLING_GROUPS, resampling_groups
from models.slicing import slices_of_rows

SUMS_KEY = "residual_sums"
"""Key of the extract that holds the sums by model name."""

COUNT, LABELS, PREDICTIONS, ABSOLUTE, SQUARED = range(5)
"""Places in a vector of sums: examples, labels, predictions, absolute and squared errors."""


def _root_mean_squared_error(sums: np.ndarray) -> float:
    return math.sqrt(sums[SQUARED] / sums[COUNT])


def _calibration(sums: np.ndarray) -> float:
    # Labels of both signs may add up to nothing.
    return sums[PREDICTIONS] / sums[LABELS] if sums[LABELS] else math.nan


FORMULAS: dict[str, Callable[[np.ndarray], float]] = {
    "root_mean_squared_error": _root_mean_squared_error,
    "mean_absolute_error": lambda sums: sums[ABSOLUTE] / sums[COUNT],
    "mean_label": lambda sums: sums[LABELS] / sums[COUNT],
    "mean_prediction": lambda sums: sums[PREDICTIONS] / sums[COUNT],
    "bias": lambda sums: (sums[PREDICTIONS] - sums[LABELS]) / sums[COUNT],
    "calibration": _calibration,
    "example_count": lambda sums: sums[COUNT],
}
"""Metrics by name, in the label's unit; bias is mean prediction minus mean label, calibration the
former over the latter."""

MIN_GROUPS = 26
"""Groups that thirty records fill. A slice that fills fewer has no confidence intervals: of the 95%
intervals of an RMSE over ten records only 85% hold the truth, over thirty 90%."""

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

    @property
    def compute_confidence_interval(self) -> bool:
        """Whether resampling says anything about the metric; not about counts, nor about `JUDGED`.

        TFMA asks for the metric, not for its change from the baseline, which has intervals always.
        """
        return self.name not in ("example_count", JUDGED)


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
            return {key: _metric(name, min_slice_size, metrics[sums_key])}

        computations += [
            tfma.metrics.MetricComputation(
                keys=[sums_key],
                preprocessors=[_SumsOfModel(model_name)],
                combiner=_AddSumsAs(sums_key),
            ),
            tfma.metrics.DerivedMetricComputation(keys=[key], result=derived),
        ]
    return computations


def _metric(name: str, min_slice_size: int, sums: np.ndarray) -> float:
    if not sums[COUNT]:
        # A sample that leaves out all rows of a small slice. Without a value for it TFMA would
        # complain; not a number in one sample makes the interval not a number.
        return math.nan
    if name != JUDGED:
        return float(FORMULAS[name](sums))
    return _root_mean_squared_error(sums) if sums[COUNT] >= min_slice_size else 0.0


class _SumsOfModel(tfma.metrics.Preprocessor):
    """Hands the combiner the sums of one model."""

    def __init__(self, model_name: str) -> None:
        super().__init__(name=f"sums_of_{model_name}")
        self._model_name = model_name

    def process(self, extracts: tfma.Extracts) -> Iterator[np.ndarray]:
        yield extracts[SUMS_KEY][self._model_name]


class _AddSums(beam.CombineFn):
    """Adds arrays of sums of one shape."""

    def create_accumulator(self) -> np.ndarray:
        return np.zeros(())

    def add_input(self, accumulator: np.ndarray, sums: np.ndarray) -> np.ndarray:
        return accumulator + sums

    def merge_accumulators(self, accumulators: Iterable[np.ndarray]) -> np.ndarray:
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: np.ndarray) -> Any:
        return accumulator


class _AddSumsAs(_AddSums):
    """Adds sums and gives them the name of a metric."""

    def __init__(self, key: tfma.metrics.MetricKey) -> None:
        super().__init__()
        self._key = key

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
        sum_extractor(eval_config),
    ]


def sum_extractor(eval_config: config_pb2.EvalConfig) -> tfma.extractors.Extractor:
    """What turns features, labels and predictions into sums by slice.

    Args:
        eval_config: Slices and models.
    """
    return tfma.extractors.Extractor(
        # The name that TFMA's evaluator waits for.
        stage_name=tfma.extractors.SLICE_KEY_EXTRACTOR_STAGE_NAME,
        ptransform=_SumBySlice(eval_config),
    )


class _SumBySlice(beam.PTransform):
    """Turns batches into `RESAMPLING_GROUPS` extracts per slice found in them."""

    def __init__(self, eval_config: config_pb2.EvalConfig) -> None:
        super().__init__()
        self._slices = [tuple(spec.feature_keys) for spec in eval_config.slicing_specs]
        self._models = [spec.name for spec in eval_config.model_specs]

    def expand(self, pcoll: beam.PCollection) -> beam.pvalue.PValue:
        return (
            pcoll
            | "SumBySlice" >> beam.FlatMap(_sum_by_slice, self._slices, self._models)
            | "AddBatches" >> beam.CombinePerKey(_AddSums())
            | "ExtractPerGroup" >> beam.FlatMap(_extract_per_group, self._models)
        )


def _sum_by_slice(
    batch: tfma.Extracts, slices: Sequence[tuple[str, ...]], models: Sequence[str]
) -> Iterator[tuple[tuple, np.ndarray]]:
    """The slices of a batch, each with its sums, `[models, RESAMPLING_GROUPS, 5]`."""
    labels = _by_model(batch[tfma.LABELS_KEY], models)
    predictions = _by_model(batch[tfma.PREDICTIONS_KEY], models)
    terms = np.concatenate([_terms(labels[model], predictions[model]) for model in models])
    rows = terms.shape[1]
    groups = resampling_groups(batch[tfma.FEATURES_KEY], rows)
    for keys in slices:
        found, places = slices_of_rows(batch[tfma.FEATURES_KEY], keys, rows)
        cells, size = places * RESAMPLING_GROUPS + groups, len(found) * RESAMPLING_GROUPS
        sums = np.stack([np.bincount(cells, term, size) for term in terms])
        by_slice = sums.reshape(len(models), -1, len(found), RESAMPLING_GROUPS).transpose(
            2, 0, 3, 1
        )
        yield from zip(found, by_slice, strict=True)


def _extract_per_group(
    sums_of_slice: tuple[tuple, np.ndarray], models: Sequence[str]
) -> Iterator[tfma.Extracts]:
    """What TFMA deals: also empty groups, so that the slice is in each of its samples."""
    slice_key, sums = sums_of_slice
    if np.count_nonzero(sums[0, :, COUNT]) < MIN_GROUPS:
        # All records in one group: whatever TFMA leaves out, no interval comes of it.
        whole = sums.sum(axis=1)
        sums = np.zeros_like(sums)
        sums[:, 0] = whole
    for group in range(RESAMPLING_GROUPS):
        by_model = dict(zip(models, sums[:, group], strict=True))
        yield {tfma.SLICE_KEY_TYPES_KEY: [slice_key], SUMS_KEY: by_model}


def _by_model(column: Any, models: Sequence[str]) -> dict[str, np.ndarray]:
    """A column, `[batch]`, for each model; TFMA leaves out the name of a single one."""
    columns = {models[0]: column} if len(models) == 1 else column
    outputs = {m: c[PREDICTION] if isinstance(c, dict) else c for m, c in columns.items()}
    return {m: np.asarray(output, np.float64).reshape(-1) for m, output in outputs.items()}


def _terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """What each example adds to the sums, `[5, examples]`."""
    errors = predictions - labels
    return np.stack([np.ones_like(labels), labels, predictions, np.abs(errors), errors**2])
