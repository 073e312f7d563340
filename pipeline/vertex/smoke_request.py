"""The first request to a model that was just deployed: whether it answers, and with what can be."""

from __future__ import annotations

from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value

from common.errors import UserError
from models.features import LABEL
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTION
from pipeline.vertex.failures import explain

TRIES = 200
"""Requests until one of them meets a model that shares them: at a share of 5 %, all but surely."""

SECONDS = 60
"""Within which each must be answered."""

CURE = (
    "Look at the endpoint's log; 'vertex_runner.py release rollback' goes back to the model before."
)


def ask_deployed(client: PredictionServiceClient, endpoint: str, deployed: str) -> float:
    """Asks an endpoint for a prediction of the declared example, until a certain model answers.

    Args:
        client: Asks.
        endpoint: Its resource name.
        deployed: Id of the deployed model, which gets at least a few per cent of the requests.

    Returns:
        The prediction, in the label's unit.

    Raises:
        UserError: If it does not answer, or with what no label can be.
    """
    example = json_format.ParseDict(dict(EXAMPLE_REQUEST), Value())
    for _ in range(TRIES):
        try:
            answer: Any = client.predict(endpoint=endpoint, instances=[example], timeout=SECONDS)
        except GoogleAPICallError as error:
            explained = explain(error)
            raise UserError(
                "The model is deployed, and its endpoint does not answer the example request: "
                f"{explained.cause if explained else error}",
                CURE,
            ) from error
        if answer.deployed_model_id == deployed:
            return _checked(json_format.MessageToDict(type(answer).pb(answer))["predictions"])
    raise UserError(
        f"The model is deployed, and none of {TRIES} requests to its endpoint reached it.", CURE
    )


def _checked(value: Any) -> float:
    """The prediction in an answer: a number, or what holds one."""
    if isinstance(value, list) and len(value) == 1:
        return _checked(value[0])
    if isinstance(value, dict):
        return _checked(value.get(PREDICTION))
    if not isinstance(value, float) or not LABEL.minimum <= value <= LABEL.maximum:  # Or NaN.
        allowed = f"from {LABEL.minimum:g} to {LABEL.maximum:g} {LABEL.unit}".rstrip()
        raise UserError(
            f"The model is deployed, and answers the example request with {value!r}, which is not "
            f"{allowed}.",
            CURE,
        )
    return value
