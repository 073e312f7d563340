"""Whatever is sent, the answer names what is wrong, and the server goes on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from served_rows import ROW, answers

from models.features import FEATURES

VALUES: tuple[Any, ...] = (
    *(None, True, "", " ", "x" * 5000, "\0", "\ud83d", -1, 1e300, 10**400, 0.1),
    *([], [[]], [1, 2], {}, {"b64": 1}, {"b64": "*"}, {"b64": "/w=="}, {"a": {"b": []}}),
)
ADDRESSES = (
    "/v1/models/model:predict",
    "/v1/models/model/labels/stable:predict",
    "/predict",
    "/v2/models/model/infer",
)


def of_a_field() -> Iterator[bytes]:
    """Each kind of value in the place of each feature."""
    for feature in FEATURES:
        for value in VALUES:
            allowed = (value is None and not feature.required) or value is True
            if not allowed:
                yield json.dumps({"instances": [ROW, ROW | {feature.name: value}]}).encode()


def of_the_frame() -> Iterator[bytes]:
    """Each kind of value in the place of each part of a request."""
    for key in ("instances", "inputs", "signature_name", "parameters", "outputs", "id", ""):
        for value in VALUES:
            yield json.dumps({key: value}).encode()


def of_bytes() -> Iterator[bytes]:
    """A good request cut short, or with a byte changed to one that no JSON has."""
    good = json.dumps({"instances": [ROW]}).encode()
    chosen = random.Random(1)
    for _ in range(60):
        at = chosen.randrange(len(good))
        yield good[:at]
        yield good[:at] + b"\xff" + good[at + 1 :]
    yield from (b"[" * 100_000, b'{"a":' * 5000, b"\xef\xbb\xbf{}", b"9" * 10**6)
    for depth in (900, 2000):
        deep = b"[" * depth + b"]" * depth
        yield from (b'{"instances": %b}' % deep, b'{"inputs": {"x": %b}}' % deep)


@pytest.mark.parametrize("kinds", [of_a_field, of_the_frame, of_bytes])
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_bad_request_is_refused_by_name(
    served: Any, address: str, kinds: Callable[[], Iterator[bytes]]
) -> None:
    for body in kinds():
        response = served.post(address, content=body)
        assert 400 <= response.status_code < 500, body[:300]
        assert len(response.json()["error"]) > 10
        assert len(response.content) < 20_000
    good = served.post("/predict", json={"instances": [ROW]})
    assert good.json() == {"predictions": answers([ROW])}


def test_there_are_kinds_enough():
    assert sum(1 for kinds in (of_a_field, of_the_frame, of_bytes) for _ in kinds()) >= 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "GET"])
def test_other_methods_are_refused(served, method):
    for address in ("/predict", "/v1/models/model:predict", "/v2/models/model/infer", "/nothing"):
        response = served.request(method, address)
        assert response.status_code in (400, 404, 405)
        assert "error" in response.json()


@pytest.mark.parametrize("address", ["/v1/models/model:predict", "/predict"])
def test_a_row_that_contradicts_itself_is_refused_by_number(served: Any, address: str):
    wrong = ROW | {"is_male": True, "plurality": "Multiple(2+)"}
    answer = served.post(address, json={"instances": [ROW, wrong, ROW]})
    assert answer.status_code == 400
    assert "Row 1: Nobody knows both is_male" in answer.json()["error"]
    assert "Row 0" not in answer.json()["error"]
