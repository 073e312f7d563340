"""The Open Inference Protocol, version 2: health, metadata and infer.

https://github.com/kserve/open-inference-protocol says what is asked and answered. Tensors have one
value for each row: shape [rows], or [rows, 1]. Where parameters ask for intervals or attributions,
those are further outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.names import SERVING
from models.request import RequestError
from serving.contracts import named_inputs
from serving.explanations import Wanted, explain, wanted
from serving.instances import Columns
from serving.refusals import NotFoundError
from serving.server.service import EVERY_METHOD, Service, endpoint, reply

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import Signature, Tensor

CONTRACT = "open_inference"
VERSION = "1"
"""Of this server, as its metadata tells it."""

_REQUEST_KEYS = {"id", "parameters", "inputs", "outputs"}
_INPUT_KEYS = {"name", "shape", "datatype", "parameters", "data"}
_DATATYPES = {
    **{"string": "BYTES", "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64"},
    **{name: name.upper() for name in ("int8", "int16", "int32", "int64")},
    **{name: name.upper() for name in ("uint8", "uint16", "uint32", "uint64")},
}
"""The protocol's names of TensorFlow's types."""


def routes(service: Service) -> list[Route]:
    """The addresses of the protocol."""
    handlers = {
        ("", "GET"): _metadata,
        ("/ready", "GET"): _model_ready,
        ("/infer", "POST"): _infer,
    }
    server = {"": _server, "/": _server, "/health/live": _live, "/health/ready": _ready}
    return [
        *(Route(f"/v2{end}", endpoint(service, CONTRACT, h)) for end, h in server.items()),
        *(
            Route(
                f"/v2/models/{{name}}{place}{end}",
                endpoint(service, CONTRACT, handler),
                methods=[method],
            )
            for place in ("", "/versions/{version}")
            for (end, method), handler in handlers.items()
        ),
        Route("/v2/{rest:path}", endpoint(service, CONTRACT, _unknown), methods=EVERY_METHOD),
    ]


async def _server(service: Service, _: Request) -> Response:
    return reply({"name": service.name, "version": VERSION, "extensions": []})


async def _live(_: Service, __: Request) -> Response:
    return reply({"live": True})


async def _ready(service: Service, _: Request) -> Response:
    return reply({"ready": service.ready}, 200 if service.ready else 503)


async def _model_ready(service: Service, request: Request) -> Response:
    service.model(request)
    return reply({"name": service.name, "ready": service.ready}, 200 if service.ready else 503)


async def _metadata(service: Service, request: Request) -> Response:
    model = service.model(request)
    signature = model.signatures[SERVING]
    return reply(
        {
            "name": service.name,
            "versions": [str(version) for version in service.watcher.versions],
            "platform": "tensorflow_savedmodel",
            "inputs": [_described(tensor) for tensor in signature.inputs.values()],
            "outputs": [_described(tensor) for tensor in signature.outputs.values()],
        }
    )


async def _infer(service: Service, request: Request) -> Response:
    model = service.model(request)
    signature = model.signatures[SERVING]
    columns, names, identifier, asked = await service.read(
        request, lambda value: _parsed(signature, value)
    )
    if asked:
        answer = (await explain(service, request, model, columns, asked)).tensors()
    else:
        answer = await service.ask(request, signature, columns)
    for name in names:
        if name not in answer:
            raise RequestError(f"There is no output {name!r}.", f"There are {', '.join(answer)}.")
    content = {
        "model_name": service.name,
        "model_version": str(model.version),
        "outputs": [
            {
                "name": name,
                "datatype": _DATATYPES.get(answer[name].dtype.name, "BYTES"),
                "shape": list(answer[name].shape),
                "data": answer[name].ravel(),
            }
            for name in names or answer
        ],
    }
    return reply({"id": identifier, **content} if identifier is not None else content)


async def _unknown(_: Service, request: Request) -> Response:
    raise NotFoundError(
        f"There is no {request.method} {request.url.path}.",
        "See docs/serving.md for the addresses.",
    )


def _parsed(signature: Signature, value: Any) -> tuple[Columns, list[str], str | None, Wanted]:
    """Columns, names of the outputs wanted, identifier of the request, and what beside."""
    value = _object(value, "The request", _REQUEST_KEYS)
    identifier = value.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise RequestError("The id is no string.", "Leave it out, or give a string.")
    asked = wanted(value.get("parameters"))
    names = [
        str(_object(output, "An output", {"name", "parameters"}).get("name"))
        for output in _list(value.get("outputs") or [], "outputs")
    ]
    columns: dict[str, list] = {}
    for tensor in _list(value.get("inputs"), "inputs"):
        name, data = _column(_object(tensor, "An input", _INPUT_KEYS))
        if name in columns:
            raise RequestError(f"The input {name} is given twice.", "Give each once.")
        columns[name] = data
    if not columns:
        raise RequestError("There are no inputs.", "Give a tensor for each feature.")
    return named_inputs.inputs(signature, columns), names, identifier, asked


def _column(tensor: Mapping[str, Any]) -> tuple[str, list]:
    """Name and values of an input."""
    name = tensor.get("name")
    if not isinstance(name, str):
        raise RequestError("An input has no name.", "Name the feature it holds.")
    datatype = tensor.get("datatype")
    if datatype not in _DATATYPES.values():
        raise RequestError(
            f"The datatype of {name} is {datatype!r}.", "Give BYTES for words, FP32 for numbers."
        )
    if tensor.get("parameters"):
        raise RequestError(f"The input {name} has parameters.", "Send its data as JSON.")
    data = list(_flat(tensor.get("data"), name))
    allowed = ([len(data)], [len(data), 1])
    if tensor.get("shape") not in allowed:
        raise RequestError(
            f"The shape of {name} is {tensor.get('shape')!s:.100}, and it has {len(data)} values.",
            f"Give {allowed[0]}.",
        )
    kinds = {"BYTES": (str, dict), "BOOL": (bool,)}.get(str(datatype), (int, float))
    for index, item in enumerate(data):
        if item is not None and type(item) not in kinds:
            raise RequestError(
                f"Row {index}: the value of {name} is not of its datatype {datatype}.",
                "Give BYTES for words, FP32 for numbers.",
            )
    return name, data


def _flat(data: Any, name: str) -> Iterator[Any]:
    for item in _list(data, f"data of {name}"):
        if isinstance(item, list):
            yield from item
        else:
            yield item


def _list(value: Any, what: str) -> list:
    if not isinstance(value, list):
        raise RequestError(f"The {what} are no list.", "Give a list.")
    return value


def _object(value: Any, what: str, keys: set[str]) -> dict[str, Any]:
    fields = f"Its fields are {', '.join(sorted(keys))}."
    if not isinstance(value, dict):
        raise RequestError(f"{what} is not an object.", fields)
    if unknown := sorted(value.keys() - keys):
        raise RequestError(f"{what} has no field {unknown[0]!r}.", fields)
    return value


def _described(tensor: Tensor) -> dict[str, Any]:
    datatype = _DATATYPES[tensor.dtype.name]
    return {"name": tensor.name, "datatype": datatype, "shape": list(tensor.shape)}
