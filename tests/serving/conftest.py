"""Small models, and a server of one of them, asked in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import browser
from served_rows import wait_until_ready
from small_model import write_model
from starlette.testclient import TestClient

from serving.server.application import create_application
from serving.server.server_settings import ServerSettings

__all__ = ["browser"]  # A fixture, for the tests of the page.

NAME = "model"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Three versions whose answers differ."""
    folder = tmp_path_factory.mktemp("models")
    return {version: write_model(folder, version, offset=version / 10) for version in (1, 2, 3)}


@pytest.fixture
def push(models: dict[int, Path], tmp_path: Path) -> Callable[..., Path]:
    """Puts a version into a folder as the Pusher does, and returns the folder."""

    def put(version: int, folder: Path = tmp_path / "pushed") -> Path:
        shutil.copytree(models[version], folder / str(version))
        return folder

    return put


@pytest.fixture(scope="session")
def served(models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a server of versions 1 and 2, labelled stable and canary."""
    folder = tmp_path_factory.mktemp("served")
    for version in (1, 2):
        shutil.copytree(models[version], folder / str(version))
    settings = ServerSettings(
        model_folder=str(folder),
        model_name=NAME,
        labels={"stable": 1, "canary": 2},
        max_body_bytes=4 * 2**20,
        max_rows=20_000,
        access_log=False,
    )
    # What a handler raises is to be seen as a client sees it.
    client = TestClient(create_application(settings), raise_server_exceptions=False)
    with client:
        wait_until_ready(client)
        yield client
