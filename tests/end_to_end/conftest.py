"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import os

import pytest
from checkout import Project

if not os.environ.get("TEST_REHEARSAL"):
    collect_ignore = ["test_rehearsal.py"]  # Minutes; `make test-rehearsal` has them.


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project that has not run yet."""
    return Project(tmp_path_factory.mktemp("end-to-end") / "checkout")
