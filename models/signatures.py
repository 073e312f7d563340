"""How a pushed model is called.

`serving_default` takes raw named values, as a REST client sends them; `serving_examples` takes
serialized `tf.train.Example`s, as batch jobs and the Evaluator have them; `transform` takes raw
named values and answers with what the network would read. All three run the transform graph that
training ran.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from models import features as declared
from models.dataset import raw_features
from models.declaration import UNKNOWN, Category, Feature
from models.names import EXAMPLES, PREDICTION, SERVING, TRANSFORM


def save(
    model: keras.Model, transform: tft.TFTransformOutput, path: str
) -> tf.types.experimental.GenericFunction:
    """Writes a SavedModel with the three signatures.

    Args:
        model: The trained network.
        transform: The transform graph; it becomes part of the SavedModel, vocabularies included.
        path: Folder to write.

    Returns:
        `serving_default`, to ask it without loading the SavedModel.
    """
    layer = transform.transform_features_layer()
    model.transform_layer = layer  # Tracked, so that its vocabularies are saved.

    def predicted(raw: dict[str, tf.Tensor | tf.SparseTensor]) -> dict[str, tf.Tensor]:
        return {PREDICTION: tf.squeeze(model(_transformed(layer, raw), training=False), axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return predicted(raw_features(examples, transform, label=False))

    serving = _named(lambda values: predicted(raw_columns(values, transform)))
    model.save(
        path,
        save_format="tf",
        include_optimizer=False,
        # It is called by its signatures: functions of each layer would be two fifths of the file,
        # and a third of the time of loading it.
        save_traces=False,
        signatures={
            SERVING: serving,
            EXAMPLES: serve_examples,
            TRANSFORM: _named(lambda values: _transformed(layer, raw_columns(values, transform))),
        },
    )
    return serving


def _transformed(layer: keras.Model, raw: dict) -> dict[str, tf.Tensor]:
    outputs = dict(layer(raw))
    outputs.pop(declared.LABEL.name, None)
    return outputs


def raw_columns(values: dict[str, tf.Tensor], transform: tft.TFTransformOutput) -> dict:
    """Dense `[batch]` values as the columns that the schema describes."""
    spec = transform.raw_feature_spec()
    columns = {}
    for name, value in values.items():
        column = tf.expand_dims(value, 1)
        if isinstance(spec[name], tf.io.VarLenFeature):
            text = value.dtype == tf.string
            missing = tf.equal(column, "") if text else tf.math.is_nan(column)
            places = tf.where(tf.logical_not(missing))
            shape = tf.shape(column, tf.int64)
            column = tf.SparseTensor(places, tf.gather_nd(column, places), shape)
        columns[name] = tf.cast(column, spec[name].dtype)
    return columns


def _named(answer: Callable[[dict], dict]) -> tf.types.experimental.GenericFunction:
    """A function with one argument per feature; those that may be unknown have a default.

    A default is a single `Unknown` or NaN, which stands for the whole batch. TensorFlow writes
    defaults into the signature, so that TensorFlow Serving accepts a request without them.
    """
    ordered = sorted(
        declared.FEATURES, key=lambda f: not f.required
    )  # Arguments with defaults come last.

    def serve(*args: tf.Tensor, **kwargs: tf.Tensor) -> dict[str, tf.Tensor]:
        values = dict(zip((f.name for f in ordered), args, strict=False)) | kwargs
        rows = functools.reduce(tf.broadcast_dynamic_shape, map(tf.shape, values.values()))
        return answer({name: tf.broadcast_to(value, rows) for name, value in values.items()})

    serve.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                f.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if f.required else _unknown(f),
            )
            for f in ordered
        ]
    )
    specs = [
        tf.TensorSpec([None], tf.string if isinstance(f, Category) else tf.float32, name=f.name)
        for f in ordered
    ]
    return tf.function(serve, input_signature=specs)


def _unknown(feature: Feature) -> tf.Tensor:
    return tf.constant([UNKNOWN if isinstance(feature, Category) else float("nan")])
