"""Describes the protocols in OpenAPI, each feature as it is declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.declaration import Category, Feature
from models.features import FEATURES, LABEL
from models.judging import EXAMPLE_REQUEST
from serving.explanations import ATTRIBUTIONS, INTERVALS
from serving.server.server_settings import ServerSettings

Json = dict[str, Any]


def description(settings: ServerSettings) -> Json:
    """The description, as JSON."""
    name = settings.model_name
    rows = _array(_ref("Instance")) | {"minItems": 1, "maxItems": settings.max_rows}
    prediction = {"type": "number", "description": _in_unit(LABEL.help, LABEL.unit)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": "1",
            "description": f"Predicts {_in_unit(LABEL.help, LABEL.unit)}.",
        },
        "paths": _paths(name, settings),
        "components": {
            "schemas": {
                "Instance": _features() | {"examples": [dict(EXAMPLE_REQUEST)]},
                "Columns": _features(_array),
                "Prediction": prediction,
                "Rows": _object({"instances": rows, "signature_name": {"type": "string"}}, 1),
                "Inputs": _object(
                    {"inputs": _ref("Columns"), "signature_name": {"type": "string"}}, 1
                ),
                "VertexRows": _object({"instances": rows, "parameters": _ref("Parameters")}, 1),
                "Parameters": _parameters(),
                "Explained": _explained(),
                "VertexPredictions": _object(
                    {"predictions": _array({"oneOf": [_ref("Prediction"), _ref("Explained")]})}, 1
                ),
                "Predictions": _object({"predictions": _array(_ref("Prediction"))}, 1),
                "Outputs": _object({"outputs": _array(_ref("Prediction"))}, 1),
                "InferenceRequest": _inference_request(),
                "Error": _object({"error": {"type": "string"}}, 1),
            }
        },
    }


def _paths(name: str, settings: ServerSettings) -> Json:
    predict = _call(
        {"oneOf": [_ref("Rows"), _ref("Inputs")]},
        {"oneOf": [_ref("Predictions"), _ref("Outputs")]},
        "Predict, as TensorFlow Serving does",
    )
    infer = _call(_ref("InferenceRequest"), {"type": "object"}, "Infer, in Open Inference's way")
    as_container = _call(
        _ref("VertexRows"), _ref("VertexPredictions"), "Predict, as a container of Vertex AI"
    )
    paths: Json = {
        "/v2/health/live": {"get": _look("Whether the server runs")},
        "/v2/health/ready": {"get": _look("Whether the server is ready", 503)},
        "/metrics": {"get": _look("Figures for Prometheus", content="text/plain")},
        settings.health_route: {"get": _look("Whether the container is ready", 503)},
        settings.predict_route: {"post": as_container},
    }
    refused = (400, 404, 503)
    for place, parameters in (
        ("", []),
        ("/versions/{version}", [_parameter("version", {"type": "integer", "minimum": 0})]),
        ("/labels/{label}", [_parameter("label", {"type": "string"})]),
    ):
        v1, v2 = f"/v1/models/{name}{place}", f"/v2/models/{name}{place}"
        calls = {
            ("get", v1): _look("Versions and their state", *refused),
            ("get", f"{v1}/metadata"): _look("Signatures", *refused),
            ("post", f"{v1}:predict"): predict,
        }
        if "label" not in place:  # Which the Open Inference Protocol does not know.
            calls |= {
                ("get", v2): _look("Inputs and outputs", *refused),
                ("get", f"{v2}/ready"): _look("Whether the model is ready", *refused),
                ("post", f"{v2}/infer"): infer,
            }
        for (method, path), call in calls.items():
            paths[path] = {method: call, "parameters": parameters}
    return paths


def _parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _features(of_values: Callable[[Json], Json] = lambda value: value) -> Json:
    """An object with a field for each feature; those that may be unknown may be left out."""
    schema = _object({f.name: of_values(_value(f)) for f in FEATURES})
    return schema | {"required": [f.name for f in FEATURES if f.required]}


def _value(feature: Feature) -> Json:
    """The schema of a feature's values: its words, or its range and unit."""
    if isinstance(feature, Category):
        words: list[Any] = list(feature.vocabulary)
        words += [] if feature.required else [None]
        return {"title": feature.title, "description": feature.help, "enum": words}
    return {
        "title": feature.title,
        "description": _in_unit(feature.help, feature.unit),
        "type": "number" if feature.required else ["number", "null"],
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        **({"x-unit": feature.unit} if feature.unit else {}),
    }


def _inference_request() -> Json:
    tensor = _object(
        {
            "name": {"enum": [feature.name for feature in FEATURES]},
            "datatype": {"enum": ["BYTES", "FP32", "FP64", "INT64", "INT32", "BOOL"]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
        4,
    )
    fields = {
        "inputs": _array(tensor),
        "id": {"type": "string"},
        "outputs": _array(_object({"name": {"type": "string"}}, 1)),
        "parameters": _ref("Parameters"),
    }
    return _object(fields, 1)


def _parameters() -> Json:
    return _object(
        {
            INTERVALS: {
                "type": "boolean",
                "description": "Between which values so many percent of labels are",
            },
            ATTRIBUTIONS: {
                "type": "boolean",
                "description": "How much each feature moves the prediction from that of a typical "
                "row: Shapley values",
            },
        }
    )


def _explained() -> Json:
    """A prediction with what parameters asked for."""
    number = {"type": "number"}
    ends = _array(number) | {"minItems": 2, "maxItems": 2}
    features = _object({feature.name: number for feature in FEATURES}, len(FEATURES))
    return _object(
        {
            LABEL.name: _ref("Prediction"),
            INTERVALS: {"type": "object", "additionalProperties": ends},
            ATTRIBUTIONS: _object({"reference": number, "features": features}, 2),
        },
        1,
    )


def _call(request: Json, answer: Json, summary: str) -> Json:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {"200": _response("The answer", answer)}
        | {
            str(status): _response(what, _ref("Error"))
            for status, what in (
                (400, "What is wrong, and what is allowed"),
                (404, "There is no such version"),
                (413, "The body is too long"),
                (503, "Not ready, or too many requests wait"),
            )
        },
    }


def _look(summary: str, *refused: int, content: str = "application/json") -> Json:
    answer = {"description": summary, "content": {content: {"schema": {}}}}
    return {
        "summary": summary,
        "responses": {
            "200": answer,
            **{str(status): _response("Not", {"type": "object"}) for status in refused},
        },
    }


def _response(what: str, schema: Json) -> Json:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _object(properties: Json, required: int = 0) -> Json:
    """An object that takes no other fields; so many of the first ones are required."""
    schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(properties)[:required]} if required else {})


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _in_unit(text: str, unit: str) -> str:
    return text + (f", in {unit}" if unit else "")
