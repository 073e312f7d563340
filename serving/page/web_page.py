"""The page at `/`: its files, what it is made from, and what it asks.

It needs no other host, and its policy allows it none. Nothing on it is written into markup: the
script makes every element from what these addresses answer.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from models.declaration import UNKNOWN, Category, Feature
from models.feature_kinds import label_digits
from models.features import FEATURES, LABEL
from models.judging import EXAMPLE_REQUEST
from models.request import RequestError
from serving.instances import Columns, from_rows
from serving.page.what_if import answer, step_of
from serving.refusals import NotFoundError
from serving.server.service import Service, endpoint, reply

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import SavedModel

CONTRACT = "page"
FILES = Path(__file__).parent / "files"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def routes(service: Service) -> list[Route]:
    """The addresses of the page."""
    handlers = {
        "/": functools.partial(_file, FILES / "index.html"),
        **{f"/page/{file.name}": functools.partial(_file, file) for file in FILES.iterdir()},
        "/page/declaration": _declaration,
        "/reports/{version:int}": _report,
    }
    return [
        *(Route(place, endpoint(service, CONTRACT, h)) for place, h in handlers.items()),
        Route("/page/answer", endpoint(service, CONTRACT, _answer), methods=["POST"]),
    ]


async def _file(file: Path, _: Service, __: Request) -> Response:
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=_HEADERS)


async def _declaration(service: Service, _: Request) -> Response:
    """What the form is made from, whether a version is loaded or not."""
    model = service.watcher.model() if service.watcher.ready else None
    return reply(
        {
            "model": service.name,
            "label": {
                **{"name": LABEL.name, "noun": LABEL.noun, "help": LABEL.help},
                **{"unit": LABEL.unit, "digits": label_digits(LABEL)},
            },
            "features": [_described(feature) for feature in FEATURES],
            **_version(service, model),
        }
    )


def _described(feature: Feature) -> dict[str, Any]:
    told: dict[str, Any] = {"name": feature.name, "title": feature.title, "help": feature.help}
    start = EXAMPLE_REQUEST.get(feature.name)
    if isinstance(feature, Category):
        first = feature.vocabulary[0] if feature.required else UNKNOWN
        return told | {"words": feature.vocabulary, "value": first if start is None else start}
    return told | {
        "unit": feature.unit,
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "step": step_of(feature),
        "optional": feature.optional,
        "value": start,
    }


async def _answer(service: Service, request: Request) -> Response:
    model = service.model(request)
    columns = await service.read(request, _parsed)
    # What people try here is no request of theirs: it is not counted among the rows.
    told = await answer(service, model, columns)
    return reply(told | _version(service, model))


def _parsed(value: Any) -> Columns:
    if not isinstance(value, dict) or value.keys() != {"instance"}:
        raise RequestError("The JSON value has not the one field instance.", "Give one row in it.")
    return from_rows([value["instance"]])


def _version(service: Service, model: SavedModel | None) -> dict[str, Any]:
    """Which version answers, and where its report is."""
    if model is None:
        return {"version": None, "report": None}
    file = _report_file(service, model.version)
    return {
        "version": model.version,
        "report": f"/reports/{model.version}" if file and file.is_file() else None,
    }


async def _report(service: Service, request: Request) -> Response:
    """The report of the run that pushed a version; it has a policy of its own inside."""
    version = request.path_params["version"]
    file = _report_file(service, version)
    if file is None or not file.is_file():
        raise NotFoundError(
            f"There is no report of version {version}.", "Look in the reports of its run root."
        )
    return FileResponse(file, media_type="text/html", headers={"cache-control": "no-cache"})


def _report_file(service: Service, version: int) -> Path | None:
    folder = service.settings.reports
    return Path(folder) / f"{version}.html" if folder else None
