"""Turns raw columns into what the network reads: indices, buckets, z-scores and hashed crosses.

The same graph runs over the training examples and inside the pushed model, so training and serving
can't disagree. Everything here follows from the declaration in `models/features.py`.

What unseen and missing values become:

* a category that is missing, or empty, is `Unknown`, a word like any other;
* a category that training never saw gets the index after the last of its vocabulary;
* a number outside the boundaries falls in the first or the last bucket;
* an optional number that is missing is the mean of those known, and an indicator says so; in a
  cross it is `Unknown`;
* crosses hash the words and buckets themselves, so an unseen combination shares a bucket at random.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tensorflow_transform as tft

from models import autograph  # noqa: F401, for its effect
from models import features as declared
from models.declaration import UNKNOWN, Category, Feature, Number

SEPARATOR = "|"
"""Joins the parts of a cross before hashing; no vocabulary contains it."""

_QUANTILE_ERROR = 0.01
"""Largest error of a quantile's rank, as `tft.bucketize` has it."""

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


def unknown_name(feature: Number) -> str:
    """Name of the indicator of an optional number: 1 where it is unknown, else 0."""
    return f"{feature.name}_unknown"


def preprocessing_fn(inputs: Tensors) -> dict[str, tf.Tensor]:
    """Builds the transform graph; called by TensorFlow Transform.

    Args:
        inputs: One tensor per column, dense `[batch, 1]` where the schema says it is always
            present, else sparse `[batch, n]`.

    Returns:
        Tensors of shape `[batch]`: per category its vocabulary index (int64); per number its
        z-score (float32), bucket indices and, if it is optional, its indicator (int64); per cross
        its hash bucket (int64); and the label, in its unit (float32).
    """
    outputs: dict[str, tf.Tensor] = {}
    parts: dict[str, tf.Tensor] = {}
    for feature in declared.FEATURES:
        value = raw_value(inputs[feature.name], feature)
        if isinstance(feature, Category):
            outputs[feature.name] = tft.compute_and_apply_vocabulary(
                value,
                num_oov_buckets=1,
                vocab_filename=feature.name,
                # All the same: with weights, TensorFlow counts the words of a batch, and Beam
                # adds up counts rather than words.
                weights=tf.ones_like(value, tf.float32),
                name=feature.name,
            )
            parts[feature.name] = value
            continue
        present, unknown = value, None
        if feature.optional:
            unknown = tf.math.is_nan(value)
            present = tf.boolean_mask(value, tf.logical_not(unknown))
            value = tf.where(unknown, tft.mean(present), value)
            outputs[unknown_name(feature)] = tf.cast(unknown, tf.int64)
        outputs[z_score_name(feature)] = tft.scale_to_z_score(value)
        if feature.quantiles:
            # Boundaries of what is known alone: the means that stand in are all the same.
            error = min(1 / feature.quantiles, _QUANTILE_ERROR)
            boundaries = tft.quantiles(present, feature.quantiles, error)
            outputs[quantile_name(feature)] = tft.apply_buckets(value, boundaries)
        if feature.boundaries:
            bucket = tft.apply_buckets(value, tf.constant([feature.boundaries], tf.float32))
            outputs[bucket_name(feature)] = bucket
            part = tf.strings.as_string(bucket)
            parts[feature.name] = part if unknown is None else tf.where(unknown, UNKNOWN, part)
    for cross in declared.CROSSES:
        joined = tf.strings.join([parts[parent] for parent in cross.parents], separator=SEPARATOR)
        outputs[cross.name] = tf.strings.to_hash_bucket_fast(joined, cross.buckets)
    label = tf.squeeze(inputs[declared.LABEL.name], axis=1)
    outputs[declared.LABEL.name] = tf.cast(label, tf.float32)
    return outputs


def raw_value(tensor: tf.Tensor | tf.SparseTensor, feature: Feature) -> tf.Tensor:
    """A column as parsed, as a dense `[batch]`; what is missing is `UNKNOWN` or NaN."""
    category = isinstance(feature, Category)
    if not category:
        tensor = tf.cast(tensor, tf.float32)  # Before it is filled: whole numbers have no NaN.
    if isinstance(tensor, tf.SparseTensor):
        default = UNKNOWN if category else float("nan")
        tensor = tft.sparse_tensor_to_dense_with_shape(tensor, [None, 1], default)
    value = tf.squeeze(tensor, axis=1)
    return tf.where(tf.equal(value, ""), UNKNOWN, value) if category else value
