from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import storage
from google.auth.credentials import CredentialsWithRegionalAccessBoundary
from google_cloud import GoogleCloud

from pipeline.vertex.addresses import ADDRESSES
from pipeline.vertex.vertex_settings import VertexSettings, load_settings

REQUIRED = (
    *("--project", "my-project"),
    *("--run-root", "gs://my-bucket/natality"),
    *("--service-account", "runner@my-project.iam.gserviceaccount.com"),
    *("--image", "us-central1-docker.pkg.dev/my-project/natality/natality:1"),
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without settings files, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NATALITY_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(scope="session")
def required() -> tuple[str, ...]:
    """Flags of the settings that have no default."""
    return REQUIRED


@pytest.fixture(scope="session")
def vertex_settings() -> Callable[..., VertexSettings]:
    """Settings with what must be set, and what flags say."""
    return lambda *flags: load_settings([*REQUIRED, *flags])


@pytest.fixture
def google() -> Iterator[GoogleCloud]:
    """Google Cloud on loopback, without an answer to anything."""
    with GoogleCloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of Cloud Storage on loopback, with the bucket of the settings."""
    with storage.serving(tmp_path_factory.mktemp("storage")) as url:
        storage.client(url).create_bucket("my-bucket")
        yield url


@pytest.fixture(autouse=True)
def no_lookup_of_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's client looks up in a thread, at an address that can't be led here, where an account
    may be used; what it logs of that comes between a test and the output it reads.
    """
    monkeypatch.setattr(
        CredentialsWithRegionalAccessBoundary,
        "_maybe_start_regional_access_boundary_refresh",
        lambda *_: None,
    )


@pytest.fixture
def online(
    google: GoogleCloud, buckets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, ...]:
    """Flags for a command line that reaches them, with credentials that are good there only."""
    key = tmp_path / "key.json"
    storage.write_credentials(key, f"{google.url}/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    addresses = dict.fromkeys(ADDRESSES, google.url) | {"storage": buckets}
    flags = [("--addresses", f"{service}={url}") for service, url in addresses.items()]
    return (*REQUIRED, *(word for flag in flags for word in flag))
