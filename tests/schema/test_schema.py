"""The curated schema agrees with the declaration of the columns, and is read by all who need it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils

from models import features
from schema.propose import CURATED

TEXT = CURATED.read_text(encoding="utf-8")
SCHEMA = text_format.Parse(TEXT, schema_pb2.Schema())
BY_NAME = {feature.name: feature for feature in SCHEMA.feature}
QUERY = Path(__file__).parents[2] / "data" / "natality.sql"

ONE_GRAM = 1 / 453.59237
"""In pounds."""


def test_every_column_is_agreed_on_and_no_other():
    declared = [features.LABEL.name, *(f.name for f in features.FEATURES), *features.CONTEXT]
    assert [feature.name for feature in SCHEMA.feature] == declared


def test_the_order_is_that_of_the_query():
    last_select = QUERY.read_text(encoding="utf-8").rpartition("SELECT")[2].partition("FROM")[0]
    # A column's name is its last word: `x`, or `... AS x`.
    assert re.findall(r"(\w+)\s*(?:,\n|\n*$)", last_select) == list(BY_NAME)


@pytest.mark.parametrize("category", features.categories(), ids=lambda c: c.name)
def test_a_category_has_its_vocabulary(category):
    feature = BY_NAME[category.name]
    values = list(feature.string_domain.value)
    if feature.presence.min_fraction == 1:
        assert values == list(category.vocabulary)
    else:
        # What is missing in the data is only called unknown by the transform.
        assert [*values, features.UNKNOWN] == list(category.vocabulary)


@pytest.mark.parametrize("number", features.numbers(), ids=lambda n: n.name)
def test_a_number_has_its_range(number):
    domain = BY_NAME[number.name].float_domain
    assert (domain.min, domain.max) == (number.minimum, number.maximum)
    assert domain.disallow_nan and domain.disallow_inf


def test_a_weight_is_at_least_about_a_gram():
    domain = BY_NAME[features.LABEL.name].float_domain
    assert features.LABEL.minimum < domain.min <= ONE_GRAM
    assert domain.max == features.LABEL.maximum


def test_a_request_has_neither_label_nor_context():
    assert list(SCHEMA.default_environment) == ["TRAINING", "SERVING"]
    absent = {f.name for f in SCHEMA.feature if "SERVING" in f.not_in_environment}
    assert absent == {features.LABEL.name, *features.CONTEXT}


def test_everything_the_model_sees_is_compared_between_splits_and_runs():
    for name in (features.LABEL.name, *(f.name for f in features.FEATURES)):
        measure = (
            "infinity_norm"
            if BY_NAME[name].type == schema_pb2.BYTES
            else "jensen_shannon_divergence"
        )
        for comparator in (BY_NAME[name].skew_comparator, BY_NAME[name].drift_comparator):
            assert 0 < getattr(comparator, measure).threshold < 1, name


def test_transform_gets_dense_tensors_of_what_is_always_there():
    spec = schema_utils.schema_as_feature_spec(SCHEMA).feature_spec
    number = tf.io.FixedLenFeature([1], tf.float32)
    word = tf.io.FixedLenFeature([1], tf.string)
    count = tf.io.FixedLenFeature([1], tf.int64)
    maybe = tf.io.VarLenFeature(tf.string)
    assert spec == {
        "weight_pounds": number,
        "is_male": word,
        "mother_age": number,
        "plurality": word,
        "gestation_weeks": number,
        "mother_race": maybe,
        "cigarette_use": maybe,
        "alcohol_use": maybe,
        "year": count,
        "month": count,
    }


def test_the_layout_is_protobufs_own_so_that_a_proposal_changes_what_it_must():
    written = re.findall(r"^feature \{\n.*?^\}\n", TEXT, re.MULTILINE | re.DOTALL)
    printed = [
        text_format.MessageToString(schema_pb2.Schema(feature=[feature]))
        for feature in SCHEMA.feature
    ]
    assert written == printed
