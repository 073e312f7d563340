"""The example request is one, and what is declared of it is held to."""

from __future__ import annotations

import json

import pytest

from models.declaration import Number
from models.features import FEATURES
from models.judging import EXAMPLE_REQUEST
from models.request import RequestError, parse_request


def parse(request: dict) -> dict:
    return dict(parse_request(json.dumps(request)))


def test_the_example_is_accepted_and_completed():
    assert parse(EXAMPLE_REQUEST).keys() == {feature.name for feature in FEATURES}


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.required], ids=lambda f: f.name)
def test_what_is_required_is_missed(feature):
    without = {name: value for name, value in EXAMPLE_REQUEST.items() if name != feature.name}
    with pytest.raises(RequestError, match=feature.name):
        parse(without)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_what_is_not_declared_is_refused(feature):
    wrong = feature.maximum + 1 if isinstance(feature, Number) else "no such word"
    with pytest.raises(RequestError, match=feature.name):
        parse(EXAMPLE_REQUEST | {feature.name: wrong})
