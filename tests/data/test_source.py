"""What is wrong with local data is said with file, line, column and cure, before a run starts."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UserError
from data import source
from data.columns import Column
from data.source import open_source
from data.table import TABLE
from data.warehouse import Warehouse

TYPES = {"BOOL": pa.bool_(), "INT64": pa.int64(), "FLOAT64": pa.float64(), "STRING": pa.string()}
SCHEMA = pa.schema([(c.name, TYPES[c.type]) for c in TABLE.columns])
BIRTH = {
    "weight_pounds": 7.5,
    "is_male": True,
    "mother_age": 30,
    "plurality": 1,
    "gestation_weeks": 39,
    "mother_race": None,
    "cigarette_use": None,
    "alcohol_use": False,
    "year": 2003,
    "month": 4,
    "father_age": 33,
    "wday": 2,
    "born_alive_alive": 0,
    "weight_gain_pounds": None,
}


def parquet(path: Path, *changes: dict, schema: pa.Schema = SCHEMA) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [BIRTH | change for change in changes or ({},)]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def comma_separated(path: Path, *changes: dict, names: tuple[str, ...] = tuple(BIRTH)) -> Path:
    lines = [",".join(names)]
    for change in changes or ({},):
        birth = BIRTH | change
        lines.append(",".join("" if birth[n] is None else str(birth[n]) for n in names))
    path.write_text("\n".join(lines) + "\n")
    return path


def read(opened: source.Source) -> list[dict]:
    cursor = duckdb.execute(opened.relation())
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def refused(path: str | Path) -> UserError:
    with pytest.raises(UserError) as caught:
        open_source(path)
    return caught.value


def test_parquet_and_csv_of_the_same_births_read_the_same(tmp_path):
    births = ({}, {"is_male": False, "father_age": None}, {"weight_pounds": 8165 / 453.59237})
    first = open_source(parquet(tmp_path / "births.parquet", *births))
    second = open_source(comma_separated(tmp_path / "births.csv", *births))
    assert read(first) == read(second) == [BIRTH | birth for birth in births]


def test_columns_may_come_in_another_order_and_case_and_with_others(tmp_path):
    names = (*reversed(BIRTH), "state")
    comma_separated(tmp_path / "a.csv", {"state": "TX"}, names=names)
    text = (tmp_path / "a.csv").read_text().replace("is_male", "Is_Male")
    (tmp_path / "a.csv").write_text("\ufeff" + text, encoding="utf-8")
    comma_separated(tmp_path / "b.csv")
    assert read(open_source(tmp_path)) == [BIRTH, BIRTH]


def test_csv_may_be_gzipped_and_hold_whole_numbers_as_data_frames_write_them(tmp_path):
    plain = comma_separated(tmp_path / "plain", {"father_age": "33.0"})
    (tmp_path / "births.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert read(open_source(tmp_path / "births.csv.gz")) == [BIRTH]


def test_folder_glob_and_file_find_the_same(tmp_path):
    parquet(tmp_path / "births" / "2001" / "a.parquet")
    parquet(tmp_path / "births" / "2002" / "b.parquet")
    (tmp_path / "births" / "_SUCCESS").touch()
    (tmp_path / "births" / "_temporary.parquet").touch()
    folder = open_source(tmp_path / "births")
    by_glob = open_source(str(tmp_path / "births" / "*" / "*.parquet"))
    assert [file.name for file in folder.files] == ["a.parquet", "b.parquet"]
    assert by_glob.files == folder.files
    assert by_glob.fingerprint() == folder.fingerprint()


def test_parquet_types_that_hold_the_same_values_are_accepted(tmp_path):
    schema = SCHEMA
    for name, kind in {
        "mother_age": pa.int32(),
        "year": pa.uint16(),
        "mother_race": pa.null(),
    }.items():
        schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    opened = open_source(parquet(tmp_path / "births.parquet", schema=schema))
    assert read(opened) == [BIRTH]
    kinds = duckdb.execute(f"DESCRIBE {opened.relation()}").fetchall()
    assert {name: kind for name, kind, *_ in kinds}["mother_race"] == "BIGINT"


@pytest.mark.parametrize("name", ["births.parquet", "folder", "*.csv"])
def test_nothing_there(tmp_path, name):
    (tmp_path / "folder").mkdir()
    error = refused(tmp_path / name)
    assert str(tmp_path / name) in error.cause
    assert ".parquet" in error.cure


def test_another_kind_of_file(tmp_path):
    (tmp_path / "births.json").write_text("{}")
    assert "births.json is not a file of births" in refused(tmp_path / "births.json").cause


def test_parquet_and_csv_mixed(tmp_path):
    parquet(tmp_path / "a.parquet")
    comma_separated(tmp_path / "b.csv")
    assert "Parquet and CSV" in refused(tmp_path).cause


def test_name_that_reads_as_a_pattern(tmp_path):
    parquet(tmp_path / "births[1].parquet")
    assert "Rename" in refused(tmp_path).cure


def test_corrupt_parquet(tmp_path):
    path = parquet(tmp_path / "births.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    assert "births.parquet cannot be read as Parquet: it is cut off" in refused(path).cause


@pytest.mark.parametrize("part", range(60))
def test_parquet_that_was_cut_off(tmp_path, part):
    path = parquet(tmp_path / "births.parquet", *[{}] * 50)
    content = path.read_bytes()
    path.write_bytes(content[: part * len(content) // 60] if part else content[:-1])
    assert "cut off" in refused(path).cause


def test_an_empty_file(tmp_path):
    (tmp_path / "births.parquet").touch()
    assert "is empty" in refused(tmp_path / "births.parquet").cause


TIMES = {
    "at": ("TIMESTAMP", pa.timestamp("us", tz="UTC"), datetime(2001, 2, 3, 4, tzinfo=timezone.utc)),
    "local": ("DATETIME", pa.timestamp("ms"), datetime(2001, 2, 3, 4)),
    "day": ("DATE", pa.date32(), date(2001, 2, 3)),
    "fare": ("NUMERIC", pa.decimal128(12, 2), Decimal("7.25")),
}


def test_parquet_of_dates_times_and_numerics(tmp_path):
    schema = pa.schema([(name, kind) for name, (_, kind, _) in TIMES.items()])
    values = {name: value for name, (_, _, value) in TIMES.items()}
    path = tmp_path / "trips.parquet"
    pq.write_table(pa.Table.from_pylist([values, dict.fromkeys(values)], schema=schema), path)
    opened = open_source(path, [Column(name, kind) for name, (kind, _, _) in TIMES.items()])
    with Warehouse({"p.d.trips": opened}) as warehouse:
        (batch,) = warehouse.query(
            "SELECT UNIX_SECONDS(at) AS at, EXTRACT(HOUR FROM local) AS hour,"
            " EXTRACT(DAYOFWEEK FROM day) AS weekday, CAST(fare AS FLOAT64) AS fare"
            " FROM `p.d.trips` ORDER BY fare DESC"
        )
        assert batch.to_pylist() == [
            {"at": 981172800, "hour": 4, "weekday": 7, "fare": 7.25},
            {"at": None, "hour": None, "weekday": None, "fare": None},
        ]
        for name, (kind, _, _) in TIMES.items():
            with pytest.raises(UserError) as caught:
                list(warehouse.query(f"SELECT {name} AS x FROM `p.d.trips`"))
            assert f"column x is a {kind}" in caught.value.cause
            assert "in the query" in caught.value.cure
        with pytest.raises(UserError) as caught:
            list(warehouse.query("SELECT fare * 2 AS x FROM `p.d.trips`"))
        assert "NUMERIC" in caught.value.cause
        assert "CAST(... AS FLOAT64)" in caught.value.cure
    for name, (kind, _, _) in TIMES.items():
        with pytest.raises(UserError, match=f"column {name} is {kind}, not INT64"):
            open_source(path, [Column(name, "INT64")])


def test_corrupt_pages_behind_a_good_footer(tmp_path):
    path = parquet(tmp_path / "births.parquet", *[{"weight_pounds": w / 7} for w in range(1, 2000)])
    damaged = bytearray(path.read_bytes())
    damaged[4:3000] = os.urandom(2996)
    path.write_bytes(damaged)
    assert "cannot be read" in refused(path).cause


@pytest.mark.parametrize("write", [parquet, comma_separated])
def test_misspelt_column(tmp_path, write):
    suffix = "parquet" if write is parquet else "csv"
    path = tmp_path / f"births.{suffix}"
    if write is parquet:
        table = pa.Table.from_pylist([BIRTH], schema=SCHEMA)
        pq.write_table(
            table.rename_columns([n.replace("mother_age", "mothers_age") for n in BIRTH]), path
        )
    else:
        comma_separated(path)
        path.write_text(path.read_text().replace("mother_age", "mothers_age"))
    error = refused(path)
    assert "has no column mother_age" in error.cause
    assert error.cure == "Is mothers_age meant? Rename it."


def test_missing_column(tmp_path):
    names = tuple(name for name in BIRTH if name != "wday")
    assert (
        "has no column wday" in refused(comma_separated(tmp_path / "births.csv", names=names)).cause
    )


def test_wrong_type(tmp_path):
    schema = SCHEMA.set(1, pa.field("is_male", pa.string()))
    error = refused(parquet(tmp_path / "births.parquet", {"is_male": "yes"}, schema=schema))
    assert "column is_male is STRING, not BOOL" in error.cause
    assert error.cure == "Export the column as BOOL, or declare it STRING in data/table.py."


@pytest.mark.parametrize(
    ("column", "cell", "kind"),
    [
        ("mother_age", "thirty", "INT64"),
        ("gestation_weeks", "38.5", "INT64"),
        ("is_male", "maybe", "BOOL"),
        ("weight_pounds", "7,5", "FLOAT64"),
    ],
)
def test_bad_cell(tmp_path, column, cell, kind):
    quoted = f'"{cell}"'
    error = refused(comma_separated(tmp_path / "births.csv", {}, {}, {column: quoted}))
    assert f"births.csv, line 4, column {column}: {cell!r} is not {kind}" in error.cause


def test_line_with_too_few_cells(tmp_path):
    path = comma_separated(tmp_path / "births.csv", {}, {})
    path.write_text(path.read_text() + "7.5,true\n")
    error = refused(path)
    assert "births.csv" in error.cause
    assert "4" in error.cause
    assert "as many cells as the header" in error.cure


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (float("nan"), "not a finite number"),
        (float("inf"), "not a finite number"),
        (-7.5, "negative"),
    ],
)
def test_weights_that_cannot_be(tmp_path, weight, said):
    births = [{}] * 8 + [{"weight_pounds": weight}] * 2 + [{"weight_pounds": None}]
    error = refused(parquet(tmp_path / "births.parquet", *births))
    assert "column weight_pounds is " + said in error.cause
    assert "in 2 of 11 rows" in error.cause


def test_no_rows(tmp_path):
    path = tmp_path / "births.parquet"
    pq.write_table(pa.Table.from_pylist([], schema=SCHEMA), path)
    assert "has no rows" in refused(path).cause


@pytest.mark.parametrize("limit", [source.FULL_HASH_LIMIT, 0], ids=["whole", "tail"])
class TestFingerprint:
    @pytest.fixture(autouse=True)
    def _limit(self, monkeypatch, limit):
        monkeypatch.setattr(source, "FULL_HASH_LIMIT", limit)

    def test_moves_with_the_folder(self, tmp_path):
        parquet(tmp_path / "old" / "a.parquet")
        before = open_source(tmp_path / "old").fingerprint()
        shutil.move(tmp_path / "old", tmp_path / "new")
        assert open_source(tmp_path / "new").fingerprint() == before

    def test_changes_with_a_value(self, tmp_path):
        before = open_source(parquet(tmp_path / "a.parquet")).fingerprint()
        after = open_source(parquet(tmp_path / "a.parquet", {"mother_age": 31})).fingerprint()
        assert after != before

    def test_changes_with_a_file_more_and_a_name(self, tmp_path):
        parquet(tmp_path / "a.parquet")
        keys = [open_source(tmp_path).fingerprint()]
        shutil.copy2(tmp_path / "a.parquet", tmp_path / "b.parquet")
        keys.append(open_source(tmp_path).fingerprint())
        (tmp_path / "b.parquet").rename(tmp_path / "c.parquet")
        keys.append(open_source(tmp_path).fingerprint())
        assert len(set(keys)) == 3
