"""Canary, promotion and rollback of what a rehearsal has pushed, on a copy of the endpoint."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1
from google.oauth2.credentials import Credentials

from common.errors import UserError
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.loopback import one_class_per_message
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.vertex_service import Vertex
from pipeline.vertex.releases import ALL, BLESSED, CHAMPION, Place, Releases

CANARY = 10
"""Per cent of requests that the drill's new version gets at first."""

NAME = "release"
"""What the drill's requests are kept under, in place of a task's name."""


def drill(root: Path, logs: Path, place: Place) -> list[str]:
    """Pushes the newest version once more, as a canary, promotes it and rolls it back.

    What the rehearsal has deployed stays as it is.

    Returns:
        How requests were shared after each step, in words.

    Raises:
        UserError: If they were not shared as they should be.
    """
    one_class_per_message()
    buckets = Buckets(root / "buckets")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        endpoints = Path(folder) / "endpoints"
        shutil.copytree(root / "endpoints", endpoints)
        with Vertex(Processes({}, root), buckets, endpoints, logs) as vertex:
            vertex.task = NAME
            return list(_steps(vertex, place))


def _steps(vertex: Vertex, place: Place) -> Iterator[str]:
    access = vertex.access()
    client_options: dict[str, Any] = {
        "credentials": Credentials(access["token"]),
        "transport": "rest",
        "client_options": {"api_endpoint": access["address"]},
    }
    models = aiplatform_v1.ModelServiceClient(**client_options)
    releases = Releases(place, models, aiplatform_v1.EndpointServiceClient(**client_options))
    called = {alias: each.version for each in releases.status() for alias in each.aliases}
    champion = called[CHAMPION]
    again = vertex.registry.artifact_of(f"{place.model_name}@{called[BLESSED]}")
    new = releases.upload(again, run=NAME, about="A drill.", labels={})
    releases.deploy(new, CANARY)
    yield _shared(releases, "canary", {new: CANARY, champion: ALL - CANARY})
    releases.promote()
    yield _shared(releases, "promote", {new: ALL})
    releases.roll_back()
    yield _shared(releases, "rollback", {champion: ALL})


def _shared(releases: Releases, step: str, wanted: dict[str, int]) -> str:
    status = sorted(releases.status(), key=lambda each: int(each.version))
    shares = {each.version: each.traffic for each in status if each.traffic is not None}
    if shares != wanted:
        raise UserError(
            f"After the step {step} of the release, requests are shared {shares}, not {wanted}.",
            "Look into pipeline/vertex/releases.py.",
        )
    said = ", ".join(f"version {version} {share}%" for version, share in shares.items())
    return f"{step}: {said}"
