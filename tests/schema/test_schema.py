"""What the schema says of births, beyond what is declared of any table."""

from __future__ import annotations

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils

from models.features import LABEL
from schema.propose import SCHEMA_FILE

SCHEMA = text_format.Parse(SCHEMA_FILE.read_text(encoding="utf-8"), schema_pb2.Schema())

ONE_GRAM = 1 / 453.59237
"""In pounds."""


def test_a_weight_is_at_least_about_a_gram():
    (weight,) = (feature for feature in SCHEMA.feature if feature.name == LABEL.name)
    assert LABEL.minimum < weight.float_domain.min <= ONE_GRAM
    assert weight.float_domain.max == LABEL.maximum


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
