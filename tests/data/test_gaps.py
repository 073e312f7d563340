"""Each column of the table all NULL, half NULL and as a code for unknown, on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gaps import GAPS, Gap, check, queries

from data.source import open_source
from data.table import TABLE
from data.warehouse import Warehouse

TYPES = {"FLOAT64": pa.float64(), "INT64": pa.int64(), "BOOL": pa.bool_()}


@pytest.mark.parametrize("gap", GAPS, ids=str)
def test_a_gap_is_left_out_or_told(gap: Gap, tmp_path: Path):
    schema = pa.schema([(column.name, TYPES[column.type]) for column in TABLE.columns])
    pq.write_table(pa.Table.from_pylist(gap.births(), schema), tmp_path / "births.parquet")
    with Warehouse({TABLE.name: open_source(tmp_path / "births.parquet")}, threads=1) as warehouse:

        def rows(sample: float) -> list[dict[str, Any]]:
            answers = (warehouse.query(query) for query in queries(TABLE.name, sample))
            return [row for answer in answers for batch in answer for row in batch.to_pylist()]

        check(gap, rows)
