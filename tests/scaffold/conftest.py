"""Trips, and what is made of them."""

from __future__ import annotations

import pytest
from trips import make_trips

from scaffold.rows import Rows, typed_rows


@pytest.fixture(scope="session")
def trips() -> Rows:
    table = make_trips()
    return typed_rows(table, "my-project.my_dataset.trips", "trips", table.num_rows)
