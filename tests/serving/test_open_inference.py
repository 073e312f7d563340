"""The Open Inference Protocol, version 2, as its specification has it."""

from __future__ import annotations

from typing import Any

import pytest
from served_rows import ROW, ROWS, answers
from small_model import WIDTHS

from models.declaration import Category
from models.features import FEATURES, LABEL

BASE = "/v2/models/model"


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as a tensor for each feature."""
    return [
        {
            "name": feature.name,
            "shape": [len(rows)],
            "datatype": "BYTES" if isinstance(feature, Category) else "FP32",
            "data": [row.get(feature.name) for row in rows],
        }
        for feature in FEATURES
        if any(feature.name in row for row in rows)
    ]


def test_health(served):
    assert served.get("/v2/health/live").json() == {"live": True}
    assert served.get("/v2/health/ready").json() == {"ready": True}
    for address in (f"{BASE}/ready", f"{BASE}/versions/1/ready"):
        assert served.get(address).json() == {"name": "model", "ready": True}


def test_metadata_of_server_and_model(served):
    assert set(served.get("/v2").json()) == {"name", "version", "extensions"}
    told = served.get(BASE).json()
    assert (told["name"], told["platform"]) == ("model", "tensorflow_savedmodel")
    assert told["versions"] == ["2", "1"]
    assert {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in told["inputs"]} == {
        f.name: ("BYTES" if isinstance(f, Category) else "FP32", [-1]) for f in FEATURES
    }
    assert told["outputs"] == [{"name": LABEL.name, "datatype": "FP32", "shape": [-1]}]


@pytest.mark.parametrize(("place", "version"), [("", 2), ("/versions/1", 1)])
def test_tensors_are_answered_with_a_tensor(served, place, version):
    request = {"id": "42", "inputs": tensors(ROWS), "outputs": [{"name": LABEL.name}]}
    assert served.post(f"{BASE}{place}/infer", json=request).json() == {
        "id": "42",
        "model_name": "model",
        "model_version": str(version),
        "outputs": [
            {"name": LABEL.name, "datatype": "FP32", "shape": [2], "data": answers(ROWS, version)}
        ],
    }


def test_a_column_may_be_a_matrix_of_width_one_and_numbers_whole(served):
    inputs = [
        tensor
        | {"shape": [1, 1], "data": [tensor["data"]]}
        | ({"datatype": "INT64"} if tensor["datatype"] == "FP32" else {})
        for tensor in tensors([ROW])
    ]
    told = served.post(f"{BASE}/infer", json={"inputs": inputs}).json()
    assert told["outputs"][0]["data"] == answers([ROW])
    assert "id" not in told


def test_parameters_ask_for_further_tensors(served):
    asked = {"intervals": True, "attributions": True}
    request = {"inputs": tensors(ROWS), "parameters": asked}
    told = served.post(f"{BASE}/infer", json=request).json()["outputs"]
    by_name = {tensor["name"]: tensor["data"] for tensor in told}
    predicted = by_name[LABEL.name]
    assert all(tensor["shape"] == [2] for tensor in told)
    assert predicted == answers(ROWS)
    for level, width in WIDTHS.items():
        assert by_name[f"lower_{level}"] == pytest.approx([p - width for p in predicted], rel=1e-5)
        assert by_name[f"upper_{level}"] == pytest.approx([p + width for p in predicted], rel=1e-5)
    shares = [by_name[f"attribution_{feature.name}"] for feature in FEATURES]
    sums = [start + sum(its) for start, *its in zip(by_name["reference"], *shares, strict=True)]
    assert sums == pytest.approx(predicted, abs=1e-4)
    request = {**request, "parameters": {"intervals": True}, "outputs": [{"name": "lower_95"}]}
    told = served.post(f"{BASE}/infer", json=request).json()["outputs"]
    assert [(tensor["name"], tensor["data"]) for tensor in told] == [
        ("lower_95", by_name["lower_95"])
    ]


GOOD = tensors([ROW])


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ([], "The request is not an object"),
        ({}, "The inputs are no list"),
        ({"inputs": []}, "There are no inputs"),
        ({"inputs": GOOD, "extra": 1}, "The request has no field 'extra'"),
        ({"inputs": GOOD, "id": 1}, "The id is no string"),
        ({"inputs": GOOD, "parameters": {"binary_data_output": True}}, "no parameter"),
        ({"inputs": GOOD, "outputs": [{"name": "x"}]}, "There is no output 'x'"),
        ({"inputs": [*GOOD, GOOD[0]]}, "is given twice"),
        ({"inputs": [{**GOOD[0], "datatype": "FLOAT"}]}, "datatype of"),
        ({"inputs": [{**GOOD[0], "shape": [2]}]}, "Give [1]"),
        ({"inputs": [{**GOOD[0], "data": None}]}, "are no list"),
        ({"inputs": [{**GOOD[0], "parameters": {"binary_data_size": 4}}]}, "has parameters"),
        ({"inputs": [{**GOOD[0], "name": "x"}]}, "no field 'x'"),
        ({"inputs": [{**GOOD[0], "data": [[1, [2]]], "shape": [2]}]}, "not of its datatype"),
        ({"inputs": GOOD[1:]}, "is missing"),
    ],
)
def test_a_request_that_is_none_is_refused_by_name(served, request_, error):
    response = served.post(f"{BASE}/infer", json=request_)
    assert response.status_code == 400
    assert error in response.json()["error"]


@pytest.mark.parametrize("address", ["/v2/models/x", f"{BASE}/versions/9/ready", "/v2/nothing"])
def test_what_is_not_there_is_named(served, address):
    response = served.get(address)
    assert response.status_code == 404
    assert list(response.json()) == ["error"]
