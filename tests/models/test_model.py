"""The network: what its halves see, what moves them, and that it learns."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models.dataset import training_dataset, transformed_chunks
from models.features import CROSSES, HYPERPARAMETERS, LABEL
from models.model import input_sizes, wide_and_deep, within_range

MEAN = 7.2


@pytest.fixture(scope="module")
def sizes(transform) -> dict[str, int]:
    return input_sizes(transform)


@pytest.fixture
def network(sizes) -> keras.Model:
    keras.utils.set_random_seed(1)
    return wide_and_deep(sizes, MEAN, 100, HYPERPARAMETERS)


@pytest.fixture(scope="module")
def fitted(sizes, batch) -> keras.Model:
    """A network after a few steps, which tests ask and leave as it is."""
    keras.utils.set_random_seed(1)
    network = wide_and_deep(sizes, MEAN, 100, HYPERPARAMETERS)
    network.fit(*batch, verbose=0)
    return network


@pytest.fixture(scope="module")
def batch(example_files, transform) -> tuple[dict, tf.Tensor]:
    return next(iter(transformed_chunks([example_files["train"]], transform, chunk=512)))


@pytest.fixture(scope="module")
def batches(example_files, transform) -> tf.data.Dataset:
    chunks = transformed_chunks([example_files["train"]], transform).cache()
    return training_dataset(chunks, 256, cache=False, seed=1)


def weights_of(half: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in half.trainable_variables]


def test_an_untrained_wide_half_predicts_the_mean(network, batch):
    np.testing.assert_allclose(network.linear_model(batch[0]), MEAN, rtol=1e-6)


def test_the_wide_half_has_a_weight_of_its_own_for_each_value_of_each_sparse_input(
    network, sizes, batch
):
    table = network.linear_model.get_layer("weights")
    weights = np.random.default_rng(1).normal(size=(sum(sizes.values()), 1))
    table.set_weights([weights])
    offsets = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    features, _ = batch
    expected = MEAN + sum(weights[offsets[name] + features[name].numpy()] for name in sizes)
    np.testing.assert_allclose(network.linear_model(features), expected, rtol=1e-4)


@pytest.mark.parametrize("cross", CROSSES, ids=lambda c: c.name)
def test_the_crosses_move_the_wide_half_only(fitted, batch, cross):
    features, _ = batch
    changed = features | {cross.name: (features[cross.name] + 1) % cross.buckets}
    assert not np.array_equal(fitted.linear_model(features), fitted.linear_model(changed))
    np.testing.assert_array_equal(fitted.dnn_model(features), fitted.dnn_model(changed))


def test_no_prediction_leaves_the_labels_range(sizes, batch, batches, monkeypatch):
    """In a range that nearly every label is outside of, so that both ends are reached."""
    narrow = dataclasses.replace(LABEL, minimum=7.0, maximum=7.5)
    monkeypatch.setattr("models.features.LABEL", narrow)
    keras.utils.set_random_seed(1)
    network = wide_and_deep(sizes, MEAN, 100, HYPERPARAMETERS)
    network.fit(batches, steps_per_epoch=100, verbose=0)
    predictions = network(batch[0]).numpy()
    assert predictions.min() == pytest.approx(7, abs=0.02)
    assert predictions.max() == pytest.approx(7.5, abs=0.02)
    assert predictions.min() >= 7
    assert predictions.max() <= 7.5


class TestWithinRange:
    def test_numbers_well_inside_stay_as_they_are(self):
        numbers = np.array([1.5, 7.2, 18.5], np.float32)
        np.testing.assert_array_equal(within_range(LABEL, 0.1)(numbers), numbers)

    def test_it_rises_also_beyond_the_ends_so_that_training_goes_on(self):
        numbers = tf.constant([-0.5, 0, 0.5, 19.5, 20, 20.5])
        with tf.GradientTape() as tape:
            tape.watch(numbers)
            bounded = within_range(LABEL, 0.1)(numbers)
        assert (tape.gradient(bounded, numbers).numpy() > 0.001).all()
        assert (np.diff(bounded.numpy()) > 0).all()

    @pytest.mark.parametrize("number", [-1e30, -300.0, 300.0, 1e30])
    def test_nothing_is_too_far_off(self, number):
        expected = LABEL.minimum if number < 0 else LABEL.maximum
        assert within_range(LABEL, 0.1)(tf.constant(number)) == expected

    @pytest.mark.parametrize(("number", "minimum"), [(-300.0, 0.0), (-300.0, -math.inf)])
    def test_a_range_may_be_open(self, number, minimum):
        label = dataclasses.replace(LABEL, minimum=minimum, maximum=math.inf)
        bounded = within_range(label, 0.1)
        assert bounded(tf.constant(number)) == max(number, minimum)
        assert bounded(tf.constant(1e6)) == 1e6


def test_the_prediction_is_the_sum_of_both_halves(fitted, batch):
    features, label = batch
    halves = fitted.linear_model(features) + fitted.dnn_model(features)
    np.testing.assert_allclose(fitted(features), halves, rtol=1e-6)
    assert fitted(features).shape == (len(label), 1)


def test_ftrl_moves_the_wide_half_and_adam_the_deep_one(sizes, batch):
    features, label = batch
    for frozen, rates in (
        ("dnn_model", dataclasses.replace(HYPERPARAMETERS, deep_learning_rate=0.0)),
        ("linear_model", dataclasses.replace(HYPERPARAMETERS, wide_l2=1e12)),
    ):
        keras.utils.set_random_seed(1)
        network = wide_and_deep(sizes, MEAN, 100, rates)
        before = {
            half: weights_of(getattr(network, half)) for half in ("linear_model", "dnn_model")
        }
        network.fit(features, label, verbose=0)
        for half, weights in before.items():
            moved = any(
                not np.allclose(a, b, atol=1e-6)
                for a, b in zip(weights, weights_of(getattr(network, half)), strict=True)
            )
            assert moved == (half != frozen)
    assert [type(o) for o in network.optimizer] == [keras.optimizers.Ftrl, keras.optimizers.Adam]


def test_the_deep_rate_falls_to_zero_over_the_steps(network):
    rate = network.optimizer[1]._learning_rate
    rates = [float(rate(step)) for step in (0, 50, 100)]
    assert rates[0] == pytest.approx(HYPERPARAMETERS.deep_learning_rate)
    assert rates[0] > rates[1] > rates[2] == pytest.approx(0)


def test_a_label_in_another_unit_is_learned_alike(sizes, batch, monkeypatch):
    features, label = batch
    predictions = []
    for scale in (1.0, 1000.0):
        keras.utils.set_random_seed(1)
        options = dataclasses.replace(HYPERPARAMETERS, label_scale=scale)
        label_there = dataclasses.replace(LABEL, maximum=LABEL.maximum * scale)
        monkeypatch.setattr("models.features.LABEL", label_there)
        network = wide_and_deep(sizes, MEAN * scale, 100, options)
        for _ in range(20):
            network.train_on_batch(features, label * scale)
        predictions.append(network(features).numpy() / scale)
    assert np.std(predictions[0]) > 0.1
    np.testing.assert_allclose(predictions[1], predictions[0], atol=0.05)


def test_the_first_steps_stay_near_the_mean(network, batches):
    (first, label), *_ = batches.take(1)
    network.fit(batches, steps_per_epoch=3, verbose=0)
    assert float(tf.reduce_mean(network(first))) == pytest.approx(MEAN, abs=0.3)
    error = network(first)[:, 0] - label
    assert float(tf.reduce_mean(error**2)) < 1.1 * np.var(label)


def test_steps_lower_the_loss(network, batches):
    fixed = batches.take(4).cache()
    losses = network.fit(fixed, epochs=8, verbose=0).history["loss"]
    assert losses[0] > losses[3] > losses[7]
    assert losses[7] < 0.85 * losses[0]


def test_a_trained_model_beats_the_mean_on_births_it_has_not_seen(model, example_files):
    files = tf.io.gfile.glob(example_files["eval"])
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    predictions = model.signatures["serving_examples"](tf.constant(records))[LABEL.name].numpy()
    labels = np.array(
        [
            tf.train.Example.FromString(r).features.feature[LABEL.name].float_list.value[0]
            for r in records
        ]
    )
    error = np.sqrt(np.mean((predictions - labels) ** 2))
    assert error < 0.9 * labels.std()
    # The few weights well under the mean are what it is for.
    assert np.corrcoef(predictions, labels)[0, 1] > 0.4


def test_crosses_may_use_a_share_of_their_buckets(transform, transformed):
    sizes, fewer = input_sizes(transform), input_sizes(transform, 0.1)
    assert {n for n in sizes if fewer[n] < sizes[n]} == {cross.name for cross in CROSSES}
    model = wide_and_deep(fewer, 7.2, 10, HYPERPARAMETERS)
    (weights,) = model.linear_model.get_weights()
    assert len(weights) == sum(fewer.values())
    # The bucket is folded: one that is a multiple of the used ones further has the same weight.
    model.linear_model.set_weights([np.arange(len(weights), dtype=np.float32)[:, None]])
    name, rows = CROSSES[0].name, 4
    features = {n: v[:rows] for n, v in transformed.items() if n != LABEL.name}
    further = features | {name: (features[name] + fewer[name]) % sizes[name]}
    here, there = (
        model.linear_model({n: tf.constant(v) for n, v in given.items()})
        for given in (features, further)
    )
    np.testing.assert_allclose(here, there)
