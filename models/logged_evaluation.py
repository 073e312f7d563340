"""Judges predictions that were made before their labels were known, as the Evaluator does a model.

The same slices, metrics, intervals and bounds; TFMA gets what was answered, and calls no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis.proto import config_pb2

from models import features as declared
from models.declaration import Bounds
from models.evaluation import eval_config
from models.metrics import sum_extractor

_BATCH = 16_384


def evaluate_predictions(
    columns: Mapping[str, np.ndarray],
    bounds: Bounds,
    further_slices: tuple[str, ...],
    predictions: np.ndarray,
    folder: str,
    options: PipelineOptions,
) -> None:
    """Evaluates predictions.

    Args:
        columns: The features as `slice_places` takes them, the label, and the further slices'
            values, by name, `[rows]` each.
        bounds: When a model is blessed; those on a rise hold for nothing, without a baseline.
        further_slices: Columns to slice by beside the declared slices; they are not judged.
        predictions: In the label's unit, `[rows]`.
        folder: Gets what TFMA writes of a model.
        options: Of Beam.
    """
    config = eval_config(bounds, code="")
    config.slicing_specs.extend(
        config_pb2.SlicingSpec(feature_keys=[key]) for key in further_slices
    )
    config = tfma.utils.update_eval_config_with_defaults(
        config, has_baseline=False, rubber_stamp=True
    )
    extractor = sum_extractor(config)
    evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(eval_config=config)
    writers = tfma.default_writers(output_path=folder, eval_config=config)
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Batches" >> beam.Create(list(_batches(columns, predictions)))
            | extractor.stage_name >> extractor.ptransform
            | evaluator.stage_name >> evaluator.ptransform
            | "Write" >> tfma.WriteResults(writers=writers)
        )


def _batches(
    columns: Mapping[str, np.ndarray], predictions: np.ndarray
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(predictions), _BATCH):
        rows = slice(start, start + _BATCH)
        features: dict[str, Any] = dict.fromkeys(declared.CONTEXT)
        features |= {name: values[rows] for name, values in columns.items()}
        yield {
            tfma.FEATURES_KEY: features,
            tfma.LABELS_KEY: features[declared.LABEL.name],
            tfma.PREDICTIONS_KEY: predictions[rows],
        }
