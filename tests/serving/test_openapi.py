"""The description tells what is declared, and what the server really has."""

from __future__ import annotations

from models.declaration import Category
from models.features import FEATURES, LABEL
from models.judging import EXAMPLE_REQUEST


def test_each_feature_is_described_as_declared(served):
    schema = served.get("/openapi.json").json()["components"]["schemas"]["Instance"]
    assert list(schema["properties"]) == [feature.name for feature in FEATURES]
    assert schema["required"] == [feature.name for feature in FEATURES if feature.required]
    assert schema["additionalProperties"] is False
    assert schema["examples"] == [EXAMPLE_REQUEST]
    for feature in FEATURES:
        told = schema["properties"][feature.name]
        assert told["title"] == feature.title
        assert feature.help in told["description"]
        if isinstance(feature, Category):
            assert [word for word in told["enum"] if word is not None] == list(feature.vocabulary)
            assert (None in told["enum"]) is not feature.required
        else:
            assert (told["minimum"], told["maximum"]) == (feature.minimum, feature.maximum)
            assert told.get("x-unit", "") == feature.unit


def test_every_address_that_is_described_is_there(served):
    description = served.get("/openapi.json").json()
    assert LABEL.help in description["components"]["schemas"]["Prediction"]["description"]
    for path, methods in description["paths"].items():
        for method in methods.keys() - {"parameters"}:
            address = path.replace("{version}", "1").replace("{label}", "stable")
            body = {"instances": [EXAMPLE_REQUEST]} if method == "post" else None
            response = served.request(method, address, json=body)
            refused = "infer" in path and response.status_code == 400  # It takes tensors.
            assert response.status_code == 200 or refused, (method, path, response.text)


def test_every_reference_leads_somewhere(served):
    response = served.get("/openapi.json")
    schemas = response.json()["components"]["schemas"]
    for part in response.text.split('"$ref":"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas
