"""What Vertex AI asks of a custom container.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements: a health check,
and predictions of instances. The addresses are what Vertex AI tells the container. A prediction is
a number; where parameters ask for intervals or attributions, it is an object that has them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.names import SERVING
from models.request import RequestError
from serving.contracts import named_inputs
from serving.explanations import Wanted, explain, wanted
from serving.instances import Columns
from serving.refusals import UnavailableError
from serving.server.service import Service, endpoint, reply

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import Signature

CONTRACT = "vertex"


def routes(service: Service) -> list[Route]:
    """The addresses of the protocol."""
    health, predict = (endpoint(service, CONTRACT, handler) for handler in (_health, _predict))
    return [
        Route(service.settings.health_route, health, methods=["GET"]),
        Route(service.settings.predict_route, predict, methods=["POST"]),
    ]


async def _health(service: Service, _: Request) -> Response:
    if not service.ready:
        raise UnavailableError("The server is not ready.", "Ask again in a second.")
    return reply({})


async def _predict(service: Service, request: Request) -> Response:
    model = service.model(request)
    signature = model.signatures[SERVING]
    columns, asked = await service.read(request, lambda value: _parsed(signature, value))
    explained = await explain(service, request, model, columns, asked)
    return reply({"predictions": explained.rows() if asked else explained.predictions})


def _parsed(signature: Signature, value: Any) -> tuple[Columns, Wanted]:
    value = named_inputs.fields(value, {"instances", "parameters"})
    asked = wanted(value.get("parameters"))
    if "instances" not in value:
        raise RequestError("Missing 'instances' key.", 'Send {"instances": [...]}.')
    return named_inputs.instances(signature, value["instances"]), asked
