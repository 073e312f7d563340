"""The embedded warehouse answers BigQuery's SQL from files, in its types, streaming."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UserError
from data.dialect import farm_fingerprint
from data.query import SPLITS, render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse

BIRTHS = 6000
TYPES = {"BOOL": pa.bool_(), "INT64": pa.int64(), "FLOAT64": pa.float64(), "STRING": pa.string()}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(1)
    columns = {
        "weight_pounds": random.integers(500, 5000, BIRTHS) / 453.59237,
        "is_male": random.random(BIRTHS) < 0.5,
        "mother_age": random.integers(15, 45, BIRTHS),
        "plurality": random.integers(1, 6, BIRTHS),
        "gestation_weeks": random.integers(25, 45, BIRTHS),
        "year": np.repeat(np.arange(2000, 2010), BIRTHS // 10),
        "month": random.integers(1, 13, BIRTHS),
        # Who the mother is, for the tests to follow: no two births are alike.
        "weight_gain_pounds": np.arange(BIRTHS),
    }
    filled = {c.name: columns.get(c.name, [None] * BIRTHS) for c in TABLE.columns}
    schema = pa.schema([(c.name, TYPES[c.type]) for c in TABLE.columns])
    file = tmp_path_factory.mktemp("births") / "births.parquet"
    pq.write_table(pa.table(filled, schema=schema), file)
    return file


@pytest.fixture(scope="module")
def warehouse(path: Path):
    with Warehouse({TABLE.name: open_source(path)}, threads=2) as opened:
        yield opened


def rows(warehouse: Warehouse, sql: str, seed: int | None = None) -> list[dict]:
    return [row for batch in warehouse.query(sql, seed) for row in batch.to_pylist()]


def split(name: str, sample: float = 1) -> str:
    return render(QueryParameters(), table=TABLE.name, sample=sample, split=name)


def test_types_are_those_of_bigquery(warehouse):
    values = "1 AS i, 1.5 AS f, 'a' AS s, TRUE AS b, NULL AS n"
    sql = f"SELECT {values}, SUM(year), AVG(year) FROM `{TABLE.name}`"
    (batch,) = warehouse.query(sql)
    kinds = [str(field.type) for field in batch.schema]
    assert kinds == ["int64", "double", "string", "bool", "int64", "int64", "double"]
    assert batch.schema.names[-2:] == ["f0_", "f1_"]


def test_the_splits_share_the_years_asked_for_by_whole_months(warehouse):
    months = {
        name: {(row["year"], row["month"]) for row in rows(warehouse, split(name))}
        for name in SPLITS
    }
    assert {name: len(found) for name, found in months.items()} == {
        "train": 72,
        "eval": 12,
        "test": 12,
    }
    assert set.union(*months.values()) == {(y, m) for y in range(2001, 2009) for m in range(1, 13)}


@pytest.mark.parametrize("name", SPLITS)
def test_each_birth_is_there_with_and_without_ultrasound(warehouse, name):
    found = rows(warehouse, split(name))
    kinds = collections.Counter(row["is_male"] == "Unknown" for row in found)
    assert kinds[True] == kinds[False] > 0
    assert {row["plurality"] for row in found if row["is_male"] == "Unknown"} == {
        "Single(1)",
        "Multiple(2+)",
    }
    twins = collections.Counter(
        (row["weight_pounds"], row["mother_age"], row["year"], row["month"], row["gestation_weeks"])
        for row in found
    )
    assert all(count % 2 == 0 for count in twins.values())


def test_the_sample_keeps_its_share_and_nests(warehouse):
    def births(sample: float) -> set:
        return {
            (
                row["weight_pounds"],
                row["mother_age"],
                row["year"],
                row["month"],
                row["gestation_weeks"],
            )
            for name in SPLITS
            for row in rows(warehouse, split(name, sample))
        }

    everything, half, tenth = births(1), births(0.5), births(0.1)
    assert tenth < half < everything
    assert len(half) / len(everything) == pytest.approx(0.5, abs=0.03)
    assert len(tenth) / len(everything) == pytest.approx(0.1, abs=0.02)


def test_the_split_is_the_documented_hash(warehouse):
    for name in SPLITS:
        for row in rows(warehouse, split(name, 0.2)):
            bucket = abs(farm_fingerprint(f"{row['year']}-{row['month']}-31238")) % 8
            assert name == ("train" if bucket < 6 else "eval" if bucket == 6 else "test")


def test_shuffling_keeps_the_rows_and_depends_on_the_seed_alone(warehouse, path):
    sql = f"SELECT year, weight_gain_pounds FROM `{TABLE.name}`"
    plain, once, other = (rows(warehouse, sql, seed) for seed in (None, 1, 2))
    with Warehouse({TABLE.name: open_source(path)}, threads=1) as fresh:
        again = rows(fresh, sql, 1)
    assert once == again
    assert once != other != plain
    key = lambda row: row["weight_gain_pounds"]  # noqa: E731
    assert sorted(once, key=key) == sorted(other, key=key) == sorted(plain, key=key)
    # Any run of rows holds every year: the mean year of 200 rows is near that of all.
    years = np.array([row["year"] for row in once]).reshape(-1, 200)
    assert np.abs(years.mean(axis=1) - years.mean()).max() < 1


def test_queries_can_be_read_side_by_side(warehouse):
    sql = f"SELECT weight_gain_pounds AS n FROM `{TABLE.name}` ORDER BY n"
    first, second = warehouse.query(sql), warehouse.query(sql)
    assert next(first).num_rows == next(second).num_rows > 0


@pytest.mark.parametrize(
    ("sql", "cause", "cure"),
    [
        ("SELECT wieght_pounds FROM `{}`", "column wieght_pounds", "Did you mean weight_pounds?"),
        ("SELECT t.zzz FROM `{}` AS t", "column zzz", "alcohol_use"),
        ("SELECT year, year FROM `{}`", "year twice", "once"),
        ("SELECT year / (year - year) AS a FROM `{}`", "divided by zero", "SAFE_DIVIDE"),
        ("SELECT CAST(weight_pounds AS STRING) AS a FROM `{}`", "FLOAT64 to STRING", "INT64 first"),
        ("SELECT AVG(is_male) AS a FROM `{}`", "not valid", "Correct the query"),
        ("SELECT 9223372036854775807 + year AS a FROM `{}`", "Overflow", "Correct"),
    ],
)
def test_errors_name_cause_and_cure(warehouse, sql, cause, cure):
    with pytest.raises(UserError) as caught:
        rows(warehouse, sql.format(TABLE.name))
    assert cause in caught.value.cause
    assert cure in caught.value.cure


def test_an_error_after_the_first_batch_is_named_too(tmp_path):
    count = 400_000
    schema = pa.schema([(c.name, TYPES[c.type]) for c in TABLE.columns])
    filled = {name: pa.nulls(count, schema.field(name).type) for name in schema.names}
    filled["year"] = pa.array(np.arange(count))
    pq.write_table(pa.table(filled, schema=schema), tmp_path / "births.parquet")
    batches = 0
    with Warehouse({TABLE.name: open_source(tmp_path)}, threads=1) as opened:
        stream = opened.query(f"SELECT 1 / (year - {count - 1}) AS a FROM `{TABLE.name}`")
        with pytest.raises(UserError, match="divided by zero"):
            for _ in stream:
                batches += 1
    assert batches > 0


def test_a_sort_beyond_memory_spills(path):
    # Without a temporary folder, 60 MB are not enough for these 1.2 million rows.
    pairs = f"`{TABLE.name}` AS a JOIN `{TABLE.name}` AS b ON a.month = b.month AND b.year < 2004"
    sql = f"SELECT a.*, b.year AS other FROM {pairs}"
    with Warehouse({TABLE.name: open_source(path)}, memory="60MB", threads=1) as small:
        counted = sum(batch.num_rows for batch in small.query(sql, shuffle_seed=1))
    assert counted == pytest.approx(BIRTHS * BIRTHS / 30, rel=0.05)
