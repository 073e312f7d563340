"""The check of whole columns passes what the check of a request passes, and as the same values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.declaration import Category, Feature
from models.features import CONTRADICTIONS, FEATURES
from models.judging import EXAMPLE_REQUEST
from models.request import RequestError, check_request
from serving.batch.blocks import Block, check
from serving.batch.whole_columns import columns_of

ROW = {f.name: EXAMPLE_REQUEST.get(f.name) for f in FEATURES}


def values_of(feature: Feature) -> st.SearchStrategy[Any]:
    """Good values, and nearly good ones."""
    odd = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.just(["a"]))
    if isinstance(feature, Category):
        return st.one_of(st.sampled_from(feature.vocabulary), odd)
    low, high = feature.minimum, feature.maximum
    near = st.sampled_from([low, high, math.nextafter(low, -1e9), math.nextafter(high, 1e9)])
    ends = st.sampled_from([math.nan, math.inf, 2**70, int(low), str(high)])
    return st.one_of(st.floats(low, high), near, ends, odd)


rows_of = st.lists(
    st.fixed_dictionaries({f.name: values_of(f) for f in FEATURES}), min_size=1, max_size=4
)


def asked(row: dict[str, Any]) -> dict[str, Any] | str:
    """What a request with the row is answered, before the model is asked."""
    try:
        return check_request(row)
    except RequestError as error:
        return str(error)


def assert_as_asked(block: Block, rows: list[dict[str, Any]]) -> None:
    checked, dead = check(block)
    causes = {letter.row - 1: letter.cause for letter in dead}
    answers = [asked(row) for row in rows]
    assert causes == {i: answer for i, answer in enumerate(answers) if isinstance(answer, str)}
    good = [answer for answer in answers if not isinstance(answer, str)]
    if not good:
        assert checked is None
        return
    assert checked
    assert list(checked.block.numbers) == [i + 1 for i in range(len(rows)) if i not in causes]
    for feature in FEATURES:
        expected = [answer[feature.name] for answer in good]
        if isinstance(feature, Category):
            assert [v.decode() for v in np.asarray(checked.columns[feature.name])] == expected
        else:
            np.testing.assert_array_equal(
                checked.columns[feature.name], np.array(expected, np.float32)
            )


@settings(max_examples=60, deadline=None)
@given(rows_of)
def test_rows_of_text_are_checked_as_requests_are(rows: list[dict[str, Any]]):
    texts = [str(row) for row in rows]
    numbers = range(1, len(rows) + 1)
    assert_as_asked(Block.of_rows("f", rows, [f.name for f in FEATURES], numbers, texts), rows)


def columns_for(feature: Feature) -> list[pa.Array]:
    """Columns of many types, with good values and others."""
    if isinstance(feature, Category):
        words = pa.array([*feature.vocabulary, "", "odd", None])
        kinds = [words.cast(pa.large_string()), words.dictionary_encode(), pa.array([True, None])]
        return [words, *kinds, pa.array([1, 2]), pa.nulls(2)]
    numbers = [feature.minimum, feature.maximum, 0.0, 1e6, None, math.nan, math.inf]
    whole = [int(feature.minimum), int(feature.maximum), None]
    return [
        *(pa.array(numbers, kind) for kind in (pa.float64(), pa.float32())),
        *(pa.array(whole, kind) for kind in (pa.int16(), pa.int64(), pa.decimal128(9, 2))),
        *(pa.array(["3", None]), pa.array([True, None]), pa.nulls(2)),
    ]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_columns_of_any_type_are_checked_as_their_values_are(feature: Feature):
    for column in columns_for(feature):
        others = {k: pa.repeat(v, len(column)) for k, v in ROW.items() if k != feature.name}
        table = pa.table({feature.name: column, "key": pa.repeat(1, len(column))} | others)
        rows = [ROW | {feature.name: value.as_py()} for value in column]
        assert_as_asked(Block("f", table, range(1, len(rows) + 1)), rows)


@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_words_that_contradict_each_other_are_not_sure(contradiction):
    rows = [ROW, ROW | {name: words[0] for name, words in contradiction.words}]
    _, sure = columns_of(pa.Table.from_pylist(rows))
    assert sure.tolist() == [True, False]


def test_good_rows_take_no_way_by_row():
    """Else it would be slow without a word: of good rows, also unknown ones, all are sure."""
    required = ROW | {f.name: None for f in FEATURES if not f.required}
    _, sure = columns_of(pa.Table.from_pylist([ROW, required] * 50))
    assert sure.all()
