from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.vertex.settings import VertexSettings, load_settings

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
