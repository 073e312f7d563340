"""The wide-and-deep network.

The wide half is linear in sparse features: every category, every bucket and every cross has a
weight of its own, so it memorises. The deep half is a small stack of dense layers over scaled
numbers and embeddings, so it generalises to combinations it has not seen. Their outputs are added.
See Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016.

Their sum is bent to stay within the label's declared range, in training as in serving: what is
judged is what is answered.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from models import autograph  # noqa: F401, for its effect
from models import features as declared
from models.declaration import Hyperparameters, Label
from models.feature_kinds import categories, numbers
from models.transform import bucket_name, quantile_name, unknown_name, z_score_name

_BEND = 0.25
"""How near an end of the label's range predictions begin to bend, as a share of the label's scale:
near enough to change no others."""


def input_sizes(transform: tft.TFTransformOutput) -> dict[str, int]:
    """How many distinct indices each sparse input has.

    Args:
        transform: The transform graph, which holds the vocabularies.

    Returns:
        Sizes by transformed name; a category's counts the index of unseen values.
    """
    sizes = {c.name: transform.vocabulary_size_by_name(c.name) + 1 for c in categories()}
    for number in numbers():
        if number.boundaries:
            sizes[bucket_name(number)] = len(number.boundaries) + 1
        if number.quantiles:
            sizes[quantile_name(number)] = number.quantiles
        if number.optional:
            sizes[unknown_name(number)] = 2
    return sizes | {cross.name: cross.buckets for cross in declared.CROSSES}


def wide_and_deep(
    sizes: dict[str, int], mean_label: float, training_steps: int, options: Hyperparameters
) -> keras.Model:
    """Builds and compiles the network.

    Args:
        sizes: What `input_sizes` returns.
        mean_label: Mean label of the training examples; where predictions start.
        training_steps: Steps over which the deep half's rate falls to zero.
        options: Widths and rates.

    Returns:
        A model from `{name: [batch]}` (int64 indices, float32 z-scores) to `[batch, 1]` labels,
        with the mean squared error as its loss. Labels are within the declared range.
    """
    sparse = {name: keras.Input((), name=name, dtype=tf.int64) for name in sizes}
    dense = {name: keras.Input((), name=name) for name in map(z_score_name, numbers())}
    inputs = sparse | dense
    mean = keras.layers.Rescaling(options.label_scale, offset=mean_label, name="mean")
    model = keras.experimental.WideDeepModel(
        keras.Model(inputs, _wide(sparse, dense, sizes, mean), name="wide"),
        keras.Model(inputs, _deep(sparse, dense, sizes, options), name="deep"),
        activation=within_range(declared.LABEL, _BEND * options.label_scale),
    )
    model(inputs)  # Builds it, so that it can be saved before it has seen a batch.
    falling = keras.optimizers.schedules.CosineDecay(options.deep_learning_rate, training_steps)
    model.compile(
        optimizer=[
            keras.optimizers.Ftrl(
                options.wide_learning_rate,
                # Gradients grow with the square of the scale; so must what is weighed against them.
                initial_accumulator_value=0.1 * options.label_scale**4,
                l2_regularization_strength=options.wide_l2 * options.label_scale**2,
            ),
            keras.optimizers.Adam(falling),
        ],
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError("rmse")],
    )
    return model


def within_range(label: Label, bend: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Keeps predictions within the label's range.

    A mere cut would end learning where a prediction is outside: there it has no slope.

    Args:
        label: What is predicted; an end of its range may be infinite.
        bend: Distance from an end at which predictions begin to bend, in the label's unit.

    Returns:
        A function that leaves numbers well inside as they are, and rises everywhere.
    """

    def bounded(total: tf.Tensor) -> tf.Tensor:
        # Beyond, the slope is next to nothing, and rounding would be all that is left.
        total = tf.clip_by_value(total, label.minimum - 30 * bend, label.maximum + 30 * bend)
        bent = total
        if math.isfinite(label.minimum):
            bent += bend * tf.math.softplus((label.minimum - total) / bend)
        if math.isfinite(label.maximum):
            bent -= bend * tf.math.softplus((total - label.maximum) / bend)
        # Else rounding may leave a number a whisker outside.
        return tf.clip_by_value(bent, label.minimum, label.maximum)

    return bounded


def _wide(sparse: dict, dense: dict, sizes: dict[str, int], mean: keras.layers.Layer) -> tf.Tensor:
    """The mean, and one weight per value of every sparse input: one table, so one look-up a step.

    The mean is no weight: FTRL pulls weights to zero, also from where they start, and the first
    hundreds of steps would only find the mean again. What it lacks, the deep half's bias learns.

    Where nothing is sparse, it is linear in the z-scores instead.
    """
    if not sparse:
        numbers_alone = tf.stack(list(dense.values()), axis=1)
        linear = keras.layers.Dense(1, kernel_initializer="zeros", name="weights")
        return mean(linear(numbers_alone))
    offsets, total = [], 0
    for name in sparse:
        offsets.append(total)
        total += sizes[name]
    rows = tf.stack(list(sparse.values()), axis=1) + tf.constant(offsets, tf.int64)
    weights = keras.layers.Embedding(total, 1, embeddings_initializer="zeros", name="weights")(rows)
    return mean(tf.reduce_sum(weights, axis=1))


def _deep(sparse: dict, dense: dict, sizes: dict[str, int], options: Hyperparameters) -> tf.Tensor:
    """Dense layers over z-scores, indicators of what is unknown, and embeddings of the categories.

    The crosses stay out: an embedding of a four-way cross memorised 50,000 rows and lost 1% of RMSE
    on the eval split. Memorising is for the wide half.
    """
    embeddings = [
        keras.layers.Embedding(
            sizes[c.name], options.category_embedding, name=f"{c.name}_embedding"
        )
        for c in categories()
    ]
    unknown = [tf.cast(sparse[unknown_name(n)], tf.float32) for n in numbers() if n.optional]
    columns = [tf.expand_dims(number, 1) for number in (*dense.values(), *unknown)]
    columns += [e(sparse[c.name]) for e, c in zip(embeddings, categories(), strict=True)]
    hidden = tf.concat(columns, axis=1)
    for units in options.hidden_units:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    return keras.layers.Rescaling(options.label_scale, name="scale")(
        keras.layers.Dense(1, name="deep_label")(hidden)
    )
