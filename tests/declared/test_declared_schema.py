"""The schema agrees with the declaration of the columns, and is read by all who need it."""

from __future__ import annotations

import re

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from models.declaration import UNKNOWN
from models.feature_kinds import categories, numbers
from models.features import CONTEXT, FEATURES, LABEL
from schema.propose import SCHEMA_FILE

TEXT = SCHEMA_FILE.read_text(encoding="utf-8")
SCHEMA = text_format.Parse(TEXT, schema_pb2.Schema())
BY_NAME = {feature.name: feature for feature in SCHEMA.feature}


def test_every_column_is_agreed_on_and_no_other():
    declared = [LABEL.name, *(f.name for f in FEATURES), *CONTEXT]
    assert [feature.name for feature in SCHEMA.feature] == declared


@pytest.mark.parametrize("category", categories(), ids=lambda c: c.name)
def test_a_category_has_its_vocabulary(category):
    feature = BY_NAME[category.name]
    values = list(feature.string_domain.value)
    if feature.presence.min_fraction == 1:
        assert values == list(category.vocabulary)
    else:
        # What is missing in the data is only called unknown by the transform.
        assert [*values, UNKNOWN] == list(category.vocabulary)


@pytest.mark.parametrize("number", numbers(), ids=lambda n: n.name)
def test_a_number_has_its_range(number):
    domain = BY_NAME[number.name].float_domain
    # A schema keeps seven digits.
    assert (domain.min, domain.max) == pytest.approx((number.minimum, number.maximum))
    assert domain.disallow_nan and domain.disallow_inf


def test_the_label_is_within_its_range():
    domain = BY_NAME[LABEL.name].float_domain
    assert LABEL.minimum <= domain.min < domain.max <= LABEL.maximum
    assert domain.disallow_nan and domain.disallow_inf


def test_a_request_has_neither_label_nor_context():
    assert list(SCHEMA.default_environment) == ["TRAINING", "SERVING"]
    absent = {f.name for f in SCHEMA.feature if "SERVING" in f.not_in_environment}
    assert absent == {LABEL.name, *CONTEXT}


def test_everything_the_model_sees_is_compared_between_splits_and_runs():
    for name in (LABEL.name, *(f.name for f in FEATURES)):
        measure = (
            "infinity_norm"
            if BY_NAME[name].type == schema_pb2.BYTES
            else "jensen_shannon_divergence"
        )
        for comparator in (BY_NAME[name].skew_comparator, BY_NAME[name].drift_comparator):
            assert 0 < getattr(comparator, measure).threshold < 1, name


def test_what_may_be_left_out_of_a_request_may_be_missing_in_the_data_or_is_a_word_of_it():
    for feature in FEATURES:
        always = BY_NAME[feature.name].presence.min_fraction == 1
        words = BY_NAME[feature.name].string_domain.value
        assert always == feature.required or UNKNOWN in words, feature.name


def test_the_layout_is_protobufs_own_so_that_a_proposal_changes_what_it_must():
    written = re.findall(r"^feature \{\n.*?^\}\n", TEXT, re.MULTILINE | re.DOTALL)
    printed = [
        text_format.MessageToString(schema_pb2.Schema(feature=[feature]), as_utf8=True)
        for feature in SCHEMA.feature
    ]
    assert written == printed
