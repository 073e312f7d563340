"""Training: examples a second of the whole loop, fed by our input, by TFX's, and from memory."""

# Keras carries no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio

from benchmarks.measure import seconds
from models.dataset import training_dataset, transformed_chunks
from models.features import HYPERPARAMETERS, LABEL
from models.model import input_sizes, wide_and_deep

BATCH = 512
STEPS = 400


def rates(
    examples: Path, transform_graph: Path, stock_examples: Path
) -> tuple[float, float, float]:
    """Examples a second of the same model fed by our input, by TFX's, and from memory.

    Args:
        examples: Folder of raw TFRecord files of the train split.
        transform_graph: The transform graph.
        stock_examples: Folder of the train split as stock Transform materialised it.
    """
    transform = tft.TFTransformOutput(str(transform_graph))
    stock = tfxio.TensorFlowDatasetOptions(batch_size=BATCH, label_key=LABEL.name)
    return (
        _rate(transform, _our_dataset(transform, examples)),
        _rate(transform, _stock_dataset(transform, stock_examples, stock)),
        memory_rate(examples, transform_graph),
    )


def memory_rate(examples: Path, transform_graph: Path) -> float:
    """Examples a second of the same steps on one batch from memory; see `rates`."""
    transform = tft.TFTransformOutput(str(transform_graph))
    batch = next(iter(_our_dataset(transform, examples)))
    return _rate(transform, tf.data.Dataset.from_tensors(batch).cache().repeat().prefetch(8))


def _our_dataset(transform: tft.TFTransformOutput, examples: Path) -> tf.data.Dataset:
    chunks = transformed_chunks([f"{examples}/*"], transform)
    return training_dataset(chunks, BATCH, cache=True, seed=1)


def _stock_dataset(
    transform: tft.TFTransformOutput, folder: Path, options: tfxio.TensorFlowDatasetOptions
) -> tf.data.Dataset:
    """What `fn_args.data_accessor.tf_dataset_factory` makes."""
    schema: schema_pb2.Schema = transform.transformed_metadata.schema
    files = sorted(str(file) for file in folder.iterdir())
    source = tfxio.TFExampleRecord(files, schema=schema, telemetry_descriptors=["benchmark"])
    return source.TensorFlowDataset(options)


def _rate(transform: tft.TFTransformOutput, batches: tf.data.Dataset) -> float:
    keras.utils.set_random_seed(1)
    model = wide_and_deep(input_sizes(transform), 7.2, STEPS, HYPERPARAMETERS)
    endless = iter(batches)

    def train() -> None:
        model.fit(endless, steps_per_epoch=STEPS, verbose=0)

    train()  # Traces the step and fills the caches.
    return BATCH * STEPS / seconds(train, runs=3)
