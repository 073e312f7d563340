"""Where a query leaves no rows, it is told which condition took how many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.columns import Column
from data.row_filters import what_took_all
from data.source import open_source
from data.warehouse import Warehouse

TABLE = "p.d.numbers"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """One with the numbers from 0 to 9, and NULL."""
    pq.write_table(pa.table({"n": [*range(10), None]}), tmp_path / "numbers.parquet")
    source = open_source(tmp_path / "numbers.parquet", [Column("n", "INT64")])
    with Warehouse({TABLE: source}) as warehouse:
        yield warehouse


@pytest.mark.parametrize(
    ("query", "took"),
    [
        (
            f"SELECT n FROM `{TABLE}` WHERE n > 2 AND n <> 5 AND n >= 0 AND n > 20",
            [("n > 2", 4), ("n <> 5", 1), ("n > 20", 6)],
        ),
        (f"SELECT n FROM `{TABLE}` WHERE n > 20 OR n < 0", [("n > 20 OR n < 0", 11)]),
        (
            f"WITH a AS (SELECT n, n * 2 AS m FROM `{TABLE}` WHERE n > 4), "
            "b AS (SELECT * FROM a WHERE m < 12 AND n > 5) "
            "SELECT n FROM b UNION ALL SELECT n FROM b",
            [("m < 12", 4), ("n > 5", 1)],
        ),
        (f"SELECT n FROM `{TABLE}` WHERE n > 4", []),
        (f"SELECT n FROM `{TABLE}`", []),
    ],
    ids=["in turn", "one", "steps", "some are left", "no filter"],
)
def test_each_condition_is_told_with_what_it_takes(
    warehouse: Warehouse, query: str, took: list[tuple[str, int]]
):
    assert what_took_all(warehouse, query) == took
