"""The query gives what is declared, and splits rows by what is in them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.query import SPLITS, render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.declaration import Category
from models.features import CONTEXT, FEATURES, LABEL

ROWS = 20_000
"""Rows of the sample that are looked at."""


def answer(warehouse: Warehouse, split: str, sample: float = 1) -> pa.Table:
    sql = render(QueryParameters(), table=TABLE.name, sample=sample, split=split)
    return pa.Table.from_batches(warehouse.query(sql))


def counted(table: pa.Table) -> Counter[tuple]:
    return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    with Warehouse({TABLE.name: open_source(TABLE.sample)}, threads=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def splits(warehouse: Warehouse) -> dict[str, pa.Table]:
    return {split: answer(warehouse, split) for split in SPLITS}


def test_it_gives_the_declared_columns_in_order(splits):
    declared = [LABEL.name, *(feature.name for feature in FEATURES), *CONTEXT]
    for split, table in splits.items():
        assert table.column_names == declared, split
        assert table.num_rows, split


def test_it_gives_declared_values(splits):
    for table in splits.values():
        assert table[LABEL.name].null_count == 0
        for feature in FEATURES:
            found = set(table[feature.name].to_pylist())
            if feature.required:
                assert None not in found, feature.name
            known = found - {None}
            if isinstance(feature, Category):
                assert known <= set(feature.vocabulary), feature.name
            else:
                assert all(feature.minimum <= x <= feature.maximum for x in known), feature.name


def test_a_sample_is_part_of_the_whole_and_the_same_each_time(warehouse, splits):
    for split, whole in splits.items():
        part = answer(warehouse, split, sample=0.5)
        assert 0 < part.num_rows < whole.num_rows, split
        assert counted(part) <= counted(whole), split
        assert counted(part) == counted(answer(warehouse, split, sample=0.5)), split


def test_equal_rows_are_in_one_split_wherever_they_stand(tmp_path: Path):
    rows = pq.read_table(TABLE.sample).slice(0, ROWS)
    backwards = rows.take(pa.array(range(rows.num_rows - 1, -1, -1)))
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    pq.write_table(rows, once)
    pq.write_table(pa.concat_tables([backwards, backwards]), twice)
    with (
        Warehouse({TABLE.name: open_source(once)}, threads=2) as of_once,
        Warehouse({TABLE.name: open_source(twice)}, threads=2) as of_twice,
    ):
        for split in SPLITS:
            expected = {row: 2 * n for row, n in counted(answer(of_once, split)).items()}
            assert counted(answer(of_twice, split)) == expected, split
