"""Turns raw columns into what the network reads: indices, buckets, z-scores and hashed crosses.

The same graph runs over the training examples and inside the pushed model, so training and serving
can't disagree. Everything here follows from the declaration in `models/features.py`.

What unseen and missing values become:

* a category that is missing, or empty, is `Unknown`, a word like any other;
* a category that training never saw gets the index after the last of its vocabulary;
* a number outside the boundaries falls in the first or the last bucket;
* crosses hash the words and buckets themselves, so an unseen combination shares a bucket at random.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tensorflow_transform as tft

from models import autograph  # noqa: F401, for its effect
from models.declaration import UNKNOWN, Category, Feature, Number
from models.features import CROSSES, FEATURES, LABEL

SEPARATOR = "|"
"""Joins the parts of a cross before hashing; no vocabulary contains it."""

Tensors = Mapping[str, tf.Tensor | tf.SparseTensor]


def z_score_name(feature: Number) -> str:
    """Name of the number scaled to mean 0 and variance 1."""
    return f"{feature.name}_z"


def bucket_name(feature: Number) -> str:
    """Name of the number's index among its fixed buckets."""
    return f"{feature.name}_bucket"


def quantile_name(feature: Number) -> str:
    """Name of the number's index among its buckets of equal count."""
    return f"{feature.name}_quantile"


def preprocessing_fn(inputs: Tensors) -> dict[str, tf.Tensor]:
    """Builds the transform graph; called by TensorFlow Transform.

    Args:
        inputs: One tensor per column, dense `[batch, 1]` where the schema says it is always
            present, else sparse `[batch, n]`.

    Returns:
        Tensors of shape `[batch]`: per category its vocabulary index (int64); per number its
        z-score (float32) and bucket indices (int64); per cross its hash bucket (int64); and the
        label, in pounds (float32).
    """
    raw = {feature.name: _raw_value(inputs[feature.name], feature) for feature in FEATURES}
    outputs: dict[str, tf.Tensor] = {}
    parts: dict[str, tf.Tensor] = {}
    for feature in FEATURES:
        value = raw[feature.name]
        if isinstance(feature, Category):
            outputs[feature.name] = tft.compute_and_apply_vocabulary(
                value, num_oov_buckets=1, vocab_filename=feature.name, name=feature.name
            )
            parts[feature.name] = value
            continue
        outputs[z_score_name(feature)] = tft.scale_to_z_score(value)
        if feature.quantiles:
            outputs[quantile_name(feature)] = tft.bucketize(value, feature.quantiles)
        if feature.boundaries:
            bucket = tft.apply_buckets(value, tf.constant([feature.boundaries], tf.float32))
            outputs[bucket_name(feature)] = bucket
            parts[feature.name] = tf.strings.as_string(bucket)
    for cross in CROSSES:
        joined = tf.strings.join([parts[parent] for parent in cross.parents], separator=SEPARATOR)
        outputs[cross.name] = tf.strings.to_hash_bucket_fast(joined, cross.buckets)
    outputs[LABEL.name] = tf.squeeze(inputs[LABEL.name], axis=1)
    return outputs


def _raw_value(tensor: tf.Tensor | tf.SparseTensor, feature: Feature) -> tf.Tensor:
    """The column as a dense `[batch]`, missing categories filled with `UNKNOWN`."""
    if isinstance(tensor, tf.SparseTensor):
        default = UNKNOWN if isinstance(feature, Category) else float("nan")
        tensor = tft.sparse_tensor_to_dense_with_shape(tensor, [None, 1], default)
    value = tf.squeeze(tensor, axis=1)
    if isinstance(feature, Category):
        value = tf.where(tf.equal(value, ""), UNKNOWN, value)
    return value
