"""Small real runs, made once for all tests of what is read of them."""

from __future__ import annotations

import pytest
from chromium import browser
from real_runs import Runs

from report.facts import Facts

__all__ = ["browser"]  # A fixture, for the tests of pages.


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A root with a run, called `first`, whose model is blessed and pushed."""
    made = Runs(tmp_path_factory.mktemp("report") / "root")
    summary = made.make("first")
    assert summary is not None and summary.blessed
    return made


@pytest.fixture(scope="session")
def first(runs: Runs) -> Facts:
    return runs.facts("first")
