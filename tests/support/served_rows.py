"""Requests of a served small model, and what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from small_model import expected
from starlette.testclient import TestClient

from models.declaration import Category
from models.features import FEATURES
from models.judging import EXAMPLE_REQUEST

ROW = dict(EXAMPLE_REQUEST)
ROWS = [
    ROW,
    {
        feature.name: feature.vocabulary[0] if isinstance(feature, Category) else feature.maximum
        for feature in FEATURES
    },
]


def answers(rows: list[dict[str, Any]], version: int = 2) -> Any:
    return pytest.approx([expected(row, version / 10) for row in rows], rel=1e-5)


def wait_until_ready(client: TestClient) -> None:
    """Asks until the first version is warm; a test's time limit ends it otherwise."""
    while client.get("/v2/health/ready").status_code != 200:
        pass
