"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import pytest
from checkout import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project that has not run yet."""
    return Project(tmp_path_factory.mktemp("end-to-end") / "checkout")
