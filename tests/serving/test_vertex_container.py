"""The contract of a custom container on Vertex AI."""

from __future__ import annotations

import pytest
from served_rows import ROW, ROWS, answers, wait_until_ready
from small_model import REFERENCE, WIDTHS, expected, write_model
from starlette.testclient import TestClient

from models.features import FEATURES, LABEL
from serving.server import launch
from serving.server.application import create_application
from serving.server.server_settings import ServerSettings


def test_health_is_good_once_a_version_is_warm(served):
    assert served.get("/health").status_code == 200


@pytest.mark.parametrize(
    "parameters",
    [{}, {"parameters": {}}, {"parameters": None}, {"parameters": {"intervals": False}}],
)
def test_instances_become_predictions(served, parameters):
    response = served.post("/predict", json={"instances": [ROW, ROW], **parameters})
    assert response.status_code == 200
    assert response.json() == {"predictions": answers([ROW, ROW])}


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ([], "is not an object"),
        ({}, "Missing 'instances' key"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": [ROW], "parameters": {"interval": True}}, "no parameter 'interval'"),
        ({"instances": [ROW], "parameters": {"intervals": 0.8}}, "neither true nor false"),
        ({"instances": [ROW], "parameters": ["intervals"]}, "parameters are no object"),
        ({"instances": [ROW], "signature_name": "x"}, "no field 'signature_name'"),
        ({"instances": [{}]}, "is missing"),
    ],
)
def test_a_request_that_is_none_is_refused_by_name(served, request_, error):
    response = served.post("/predict", json=request_)
    assert response.status_code == 400
    assert error in response.json()["error"]


def test_parameters_ask_for_intervals_and_attributions(served):
    asked = {"intervals": True, "attributions": True}
    response = served.post("/predict", json={"instances": ROWS, "parameters": asked})
    assert response.status_code == 200
    for row, told in zip(ROWS, response.json()["predictions"], strict=True):
        weight = expected(row, 0.2)
        assert told[LABEL.name] == pytest.approx(weight, rel=1e-5)
        assert told["intervals"] == {
            str(level): pytest.approx([weight - width, weight + width], rel=1e-5)
            for level, width in WIDTHS.items()
        }
        reference = expected(REFERENCE, 0.2)
        shares = told["attributions"]["features"]
        assert told["attributions"]["reference"] == pytest.approx(reference, rel=1e-5)
        # The model is a sum: a feature's share is what its value alone changes.
        for feature in FEATURES:
            one = REFERENCE | {feature.name: row.get(feature.name)}
            change = expected(one, 0.2) - reference
            assert shares[feature.name] == pytest.approx(change, abs=1e-4)
        assert reference + sum(shares.values()) == pytest.approx(told[LABEL.name], abs=1e-4)


def test_too_many_attributions_are_refused(served):
    most = 20_000 // 2 ** len(FEATURES)
    asked = {"instances": [ROW] * (most + 1), "parameters": {"attributions": True}}
    told = served.post("/predict", json=asked)
    assert told.status_code == 400
    assert f"Send at most {most} at once" in told.json()["error"]


def test_a_version_that_was_pushed_without_says_so(tmp_path):
    write_model(tmp_path, 1, interpreted=False)
    settings = ServerSettings(model_folder=str(tmp_path), access_log=False)
    with TestClient(create_application(settings)) as client:
        wait_until_ready(client)
        for parameter in ("intervals", "attributions"):
            asked = {"instances": [ROW], "parameters": {parameter: True}}
            told = client.post("/predict", json=asked)
            assert told.status_code == 400
            assert "Version 1 was pushed without" in told.json()["error"]


def test_what_vertex_ai_tells_a_container_becomes_settings(monkeypatch):
    seen: list[ServerSettings] = []
    monkeypatch.setattr(launch, "serve", seen.append)
    monkeypatch.setenv("AIP_HTTP_PORT", "8080")
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/model")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/endpoints/1/deployedModels/2")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/1/deployedModels/2:predict")
    for name in ("HOST", "PORT", "MODEL_FOLDER", "HEALTH_ROUTE", "PREDICT_ROUTE"):
        monkeypatch.setenv(f"SERVING_{name}", "")  # So that what is set here is unset afterwards.
        monkeypatch.delenv(f"SERVING_{name}")
    assert launch.main([]) == 0
    (settings,) = seen
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert settings.model_folder == "gs://bucket/model"
    assert settings.health_route == "/v1/endpoints/1/deployedModels/2"
    assert settings.predict_route == "/v1/endpoints/1/deployedModels/2:predict"
    assert launch.main(["--port", "9"]) == 0
    assert seen[1].port == 9
