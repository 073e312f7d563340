"""The contract of a custom container on Vertex AI."""

from __future__ import annotations

import pytest
from served_rows import ROW, answers

from serving.server import launch
from serving.server.server_settings import ServerSettings


def test_health_is_good_once_a_version_is_warm(served):
    assert served.get("/health").status_code == 200


@pytest.mark.parametrize("parameters", [{}, {"parameters": {}}, {"parameters": None}])
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
        ({"instances": [ROW], "parameters": {"interval": 0.8}}, "no parameters to set yet"),
        ({"instances": [ROW], "signature_name": "x"}, "no field 'signature_name'"),
        ({"instances": [{}]}, "is missing"),
    ],
)
def test_a_request_that_is_none_is_refused_by_name(served, request_, error):
    response = served.post("/predict", json=request_)
    assert response.status_code == 400
    assert error in response.json()["error"]


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
