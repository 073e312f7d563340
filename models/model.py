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
from dataclasses import dataclass

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from models import autograph  # noqa: F401, for its effect
from models import features as declared
from models.declaration import Hyperparameters, Label
from models.feature_kinds import categories, numbers
from models.transform import bucket_name, quantile_name, unknown_name, z_score_name

BEND = 0.25
"""How near an end of the label's range predictions begin to bend, as a share of the label's scale:
near enough to change no others."""


def input_sizes(transform: tft.TFTransformOutput, cross_share: float = 1.0) -> dict[str, int]:
    """How many distinct indices each sparse input has in the network.

    Args:
        transform: The transform graph, which holds the vocabularies.
        cross_share: Share of its buckets that each cross uses.

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
    used = {c.name: max(1, round(c.buckets * cross_share)) for c in declared.CROSSES}
    return sizes | used


@dataclass(frozen=True)
class Network:
    """All that a network is built from, so that it can be built again; see `wide_and_deep`."""

    sizes: dict[str, int]
    mean_label: float
    training_steps: int
    options: Hyperparameters
    rate_share: float = 1.0
    mixed_precision: bool = False

    def build(self) -> keras.Model:
        """A new network, compiled."""
        return wide_and_deep(**vars(self))


def wide_and_deep(
    sizes: dict[str, int],
    mean_label: float,
    training_steps: int,
    options: Hyperparameters,
    rate_share: float = 1.0,
    mixed_precision: bool = False,
) -> keras.Model:
    """Builds and compiles the network.

    Args:
        sizes: What `input_sizes` returns.
        mean_label: Mean label of the training examples; where predictions start.
        training_steps: Steps over which the deep half's rate falls to zero.
        options: Widths and rates.
        rate_share: Share of the deep half's rate to begin with.
        mixed_precision: Compute the hidden layers in bfloat16. It has float32's range, so gradients
            need no scaling, which `WideDeepModel` would not do.

    Returns:
        A model from `{name: [batch]}` (int64 indices, float32 z-scores) to `[batch, 1]` labels,
        with the mean squared error as its loss. Labels are within the declared range.
    """
    sparse = {name: keras.Input((), name=name, dtype=tf.int64) for name in sizes}
    dense = {name: keras.Input((), name=name) for name in map(z_score_name, numbers())}
    inputs = sparse | dense
    hidden = keras.mixed_precision.Policy("mixed_bfloat16" if mixed_precision else "float32")
    mean = keras.layers.Rescaling(options.label_scale, offset=mean_label, name="mean")
    model = keras.experimental.WideDeepModel(
        keras.Model(inputs, _wide(sparse, dense, sizes, mean), name="wide"),
        keras.Model(inputs, _deep(sparse, dense, sizes, options, hidden), name="deep"),
        activation=within_range(declared.LABEL, BEND * options.label_scale),
    )
    model(inputs)  # Builds it, so that it can be saved before it has seen a batch.
    falling = keras.optimizers.schedules.CosineDecay(
        options.deep_learning_rate * rate_share, training_steps
    )
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


def wide_accumulators(model: keras.Model) -> list[tf.Variable]:
    """What FTRL has seen of each weight of the wide half: a sum of squared gradients."""
    ftrl = model.optimizer[0]
    ftrl.build(model.linear_model.trainable_variables)
    return [v for v in ftrl.variables if v.name.startswith("accumulator")]


def set_wide(model: keras.Model, weights: list, accumulators: list) -> None:
    """Sets the weights of the wide half as if FTRL had learned them itself.

    FTRL makes each weight anew of all it has seen, at every step: one that is only assigned would
    be gone after the next.

    Args:
        model: What `wide_and_deep` returned, with the rates with which it will be trained.
        weights: By number, as `trainable_variables` of the wide half has them.
        accumulators: Of the same shapes.
    """
    ftrl = model.optimizer[0]
    variables = model.linear_model.trainable_variables
    ftrl.build(variables)
    linears = [v for v in ftrl.variables if v.name.startswith("linear")]
    l2 = ftrl.l2_regularization_strength
    # As a tensor: workers have a mirrored variable, which is no number by itself.
    rate = float(tf.convert_to_tensor(ftrl.learning_rate))
    for variable, accumulator, linear, weight, seen in zip(
        variables, wide_accumulators(model), linears, weights, accumulators, strict=True
    ):
        variable.assign(weight)
        accumulator.assign(seen)
        linear.assign(-weight * (seen**0.5 / rate + 2 * l2))


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
    used = {c.name: sizes[c.name] for c in declared.CROSSES if sizes[c.name] < c.buckets}
    # The transform graph hashes into as many buckets as are declared; what is used are fewer.
    folded = [index % used[name] if name in used else index for name, index in sparse.items()]
    rows = tf.stack(folded, axis=1) + tf.constant(offsets, tf.int64)
    weights = keras.layers.Embedding(total, 1, embeddings_initializer="zeros", name="weights")(rows)
    return mean(tf.reduce_sum(weights, axis=1))


def deep_columns(options: Hyperparameters) -> tuple[str, ...]:
    """Names of what the first dense layer of the deep half reads, column by column."""
    of_numbers = [z_score_name(n) for n in numbers()]
    unknown = [unknown_name(n) for n in numbers() if n.optional]
    width = range(options.category_embedding)
    of_categories = [f"{c.name}[{i}]" for c in categories() for i in width]
    return (*of_numbers, *unknown, *of_categories)


def _deep(
    sparse: dict,
    dense: dict,
    sizes: dict[str, int],
    options: Hyperparameters,
    policy: keras.mixed_precision.Policy,
) -> tf.Tensor:
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
    for i, units in enumerate(options.hidden_units):
        dense_layer = keras.layers.Dense(units, activation="relu", name=f"hidden_{i}", dtype=policy)
        hidden = dense_layer(hidden)
    return keras.layers.Rescaling(options.label_scale, name="scale")(
        keras.layers.Dense(1, name="deep_label")(hidden)
    )
