"""TensorFlow Serving's REST API: status, metadata and predict.

https://www.tensorflow.org/tfx/serving/api_rest says what is asked and answered; addresses, JSON and
the first words of errors are its own. Classify and regress need signatures that are made for them,
which this project's models don't have.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.request import RequestError
from serving.contracts import named_inputs
from serving.refusals import InputError
from serving.server.service import EVERY_METHOD, Service, endpoint, reply, signature_of

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import SavedModel

CONTRACT = "tensorflow_serving"

_PLACES = ("", "/versions/{version}", "/labels/{label}")
_KEYS = {"signature_name", "instances", "inputs"}


def routes(service: Service) -> list[Route]:
    """The addresses of the protocol."""
    handlers = {
        (":predict", "POST"): _predict,
        ("/metadata", "GET"): _metadata,
        ("", "GET"): _status,
        (":classify", "POST"): _other_method,
        (":regress", "POST"): _other_method,
    }
    found = [
        Route(
            f"/v1/models/{{name}}{place}{end}",
            endpoint(service, CONTRACT, handler),
            methods=[method],
        )
        for place in _PLACES
        for (end, method), handler in handlers.items()
    ]
    # TensorFlow Serving calls whatever else begins like its addresses malformed.
    malformed = endpoint(service, CONTRACT, _malformed)
    return [*found, Route("/v1/{rest:path}", malformed, methods=EVERY_METHOD)]


async def _predict(service: Service, request: Request) -> Response:
    model = service.model(request)
    signature, columns, by_rows = await service.read(request, lambda value: _parsed(model, value))
    answer = await service.ask(request, signature, columns)
    outputs = {name: _listed(name, values) for name, values in answer.items()}
    if len(outputs) == 1:
        (content,) = outputs.values()
    elif by_rows:
        content = [
            dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)
        ]
    else:
        content = outputs
    return reply({"predictions" if by_rows else "outputs": content})


def _parsed(model: SavedModel, value: Any) -> tuple:
    """Signature, columns, and whether the request came by rows."""
    value = named_inputs.fields(value, _KEYS)
    signature = signature_of(model, value.get("signature_name"))
    if "instances" in value and "inputs" in value:
        raise RequestError(
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist.",
            "Send rows as instances, or columns as inputs.",
        )
    if "instances" in value:
        return signature, named_inputs.instances(signature, value["instances"]), True
    if "inputs" in value:
        return signature, named_inputs.inputs(signature, value["inputs"]), False
    raise RequestError(
        "Missing 'inputs' or 'instances' key.", "Send rows as instances, or columns as inputs."
    )


async def _status(service: Service, request: Request) -> Response:
    asked = request.path_params
    statuses = service.watcher.statuses()
    if asked["name"] != service.name or "version" in asked or "label" in asked:
        version = service.model(request).version
        statuses = [status for status in statuses if status.version == version]
    return reply(
        {
            "model_version_status": [
                {
                    "version": str(status.version),
                    "state": status.state,
                    "status": {
                        "error_code": "FAILED_PRECONDITION" if status.reason else "OK",
                        "error_message": status.reason,
                    },
                }
                for status in statuses
            ]
        }
    )


async def _metadata(service: Service, request: Request) -> Response:
    model = service.model(request)
    signatures = {name: s.described() for name, s in sorted(model.signatures.items())}
    return reply(
        {
            "model_spec": {
                "name": service.name,
                "signature_name": "",
                "version": str(model.version),
            },
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
    )


async def _other_method(service: Service, request: Request) -> Response:
    service.model(request)
    raise InputError(
        "The model has no signature for classify or regress.", "Send the request to :predict."
    )


async def _malformed(_: Service, request: Request) -> Response:
    raise InputError(
        f"Malformed request: {request.method} {request.url.path}.",
        "See docs/serving.md for the addresses.",
    )


def _listed(name: str, values: np.ndarray) -> Any:
    """An output as JSON has it; bytes are text, or base64 where their name says so."""
    if values.dtype != object:
        return values
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(value).decode()} for value in values]
    return [value.decode(errors="replace") for value in values]
