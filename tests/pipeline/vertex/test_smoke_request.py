"""The first request after a deployment, by Google's client: which answers it takes."""

from __future__ import annotations

from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient
from google_cloud import GoogleCloud, refusal

from common.errors import UserError
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTION
from pipeline.vertex.smoke_request import ask_deployed

ENDPOINT = "projects/my-project/locations/us-central1/endpoints/1"


@pytest.fixture
def client(google: GoogleCloud) -> PredictionServiceClient:
    return PredictionServiceClient(
        credentials=AnonymousCredentials(),
        transport="rest",
        client_options={"api_endpoint": google.url},
    )


def answers(google: GoogleCloud, *predictions: Any, deployed: str = "7") -> None:
    told = {"predictions": list(predictions), "deployedModelId": deployed}
    google.on(f"POST /v1/{ENDPOINT}:predict", told)


@pytest.mark.parametrize("prediction", [7.5, [7.5], {PREDICTION: 7.5}])
def test_the_declared_example_is_asked(
    google: GoogleCloud, client: PredictionServiceClient, prediction: Any
) -> None:
    answers(google, prediction)
    assert ask_deployed(client, ENDPOINT, "7") == 7.5
    (request,) = google.requests
    assert request.body == {"instances": [EXAMPLE_REQUEST]}


@pytest.mark.parametrize("prediction", ["NaN", 1e9, -1.0, None])
def test_what_no_label_can_be_is_refused(
    google: GoogleCloud, client: PredictionServiceClient, prediction: Any
) -> None:
    answers(google, prediction)
    with pytest.raises(UserError, match="answers the example request with") as refused:
        ask_deployed(client, ENDPOINT, "7")
    assert "release rollback" in refused.value.cure


def test_a_model_that_shares_requests_is_asked_until_it_answers(
    google: GoogleCloud, client: PredictionServiceClient
) -> None:
    models = iter("6667")
    google.on(
        f"POST /v1/{ENDPOINT}:predict",
        lambda _: {"predictions": [7.5], "deployedModelId": next(models)},
    )
    assert ask_deployed(client, ENDPOINT, "7") == 7.5
    assert len(google.requests) == 4


def test_an_endpoint_that_does_not_answer_is_told(
    google: GoogleCloud, client: PredictionServiceClient
) -> None:
    google.on(f"POST /v1/{ENDPOINT}:predict", refusal(500, "out of memory", "INTERNAL"))
    with pytest.raises(UserError, match=r"does not answer the example request: .*: out of mem"):
        ask_deployed(client, ENDPOINT, "7")
    answers(google, 7.5, deployed="6")
    with pytest.raises(UserError, match="none of 200 requests"):
        ask_deployed(client, ENDPOINT, "7")
