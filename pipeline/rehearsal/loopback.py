"""Runs in a container that talks to Vertex AI: leads its clients to who answers on this machine.

The requests stay what they would be, made by the same client libraries. Loaded by
a module that their Pythons begin with, and only in those containers.
"""

from __future__ import annotations

from typing import Any

from google.cloud import aiplatform_v1, bigquery
from google.cloud.aiplatform import gapic
from google.oauth2.credentials import Credentials
from google.protobuf import symbol_database
from google.protobuf.internal import api_implementation


def lead_clients(address: str, token: str) -> None:
    """Makes the clients of this process talk to an address.

    Args:
        address: Such as http://127.0.0.1:8080.
        token: Tells who answers there that a request is ours.
    """
    from tfx.extensions.google_cloud_ai_platform import runner
    from tfx.extensions.google_cloud_big_query.pusher import executor

    runner._POLLING_INTERVAL_IN_SECONDS = 1  # Instead of 30.
    executor._GCS_PREFIX = "/"  # Buckets are folders here.
    one_class_per_message()
    led = {"client_options": {"api_endpoint": address}, "credentials": Credentials(token)}
    rest = {"transport": "rest"}
    for name in ("Model", "Endpoint", "Pipeline", "Prediction"):
        name = f"{name}ServiceClient"
        setattr(aiplatform_v1, name, _led(getattr(aiplatform_v1, name), led | rest))
    gapic.JobServiceClient = _led(gapic.JobServiceClient, led | rest)
    bigquery.Client = _led(bigquery.Client, led)


def one_class_per_message() -> None:
    """Makes answers in JSON as good as those in protobuf's own format.

    An operation's result says its type by name only. Protobuf 3, in C++, makes new classes for it
    and the messages in it, which the clients then don't know: an endpoint just created is not found
    again. So the classes they know are put where the new ones would be.
    """
    if api_implementation.Type() == "cpp":
        for name in ("Endpoint", "UploadModelResponse", "DeployModelResponse"):
            symbol_database.Default().RegisterMessage(getattr(aiplatform_v1, name).pb())


def _led(client: Any, options: dict[str, Any]) -> Any:
    class Led(client):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs | options)

    return Led
