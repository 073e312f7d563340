"""A request is checked before a model is asked: what is wrong is named, what is right passes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import UserError
from models.declaration import UNKNOWN, Category, Number
from models.features import FEATURES
from models.judging import EXAMPLE_REQUEST
from models.request import RequestError, check_request, parse_request

KNOWN = {"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}
BY_NAME = {feature.name: feature for feature in FEATURES}
OPTIONAL = [feature.name for feature in FEATURES if not feature.required]
NUMBERS = [feature for feature in FEATURES if isinstance(feature, Number)]


def allowed(feature: Category | Number) -> st.SearchStrategy:
    if isinstance(feature, Category):
        words = st.sampled_from(feature.vocabulary)
        return words if feature.required else words | st.none()
    whole = st.integers(math.ceil(feature.minimum), math.floor(feature.maximum))
    return whole | st.floats(feature.minimum, feature.maximum)


def contradictory(fields: dict[str, Any]) -> bool:
    return fields.get("is_male") in ("True", "False") and fields["plurality"] == "Multiple(2+)"


VALID = st.fixed_dictionaries(
    {f.name: allowed(f) for f in FEATURES if f.required},
    optional={f.name: allowed(f) for f in FEATURES if not f.required},
).filter(lambda fields: not contradictory(fields))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def is_allowed(feature: Category | Number, value: Any) -> bool:
    """The declaration, read once more."""
    if isinstance(feature, Category):
        word = {True: "True", False: "False"}[value] if isinstance(value, bool) else value
        missing = value is None and UNKNOWN in feature.vocabulary
        return missing or (isinstance(word, str) and word in feature.vocabulary)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and feature.minimum <= value <= feature.maximum


def refusal(text: str) -> str:
    with pytest.raises(RequestError) as caught:
        parse_request(text)
    assert isinstance(caught.value, UserError)
    assert caught.value.cause and caught.value.cure
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def with_value(name: str, text: str) -> str:
    """A request with this JSON for one field."""
    fields = {n: json.dumps(v) for n, v in KNOWN.items()} | {name: text}
    return "{" + ", ".join(f'"{n}": {t}' for n, t in fields.items()) + "}"


@given(fields=VALID)
def test_every_valid_request_is_accepted_with_a_value_for_every_feature(fields):
    birth = parse_request(json.dumps(fields))
    assert list(birth) == list(BY_NAME)
    for name, value in birth.items():
        given_value = fields.get(name)
        assert value == (UNKNOWN if given_value is None else given_value)
        assert isinstance(value, str if isinstance(BY_NAME[name], Category) else float)
    assert birth == check_request(fields)
    assert check_request(birth) == birth


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: n.name)
def test_the_ends_of_a_range_are_in_it(number):
    for end in (number.minimum, number.maximum):
        assert check_request(KNOWN | {number.name: end})[number.name] == end
    for beyond in (
        math.nextafter(number.minimum, -math.inf),
        math.nextafter(number.maximum, math.inf),
    ):
        with pytest.raises(RequestError, match=number.name):
            check_request(KNOWN | {number.name: beyond})


@given(name=st.sampled_from(list(BY_NAME)), value=ANYTHING)
@example(name="mother_age", value=True)
@example(name="mother_age", value="28")
@example(name="mother_age", value=math.nan)
@example(name="mother_age", value=-math.inf)
@example(name="mother_age", value=10**400)
@example(name="mother_age", value=10**5000)
@example(name="is_male", value=1)
@example(name="is_male", value=[True])
@example(name="plurality", value=True)
@example(name="plurality", value="\ud800")
@example(name="mother_race", value={"mother_race": None})
def test_a_value_is_accepted_as_declared_or_refused_by_name(name, value):
    feature = BY_NAME[name]
    if is_allowed(feature, value):
        check_request(KNOWN | {name: value})
        return
    with pytest.raises(RequestError) as caught:
        check_request(KNOWN | {name: value})
    said = str(caught.value)
    assert f"The field {name} is " in said
    assert len(said) < 500
    expected = feature.vocabulary[0] if isinstance(feature, Category) else f"{feature.maximum:g}"
    assert expected in said


@given(name=st.text(max_size=30).filter(lambda name: name not in BY_NAME), value=ANYTHING)
@example(name="mother_aeg", value=28)
@example(name="\ud800", value=0)
def test_a_field_that_is_not_declared_is_refused_by_name(name, value):
    with pytest.raises(RequestError) as caught:
        check_request(KNOWN | {name: value})
    assert repr(name) in str(caught.value)


@given(text=st.text())
def test_any_text_is_answered_or_refused(text):
    refusal(text)


@given(value=ANYTHING.filter(lambda value: not isinstance(value, dict)))
def test_json_that_is_no_object_is_refused_with_an_example(value):
    assert json.dumps(EXAMPLE_REQUEST) in refusal(json.dumps(value))
    check_request(EXAMPLE_REQUEST)


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_missing_is_named(name):
    rest = {n: v for n, v in KNOWN.items() if n != name}
    for fields in (rest, rest | {name: None}):
        assert f"The field {name} is missing" in refusal(json.dumps(fields))


def test_what_may_be_unknown_may_be_null_or_left_out():
    expected = parse_request(json.dumps(KNOWN))
    assert [expected[name] for name in OPTIONAL] == [UNKNOWN] * len(OPTIONAL)
    assert parse_request(json.dumps(KNOWN | dict.fromkeys(OPTIONAL))) == expected


@pytest.mark.parametrize("name", ["is_male", "cigarette_use", "alcohol_use"])
def test_true_and_false_are_words_where_these_are_words(name):
    birth = parse_request(json.dumps(KNOWN | {name: True}))
    assert birth[name] == "True"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("9", "9"),
        ("61.5", "61.5"),
        ('"28"', '"28"'),
        ("true", "true"),
        ("[28]", "an array"),
        ('{"years": 28}', "an object"),
        ("1e400", "Infinity"),
        ("-1e400", "-Infinity"),
        ("1" * 400, "Infinity"),
        ("1" * 5000, "Infinity"),
        ("-" + "9" * 30, "-1e+30"),
        ("[" * 400 + "]" * 400, "an array"),
    ],
    ids=lambda text: text[:20],
)
def test_a_wrong_number_is_shown_as_it_was_given(text, shown):
    assert f"The field mother_age is {shown}." in refusal(with_value("mother_age", text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (with_value("mother_age", "NaN"), "NaN is no number"),
        (with_value("mother_age", "Infinity"), "Infinity is no number"),
        (with_value("mother_age", "[" * 100_000), "no JSON"),
        (with_value("mother_age", "[" * 100_000 + "]" * 100_000), "no JSON"),
        ("", "no JSON"),
        ("{'mother_age': 28}", "no JSON"),
        (json.dumps(KNOWN) * 2, "no JSON"),
        (json.dumps([KNOWN]), "an array"),
        ('"text"', "a string"),
        ("null", "null"),
        ("true", "true or false"),
        ("3", "a number"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_request_is_refused_with_the_reason(text, said):
    assert said in refusal(text)


def test_a_field_given_twice_is_refused_by_name():
    text = json.dumps(KNOWN)[:-1] + ', "mother_age": 29}'
    assert "mother_age is given twice" in refusal(text)


def test_a_misspelt_field_gets_a_hint():
    assert "Did you mean gestation_weeks?" in refusal(with_value("gestation_week", "39"))


def test_a_text_that_is_long_is_cut():
    assert len(refusal(with_value("plurality", json.dumps("x" * 100_000)))) < 500


@pytest.mark.parametrize("sex", ["True", "False", True, False])
def test_who_knows_the_sex_knows_the_number_of_babies(sex):
    asked = KNOWN | {"is_male": sex, "plurality": "Multiple(2+)"}
    word = json.dumps(str(sex))
    assert refusal(json.dumps(asked)) == (
        f'Nobody knows both is_male {word} and plurality "Multiple(2+)": the ultrasound that tells '
        "the sex tells the number of babies too. Give the number in plurality, or leave is_male "
        "out."
    )
    check_request(asked | {"is_male": None})
    check_request(asked | {"plurality": "Twins(2)"})
