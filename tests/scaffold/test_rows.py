"""Tables are read with the types and names they have in BigQuery."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from trips import make_trips

from common.errors import UserError
from scaffold import rows


def types(table: rows.Rows) -> dict[str, str]:
    return {column.name: column.type for column in table.columns}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_has_the_same_columns_in_either_format(tmp_path: Path, suffix: str):
    trips = make_trips(200)
    path = tmp_path / f"Taxi trips.{suffix}"
    pyarrow.csv.write_csv(trips, path) if suffix == "csv" else pq.write_table(trips, path)
    read = rows.read_file(path)
    assert (read.stem, read.name) == ("taxi_trips", "my-project.my_dataset.taxi_trips")
    assert read.total == read.data.num_rows == 200
    assert types(read) == {
        **dict.fromkeys(("trip_id", "driver_id", "pickup_area", "payment", "company"), "STRING"),
        **dict.fromkeys(("miles", "minutes", "tip", "total", "fare"), "FLOAT64"),
        "pickup_time": "TIMESTAMP",
        "passengers": "INT64",
        "shared": "BOOL",
    }


def test_each_type_of_arrow_is_one_of_bigquery():
    day = datetime.date(2024, 2, 29)
    table = pa.table(
        {
            "small": pa.array([1], pa.int8()),
            "money": pa.array([decimal.Decimal("1.25")], pa.decimal128(10, 2)),
            "day": pa.array([day], pa.date32()),
            "local": pa.array([datetime.datetime(2024, 2, 29, 12)], pa.timestamp("ns")),
            "word": pa.array(["a"]).dictionary_encode(),
            "list": pa.array([[1]]),
        }
    )
    read = rows.typed_rows(table, "p.d.t", "t", 1)
    assert types(read) == {
        "small": "INT64",
        "money": "NUMERIC",
        "day": "DATE",
        "local": "DATETIME",
        "word": "STRING",
    }
    assert read.notes == ("'list' is left out: it holds list<item: int64>, not single values.",)


def test_what_is_no_number_is_null():
    table = pa.table({"x": [1.0, float("nan"), float("inf"), None]})
    read = rows.typed_rows(table, "p.d.t", "t", 4)
    assert read.data["x"].to_pylist() == [1.0, None, None, None]
    assert read.notes == ("x was NaN or infinite in 2 rows; NULL in the sample.",)


def test_names_become_those_that_bigquery_allows():
    table = pa.table({"Trip Miles": [1.0], "2nd": [1], "trip_miles": [2.0], "Trip-Miles": [3.0]})
    read = rows.typed_rows(table, "p.d.t", "t", 1)
    assert list(types(read)) == ["Trip_Miles", "_2nd"]
    assert len(read.notes) == 4


def test_of_a_large_table_some_rows_are_drawn_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_ROWS", 50)
    path = tmp_path / "trips.parquet"
    pq.write_table(make_trips(500), path)
    first, second = rows.read_file(path), rows.read_file(path)
    assert (first.total, first.data.num_rows) == (500, 50)
    assert first.data.sort_by("trip_id").equals(second.data.sort_by("trip_id"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trips.txt", "a\n1\n", "Name a file ending in"),
        ("trips.csv", "a,b\n", "has no rows"),
        ("trips.parquet", "a", "Export or save it again"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str, message: str):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        rows.read_file(path)
