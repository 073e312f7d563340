"""What the network reads: from real births, and from any a caller may send."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dataset import raw_features
from models.declaration import UNKNOWN, Category
from models.feature_kinds import categories, numbers
from models.features import CROSSES, FEATURES, LABEL
from models.model import input_sizes
from models.transform import bucket_name, quantile_name, z_score_name

Row = dict[str, Any]
Apply = Callable[[list[Row]], dict[str, np.ndarray]]
AGE, WEEKS = numbers()
A_BIRTH: Row = {
    "is_male": "True",
    "mother_age": 28.0,
    "plurality": "Single(1)",
    "gestation_weeks": 39.0,
    "mother_race": "White",
    "cigarette_use": "False",
    "alcohol_use": "False",
}


@pytest.fixture(scope="module")
def apply(transform: tft.TFTransformOutput, serialize: Callable[[Row], bytes]) -> Apply:
    layer = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def transformed(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        return layer(raw_features(serialized, transform, label=True))

    def outputs(rows: list[Row]) -> dict[str, np.ndarray]:
        records = [serialize({LABEL.name: 7.5} | row) for row in rows]
        return {name: value.numpy() for name, value in transformed(records).items()}

    return outputs


def words(births: list[Row], category: Category) -> list[str]:
    return [birth[category.name] or UNKNOWN for birth in births]


def test_every_promised_feature_is_there_and_no_other(transformed):
    made = {c.name for c in (*categories(), *CROSSES)} | {quantile_name(AGE), LABEL.name}
    made |= {f(number) for f in (z_score_name, bucket_name) for number in numbers()}
    assert set(transformed) == made


@pytest.mark.parametrize("number", numbers(), ids=lambda n: n.name)
def test_z_scores_have_mean_0_and_variance_1_on_train(transformed, births, number):
    scores = transformed[z_score_name(number)]
    assert len(scores) == len(births["train"])
    assert scores.mean() == pytest.approx(0, abs=1e-3)
    assert scores.var() == pytest.approx(1, abs=1e-3)


def test_the_label_stays_in_pounds(transformed, births):
    weights = sorted(birth[LABEL.name] for birth in births["train"])
    np.testing.assert_allclose(np.sort(transformed[LABEL.name]), weights, rtol=1e-6)


@pytest.mark.parametrize("number", numbers(), ids=lambda n: n.name)
def test_a_value_equal_to_a_boundary_falls_in_the_bucket_above(apply, number):
    for shift, first in ((-0.01, 0), (0, 1), (0.01, 1)):
        rows = [A_BIRTH | {number.name: boundary + shift} for boundary in number.boundaries]
        buckets = apply(rows)[bucket_name(number)]
        assert buckets.tolist() == [first + index for index in range(len(rows))]


@pytest.mark.parametrize("number", numbers(), ids=lambda n: n.name)
def test_values_outside_the_boundaries_fall_in_the_first_and_last_bucket(apply, number):
    rows = [A_BIRTH | {number.name: value} for value in (-1e6, 0.0, 1e6)]
    assert apply(rows)[bucket_name(number)].tolist() == [0, 0, len(number.boundaries)]


def test_quantile_buckets_hold_nearly_the_same_number_of_births(transformed):
    counts = np.bincount(transformed[quantile_name(AGE)], minlength=AGE.quantiles)
    # Ages are whole years of up to 6% of the mothers each, and a year is not divided.
    assert len(counts) == AGE.quantiles
    assert np.abs(counts / counts.sum() - 1 / AGE.quantiles).max() < 0.06


def test_quantile_buckets_rise_with_the_value(apply):
    ages = np.arange(AGE.minimum, AGE.maximum)
    buckets = apply([A_BIRTH | {AGE.name: float(age)} for age in ages])[quantile_name(AGE)]
    assert (np.diff(buckets) >= 0).all()
    assert (buckets[0], buckets[-1]) == (0, AGE.quantiles - 1)


@pytest.mark.parametrize("category", categories(), ids=lambda c: c.name)
def test_each_word_that_train_has_gets_an_index_of_its_own(apply, births, transform, category):
    seen = sorted(set(words(births["train"], category)))
    indices = apply([A_BIRTH | {category.name: word} for word in seen])[category.name]
    assert sorted(indices) == list(range(len(seen)))
    assert input_sizes(transform)[category.name] == len(seen) + 1


@pytest.mark.parametrize("category", categories(), ids=lambda c: c.name)
def test_the_more_examples_have_a_word_the_lower_its_index(births, transform, category):
    counts = collections.Counter(words(births["train"], category))
    found = [counts[word.decode()] for word in transform.vocabulary_by_name(category.name)]
    assert found == sorted(counts.values(), reverse=True)


@pytest.mark.parametrize("category", categories(), ids=lambda c: c.name)
def test_a_word_that_train_never_had_gets_the_index_after_the_last(
    apply, births, transform, category
):
    unseen = ["Martian", "true", " ", "é", f"{category.vocabulary[0]} "]
    unseen += set(category.vocabulary) - set(words(births["train"], category))
    indices = apply([A_BIRTH | {category.name: word} for word in unseen])[category.name]
    assert set(indices) == {input_sizes(transform)[category.name] - 1}


@pytest.mark.parametrize("name", ["mother_race", "cigarette_use", "alcohol_use"])
def test_missing_empty_and_unknown_are_the_same_and_differ_from_all_else(apply, name):
    rows = [A_BIRTH | {name: word} for word in (None, "", UNKNOWN)]
    outputs = apply(rows)
    for values in outputs.values():
        assert len(set(values.tolist())) == 1
    assert outputs[name][0] != apply([A_BIRTH])[name][0]


def test_an_empty_sex_is_an_unknown_one(apply):
    outputs = apply([A_BIRTH | {"is_male": word} for word in ("", UNKNOWN)])
    assert all(first == second for first, second in outputs.values())


def combination(birth: Row, cross) -> tuple:
    """The words and buckets that a cross tells apart."""
    parts = []
    for feature in FEATURES:
        if feature.name in cross.parents:
            value = birth[feature.name]
            if isinstance(feature, Category):
                parts.append(value)
            else:
                parts.append(int(np.digitize(value, feature.boundaries)))
    return tuple(parts)


@pytest.mark.parametrize("cross", CROSSES, ids=lambda c: c.name)
class TestCross:
    def test_one_combination_has_one_bucket(self, apply, births, cross):
        buckets = collections.defaultdict(set)
        for birth, bucket in zip(
            births["train"], apply(births["train"])[cross.name].tolist(), strict=True
        ):
            buckets[combination(birth, cross)].add(bucket)
        assert all(len(found) == 1 for found in buckets.values())

    def test_few_real_births_share_a_bucket_with_another_combination(self, apply, births, cross):
        found = apply(births["train"])[cross.name].tolist()
        births_of = collections.Counter(combination(birth, cross) for birth in births["train"])
        combinations = collections.defaultdict(set)
        for birth, bucket in zip(births["train"], found, strict=True):
            combinations[bucket].add(combination(birth, cross))
        assert min(combinations) >= 0
        assert max(combinations) < cross.buckets
        # The most frequent of those that share a bucket has it nearly for itself.
        lost = sum(
            sum(sorted(births_of[one] for one in group)[:-1]) for group in combinations.values()
        )
        assert lost / births_of.total() < 0.05
        # No worse than chance, which puts n combinations in n(n-1)/2 pairs over the buckets.
        n = len(births_of)
        shared = sum(len(group) - 1 for group in combinations.values())
        assert shared <= 2 + 1.5 * n * (n - 1) / 2 / cross.buckets

    def test_it_depends_on_its_parents_only(self, apply, births, cross):
        others = {f.name: A_BIRTH[f.name] for f in FEATURES if f.name not in cross.parents}
        some = births["train"][:200]
        changed = [birth | others for birth in some]
        assert (apply(some)[cross.name] == apply(changed)[cross.name]).all()

    def test_changing_a_parent_changes_it(self, apply, cross):
        for parent in cross.parents:
            feature = next(f for f in FEATURES if f.name == parent)
            values = (
                feature.vocabulary
                if isinstance(feature, Category)
                else [boundary + 0.5 for boundary in feature.boundaries]
            )
            buckets = apply([A_BIRTH | {parent: value} for value in values])[cross.name]
            assert len(set(buckets.tolist())) >= len(values) - 1


def any_birth() -> st.SearchStrategy[Row]:
    values: dict[str, st.SearchStrategy] = {}
    for feature in FEATURES:
        if isinstance(feature, Category):
            given_words = st.sampled_from(feature.vocabulary) | st.text(max_size=9)
            # The schema wants a sex and a plurality in every training example.
            missing = feature.name not in ("is_male", "plurality")
            values[feature.name] = given_words | st.none() if missing else given_words
        else:
            values[feature.name] = st.floats(feature.minimum, feature.maximum, width=32)
    return st.fixed_dictionaries(values)


@given(rows=st.lists(any_birth(), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_values_in_range_give_outputs_in_range(apply, transform, rows):
    outputs = apply(rows)
    for name, size in input_sizes(transform).items():
        assert outputs[name].shape == (len(rows),)
        assert ((outputs[name] >= 0) & (outputs[name] < size)).all(), name
    for number in numbers():
        assert (np.abs(outputs[z_score_name(number)]) < 20).all()
