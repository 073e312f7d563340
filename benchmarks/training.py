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
    chunks = transformed_chunks([f"{examples}/*"], transform)
    ours = training_dataset(chunks, BATCH, cache=True, seed=1)
    memory = tf.data.Dataset.from_tensors(next(iter(ours))).cache().repeat().prefetch(8)
    stock = tfxio.TensorFlowDatasetOptions(batch_size=BATCH, label_key=LABEL.name)
    return (
        _rate(transform, ours),
        _rate(transform, _stock_dataset(transform, stock_examples, stock)),
        _rate(transform, memory),
    )


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
