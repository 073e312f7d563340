"""The exported model, asked as its callers ask it: by name, by Example, and for the transform."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from models.dataset import transformed_chunks
from models.declaration import UNKNOWN, Category
from models.feature_kinds import categories
from models.features import FEATURES, LABEL
from models.names import EXAMPLES, PREDICTION, SERVING, TRANSFORM
from models.request import parse_request

Row = dict[str, Any]
KNOWN = {"mother_age": 28.0, "gestation_weeks": 39.0, "plurality": "Single(1)"}
OPTIONAL = [feature.name for feature in FEATURES if not feature.required]


@pytest.fixture(scope="module")
def definition(trained):
    """The signatures as a server reads them, from the file."""
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString(Path(trained.serving_model_dir, "saved_model.pb").read_bytes())
    return proto.meta_graphs[0].signature_def


@pytest.fixture(scope="module")
def serve(model, definition) -> Callable[..., np.ndarray]:
    """Predictions through `serving_default`, of columns.

    What is left out is fed with the default in the file: TensorFlow Serving does that; Python, and
    so this test, has to do it itself.
    """

    def predict(**columns: Any) -> np.ndarray:
        defaults = definition[SERVING].defaults.items()
        fed = {name: tf.constant(tf.make_ndarray(value)) for name, value in defaults}
        fed |= {name: tf.convert_to_tensor(value) for name, value in columns.items()}
        return model.signatures[SERVING](**fed)[PREDICTION].numpy()

    return predict


@pytest.fixture(scope="module")
def by_name(serve) -> Callable[[list[Row]], np.ndarray]:
    """Predictions through `serving_default`, of rows that all give the same columns."""

    def predict(rows: list[Row]) -> np.ndarray:
        return serve(**{name: [row[name] for row in rows] for name in rows[0]})

    return predict


@pytest.fixture(scope="module")
def by_example(model, serialize) -> Callable[[list[Row]], np.ndarray]:
    """Predictions through `serving_examples`."""

    def predict(rows: list[Row]) -> np.ndarray:
        examples = tf.constant([serialize(row) for row in rows])
        return model.signatures[EXAMPLES](examples)[PREDICTION].numpy()

    return predict


@pytest.fixture(scope="module")
def real(births) -> list[Row]:
    """Births of the eval split, what is missing as None."""
    names = [feature.name for feature in FEATURES]
    return [{name: birth[name] for name in names} for birth in births["eval"]]


def filled(rows: list[Row], blank: str = UNKNOWN) -> list[Row]:
    """The rows with a word for what is missing, as a caller by name must write it."""
    return [{n: blank if v is None else v for n, v in row.items()} for row in rows]


@pytest.mark.parametrize("name", [SERVING, TRANSFORM])
def test_raw_values_have_the_declared_names_and_types(definition, name):
    found = {key: tf.dtypes.as_dtype(info.dtype) for key, info in definition[name].inputs.items()}
    assert found == {f.name: tf.string if isinstance(f, Category) else tf.float32 for f in FEATURES}


def test_predictions_answer_to_one_name(definition):
    assert list(definition[EXAMPLES].inputs) == ["examples"]
    for name in (SERVING, EXAMPLES):
        assert list(definition[name].outputs) == [PREDICTION]


@pytest.mark.parametrize("name", [SERVING, TRANSFORM])
def test_what_may_be_unknown_has_a_default_in_the_file_and_nothing_else_has(definition, name):
    defaults = {key: tf.make_ndarray(v).tolist() for key, v in definition[name].defaults.items()}
    assert defaults == {key: [UNKNOWN.encode()] for key in OPTIONAL}


def test_real_births_get_one_finite_weight_each(by_example, real):
    predictions = by_example(real)
    assert predictions.shape == (len(real),)
    assert ((predictions > 0) & (predictions < LABEL.maximum)).all()
    assert predictions.std() > 0.2


def test_both_ways_to_ask_give_the_same_prediction(by_name, by_example, real):
    assert any(None in row.values() for row in real)
    np.testing.assert_array_equal(by_name(filled(real)), by_example(real))


@pytest.mark.parametrize("name", OPTIONAL)
def test_every_way_not_to_know_is_the_same(by_name, by_example, real, name):
    rows = filled(real[:50])
    expected = by_name([row | {name: UNKNOWN} for row in rows])
    ways = {
        "empty, by name": by_name([row | {name: ""} for row in rows]),
        "left out, by name": by_name([{n: v for n, v in r.items() if n != name} for r in rows]),
        "Unknown, by example": by_example([row | {name: UNKNOWN} for row in rows]),
        "empty, by example": by_example([row | {name: ""} for row in rows]),
        "left out, by example": by_example([row | {name: None} for row in rows]),
    }
    for way, predictions in ways.items():
        np.testing.assert_array_equal(predictions, expected, err_msg=way)
    assert not np.array_equal(expected, by_name([row | {name: "True"} for row in rows]))


def test_any_choice_of_what_is_left_out_is_answered_alike(by_name, by_example):
    for count in range(len(OPTIONAL) + 1):
        for names in itertools.combinations(OPTIONAL, count):
            given = KNOWN | {name: categories_by_name()[name].vocabulary[0] for name in names}
            assert by_name([given]) == by_example([given])
            assert by_name([given]) == by_name([dict.fromkeys(OPTIONAL, UNKNOWN) | given])


def categories_by_name() -> dict[str, Category]:
    return {category.name: category for category in categories()}


def test_an_example_needs_neither_label_nor_context_and_ignores_them(by_example):
    context = {LABEL.name: 7.0, "year": 2007, "month": 3}
    assert by_example([KNOWN]) == by_example([KNOWN | context])


def test_a_feature_without_a_kind_is_a_missing_one(model, by_example, serialize):
    example = tf.train.Example.FromString(serialize(KNOWN))
    for name in OPTIONAL:
        example.features.feature[name].SetInParent()
    asked = model.signatures[EXAMPLES](tf.constant([example.SerializeToString()]))
    assert asked[PREDICTION].numpy() == by_example([KNOWN])


def test_one_unknown_stands_for_a_whole_batch(serve, by_name, real):
    rows = filled(real[:20])
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    one = serve(**columns | {"mother_race": [UNKNOWN]})
    np.testing.assert_array_equal(one, by_name([row | {"mother_race": UNKNOWN} for row in rows]))


def test_a_prediction_does_not_depend_on_the_rest_of_the_batch(by_example, real):
    together = by_example(real[:64])
    alone = np.concatenate([by_example([row]) for row in real[:64]])
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.parametrize("word", ["Martian", "true", "é", "\n", "a" * 10_000])
def test_a_word_never_seen_is_answered_the_same_both_ways(by_name, by_example, word):
    for name in (*OPTIONAL, "plurality"):
        row = KNOWN | {name: word}
        answer = by_name([row])
        assert np.isfinite(answer).all()
        assert answer == by_example([row])


def test_an_empty_batch_has_an_empty_answer(model, serve):
    assert model.signatures[EXAMPLES](tf.constant([], tf.string))[PREDICTION].shape == (0,)
    numbers = {name: tf.constant([], tf.float32) for name in ("mother_age", "gestation_weeks")}
    assert serve(**numbers, plurality=tf.constant([], tf.string)).shape == (0,)


def test_what_must_be_known_is_asked_for_by_name(serve, by_example):
    incomplete = {name: value for name, value in KNOWN.items() if name != "gestation_weeks"}
    with pytest.raises(TypeError, match="gestation_weeks"):
        serve(**{name: [value] for name, value in incomplete.items()})
    with pytest.raises(tf.errors.InvalidArgumentError, match="gestation_weeks"):
        by_example([incomplete])


def test_columns_of_different_lengths_are_refused(serve):
    columns = {"mother_age": [28.0, 29.0], "plurality": ["Single(1)"] * 2}
    with pytest.raises(tf.errors.InvalidArgumentError):
        serve(**columns, gestation_weeks=[39.0, 39.0, 39.0])


def test_a_checked_request_is_what_the_model_takes(by_name):
    birth = parse_request('{"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}')
    assert by_name([dict(birth)]) == by_name([KNOWN])


def test_the_transform_alone_gives_what_training_saw(model, births, transform, example_files):
    rows = filled([{f.name: birth[f.name] for f in FEATURES} for birth in births["eval"]])
    columns = {name: tf.constant([row[name] for row in rows]) for name in rows[0]}
    served = model.signatures[TRANSFORM](**columns)
    (seen, label), *more = transformed_chunks([example_files["eval"]], transform)
    assert not more
    np.testing.assert_allclose(label, [birth[LABEL.name] for birth in births["eval"]], rtol=1e-6)
    assert set(served) == set(seen)
    for name, values in seen.items():
        assert served[name].dtype == values.dtype
        np.testing.assert_array_equal(served[name], values, err_msg=name)


def test_weeks_and_plurality_weigh_as_they_should(by_name):
    light, heavy = by_name([KNOWN | {"gestation_weeks": weeks} for weeks in (28.0, 40.0)])
    assert light + 1 < heavy
    single, twins = by_name([KNOWN | {"plurality": p} for p in ("Single(1)", "Twins(2)")])
    assert twins + 0.1 < single
