"""TensorFlow Serving's REST API, as its documentation has it.

`make test-tensorflow-serving` holds TensorFlow Serving itself to it, but for what is `stricter`.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import tensorflow as tf
from served_rows import ROW, ROWS, answers

from models.declaration import Category
from models.features import FEATURES, LABEL

STOCK = os.environ.get("TENSORFLOW_SERVING_URL")
"""Where TensorFlow Serving is to be asked instead of our server."""

stricter = pytest.mark.skipif(STOCK is not None, reason="TensorFlow Serving takes it")

BASE = "/v1/models/model"
COLUMNS = {name: [ROW[name], ROW[name]] for name in ROW}


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of a server of versions 1 and 2, labelled stable and canary."""
    if STOCK is None:
        yield request.getfixturevalue("served")
        return
    with httpx.Client(base_url=STOCK, timeout=60) as client:
        yield client


def assert_refused(response: httpx.Response, status: int, error: str) -> None:
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    if STOCK is None:  # The words are each server's own.
        assert error in response.json()["error"]


def serialized(row: dict[str, Any]) -> bytes:
    features = tf.train.Features()
    for name, value in row.items():
        if isinstance(value, str):
            features.feature[name].bytes_list.value.append(value.encode())
        else:
            features.feature[name].float_list.value.append(value)
    return tf.train.Example(features=features).SerializeToString()


def base64_of(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def test_the_status_of_all_versions_or_of_one(server: httpx.Client) -> None:
    def status(version: int) -> dict[str, Any]:
        return {
            "version": str(version),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }

    assert server.get(BASE).json() == {"model_version_status": [status(2), status(1)]}
    for address in (f"{BASE}/versions/1", f"{BASE}/labels/stable"):
        assert server.get(address).json() == {"model_version_status": [status(1)]}


def test_metadata_describes_the_signatures(server: httpx.Client) -> None:
    told = server.get(f"{BASE}/metadata").json()
    assert told["model_spec"] == {"name": "model", "signature_name": "", "version": "2"}
    signatures = told["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "serving_examples", "transform"}
    inputs = signatures["serving_default"]["inputs"]
    assert {name: tensor["dtype"] for name, tensor in inputs.items()} == {
        f.name: "DT_STRING" if isinstance(f, Category) else "DT_FLOAT" for f in FEATURES
    }
    assert inputs[FEATURES[0].name]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert server.get(f"{BASE}/labels/stable/metadata").json()["model_spec"]["version"] == "1"


@pytest.mark.parametrize(
    ("place", "version"),
    [("", 2), ("/versions/1", 1), ("/versions/2", 2), ("/labels/stable", 1), ("/labels/canary", 2)],
)
def test_rows_are_answered_by_the_version_asked_for(server, place, version):
    response = server.post(f"{BASE}{place}:predict", json={"instances": ROWS})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"predictions": answers(ROWS, version)}


def test_columns_are_answered_as_outputs(server):
    response = server.post(f"{BASE}:predict", json={"inputs": COLUMNS})
    assert response.json() == {"outputs": answers([ROW, ROW])}


def test_a_signature_may_be_named(server):
    request = {"signature_name": "serving_default", "instances": [ROW]}
    assert server.post(f"{BASE}:predict", json=request).json() == {"predictions": answers([ROW])}


def test_several_outputs_are_objects_by_row_and_lists_by_column(server):
    request = {"signature_name": "transform", "instances": ROWS}
    by_row = server.post(f"{BASE}:predict", json=request).json()["predictions"]
    assert [set(row) for row in by_row] == [{f.name for f in FEATURES}] * 2
    request = {"signature_name": "transform", "inputs": COLUMNS}
    by_column = server.post(f"{BASE}:predict", json=request).json()["outputs"]
    assert by_column == {name: [value] * 2 for name, value in by_row[0].items()}


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_examples_come_in_base64(server, key):
    examples = [base64_of(serialized(row)) for row in ROWS]
    request = {"signature_name": "serving_examples", key: examples}
    answer = server.post(f"{BASE}:predict", json=request).json()
    assert answer == {"predictions" if key == "instances" else "outputs": answers(ROWS)}
    named = [{"examples": e} for e in examples] if key == "instances" else {"examples": examples}
    request = {"signature_name": "serving_examples", key: named}
    assert server.post(f"{BASE}:predict", json=request).json() == answer


def test_words_may_come_in_base64(server):
    words = {n: base64_of(v.encode()) if isinstance(v, str) else v for n, v in ROW.items()}
    assert server.post(f"{BASE}:predict", json={"instances": [words]}).json() == {
        "predictions": answers([ROW])
    }
    columns = {name: [value] for name, value in words.items()}
    assert server.post(f"{BASE}:predict", json={"inputs": columns}).json() == {
        "outputs": answers([ROW])
    }


def test_ten_thousand_rows_are_answered_whole(server):
    rows = [ROWS[index % 2] for index in range(10_000)]
    response = server.post(f"{BASE}:predict", json={"instances": rows})
    assert response.json() == {"predictions": answers(rows)}


@pytest.mark.parametrize(
    ("address", "status", "error"),
    [
        ("/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        (f"{BASE}/versions/7:predict", 404, "Servable not found for request: Specific(model, 7)"),
        (f"{BASE}/labels/x:predict", 400, "Unrecognized servable version label: x"),
        (f"{BASE}/versions/x:predict", 400, "version is 'x'"),
        (f"{BASE}:classify", 400, "no signature for classify"),
        (f"{BASE}:regress", 400, "no signature for classify or regress"),
        (f"{BASE}:explain", 400, "Malformed request: POST /v1/models/model:explain"),
        ("/v1/models", 400, "Malformed request: POST /v1/models"),
    ],
)
def test_what_is_not_there_is_named(server, address, status, error):
    response = server.post(address, json={"instances": [ROW]})
    assert_refused(response, status, error)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "JSON Parse error"),
        ("{", "JSON Parse error"),
        ("[]", "is not an object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": {}}', "Expecting 'instances' to be a list/array"),
        (json.dumps({"instances": [ROW], "inputs": {}}), "only one of 'inputs' or 'instances'"),
        (json.dumps({"instances": [ROW], "signature_name": 100}), "signature_name is no string"),
        (json.dumps({"instances": [ROW], "signature_name": "x"}), '"x" not found in signature def'),
        pytest.param(
            json.dumps({"instances": [ROW], "parameters": {}}),
            "no field 'parameters'",
            marks=stricter,
        ),
        (json.dumps({"instances": [ROW | {"extra": 1}]}), "no field 'extra'"),
        (json.dumps({"instances": [1.0, 2.0]}), "Row 0: It is no object"),
        (json.dumps({"inputs": [1.0]}), "The 'inputs' are no object"),
        (json.dumps({"inputs": {}}), "none at all"),
        (json.dumps({"inputs": COLUMNS | {next(iter(ROW)): [1]}}), "differ in the number"),
        (json.dumps({"inputs": ROW}), "is no list"),
        pytest.param(
            '{"instances": [{"x": 1, "x": 2}]}', "The field x is given twice", marks=stricter
        ),
        (
            json.dumps({"signature_name": "serving_examples", "instances": [{"b64": "?"}]}),
            "Unable to base64 decode",
        ),
        (
            json.dumps({"signature_name": "serving_examples", "instances": ["no example"]}),
            "serving_examples can't read its input",
        ),
    ],
    ids=lambda text: text[:40],
)
def test_a_request_that_is_none_is_refused_by_name(server, body, error):
    assert_refused(server.post(f"{BASE}:predict", content=body), 400, error)


@stricter
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(server, token):
    name = next(f.name for f in FEATURES if not isinstance(f, Category))
    row = json.dumps(ROW | {name: math.pi}).replace(str(math.pi), token)
    response = server.post(f"{BASE}:predict", content=f'{{"instances": [{row}]}}')
    assert response.status_code == 400
    assert "NaN and Infinity are no JSON" in response.json()["error"]


@stricter
def test_every_wrong_value_is_named_with_its_row_and_what_is_allowed(server):
    number = next(f for f in FEATURES if not isinstance(f, Category))
    word = next(f for f in FEATURES if isinstance(f, Category) and f.required)
    wrong = [ROW, ROW | {number.name: number.maximum + 1}, ROW | {word.name: "x", "extra": 1}]
    error = server.post(f"{BASE}:predict", json={"instances": wrong}).json()["error"]
    assert "Row 2: There is no field 'extra'" in error
    del wrong[2]["extra"]
    error = server.post(f"{BASE}:predict", json={"instances": wrong}).json()["error"]
    assert f"Row 1: The field {number.name} is {number.maximum + 1}" in error
    assert f"from {number.minimum:g} to {number.maximum:g}" in error
    assert f'Row 2: The field {word.name} is "x". Give one of "{word.vocabulary[0]}"' in error


@stricter
def test_of_many_wrong_rows_some_are_named_and_the_rest_counted(server):
    error = server.post(f"{BASE}:predict", json={"instances": [{}] * 1000}).json()["error"]
    required = sum(feature.required for feature in FEATURES)
    assert f"{1000 * required - 20} more values are wrong" in error
    assert len(error) < 10_000


@stricter
def test_too_long_a_body_and_too_many_rows_are_refused(server):
    response = server.post(f"{BASE}:predict", content=b" " * (4 * 2**20 + 1))
    assert response.status_code == 413
    assert "more than 4194304 bytes" in response.json()["error"]
    response = server.post(
        f"{BASE}:predict", json={"inputs": {n: [v] * 20_001 for n, v in ROW.items()}}
    )
    assert response.status_code == 400
    assert "has 20001 rows. Send at most 20000" in response.json()["error"]


@stricter
def test_a_body_without_a_length_is_limited_too(server):
    chunks = (b" " * 2**20 for _ in range(5))
    assert server.post(f"{BASE}:predict", content=chunks).status_code == 413


@stricter
def test_an_encoded_body_is_refused_by_name(server):
    response = server.post(f"{BASE}:predict", content=b"", headers={"content-encoding": "gzip"})
    assert response.status_code == 415
    assert "encoded as gzip" in response.json()["error"]


def test_answers_lie_within_the_labels_range(server):
    (answer,) = server.post(f"{BASE}:predict", json={"instances": [ROW]}).json()["predictions"]
    assert LABEL.minimum <= answer <= LABEL.maximum
