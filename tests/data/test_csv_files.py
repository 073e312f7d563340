"""CSV files as people have them are read, or named for what they are, with the cure that fits."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import duckdb
import pytest

from common.errors import UserError
from data.columns import Column
from data.csv_files import connect
from data.source import open_source

COLUMNS = (
    Column("fare", "FLOAT64", minimum=0),
    Column("tips", "FLOAT64"),
    Column("kind", "STRING"),
)
GOOD = b"fare,tips,kind\n7.25,1,cash\n8,,card\n"


def refused(path: Path, columns: tuple[Column, ...] = COLUMNS) -> UserError:
    with pytest.raises(UserError) as caught:
        open_source(path, columns)
    assert str(path) in caught.value.cause
    return caught.value


@pytest.mark.parametrize(
    ("content", "cause", "cure"),
    [
        (b",fare,tips,kind\n0,7.25,1,cash\n", "index of a pandas data frame", "index=False"),
        (b"fare,tips,kind,\n7.25,1,cash,\n", "header ends with a comma", "Remove the commas"),
        (b"fare,tips,kind,,\n7.25,1,cash,,\n", "header ends with a comma", "Remove the commas"),
        (b"fare,,kind\n7.25,1,cash\n", "cell 2 of its header is empty", "Name the column"),
        (b"\n7.25,1,cash\n", "the header, is empty", "Put the names there"),
        (b",,\n7.25,1,cash\n", "the header, is empty", "Put the names there"),
        (b"7.25,1,cash\n8,2,card\n", "first line holds values", "Put a line with the names"),
        (b"fare,tips,kind,fare\n7,1,cash,7\n", "fare is there twice, in cells 1 and 4", "Rename"),
        (b"fare,tips,kind,Fare\n7,1,cash,7\n", "Fare is there twice", "have no case"),
        (b"fare,tips,kind\n7,1,cash\nfare,tips,kind\n8,1,cash\n", "line 3, repeats", "Remove"),
        (b"fare;tips;kind\n7,25;1;cash\n", "separated by semicolons", "with commas between"),
        (b"fare\ttips\tkind\n7.25\t1\tcash\n", "separated by tabs", "with commas between"),
        (b"fare|tips|kind\n7.25|1|cash\n", "separated by bars", "with commas between"),
        (b"", "is empty", "copy it again"),
        (b"fare,tips,kind\n", "has no rows", "Name a file"),
        (b'fare,tips,kind\n7,1,"cash\n8,1,card\n', "line 2: a quote opens", "Close it"),
        (b'fare,tips,kind\n7,1,"ca\n8,1,c"x\n', "line 2:", "quotes"),
        (b'fare,tips,kind\n7,1,"cash\n8",card\n9,1,card\n', "several lines", "quote"),
        (b"fare,tips,kind\n7,1,cash\n8,1\n", "line 3, has 2 cells, the header 3", "as many cells"),
        (b"fare,tips,kind\n7,1,cash,card\n", "line 2, has 4 cells, the header 3", "needs quotes"),
        (b"fare,tips,kind\n7,1,ca\x00sh\n", "line 2: there is a NUL byte", "copy it again"),
        (b"fare,tips,kind\n7,1,caf\xe9\n", "line 2: byte 0xe9 is not UTF-8", "Latin-1"),
        ("fare,tips,kind\n7,1,cash\n".encode("utf-16"), "text in UTF-16", "UTF-8"),
        (b"fare,tips,kind\n7,1,cash\n8,1,ca", "may be cut off: line 3", "if it is whole"),
        (b"fare,tips,kind\n7,1,cash\n8", "may be cut off: line 3", "copy it again"),
        (b"fare,tips,kind\n7,1,cash\r\n8,1,card\n", "some lines end with", "Unify"),
        (b"fare,tips,kind\n-7,1,cash\n", "column fare is negative in 1 of 1 rows", "Remove"),
        (b"fare,tips,kind\n7,much,cash\n", "line 2, column tips: 'much' is not FLOAT64", "NULL"),
        (gzip.compress(GOOD, mtime=0), "is gzip, though", "Name it .csv.gz"),
        (b"PAR1" + bytes(20), "a Parquet file", "Name it .parquet"),
        (b"PK\x03\x04" + bytes(20), "Excel", "save the sheet as CSV"),
    ],
)
def test_what_it_is_and_the_cure(tmp_path: Path, content: bytes, cause: str, cure: str):
    (tmp_path / "trips.csv").write_bytes(content)
    error = refused(tmp_path / "trips.csv")
    assert cause in error.cause
    assert cure in error.cure


def test_long_cells_and_headers(tmp_path: Path):
    file = tmp_path / "trips.csv"
    file.write_bytes(b"fare,tips,kind\n7,1,cash\n8,1," + b"x" * 10_000_000 + b"\n")
    error = refused(file)
    assert "line 3: a cell has 10,000,000 characters" in error.cause
    assert len(error.cause) < 300
    file.write_bytes(b"x" * 10_000_000 + b"\n7\n")
    assert "a header it is not" in refused(file).cause
    file.write_bytes(b",".join(b"c%d" % i for i in range(20_000)) + b"\n")
    assert "20,000 cells" in refused(file).cause


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + GOOD,
        b'"fare","tips","kind"\n"7.25","1","cash"\n8,,card\n',
        b"fare,tips,kind,more\n7.25,1,cash,\n8,,card,x\n",
        b"fare,tips,kind\n7.25,1,cash,\n8,,card,\n",
        GOOD + b"\n",
    ],
    ids=["plain", "crlf", "cr", "bom", "quoted", "more", "trailing", "blank end"],
)
def test_what_can_be_read_is(tmp_path: Path, content: bytes):
    (tmp_path / "trips.csv").write_bytes(content)
    opened = open_source(tmp_path / "trips.csv", COLUMNS)
    assert duckdb.execute(opened.relation()).fetchall() == [
        (7.25, 1.0, "cash"),
        (8.0, None, "card"),
    ]


def whole() -> bytes:
    lines = (b"%d.25,%d,cash" % (fare, fare % 7) for fare in range(1000))
    return b"\n".join([b"fare,tips,kind", *lines, b""])


@pytest.mark.parametrize("cut", sorted(random.Random(1).sample(range(1, 2000), 60)))
def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path, cut: int):
    content = gzip.compress(whole())
    keep = cut * len(content) // 2000 if cut > 20 else len(content) - cut
    (tmp_path / "trips.csv.gz").write_bytes(content[:keep])
    error = refused(tmp_path / "trips.csv.gz")
    assert "cut off" in error.cause or "empty" in error.cause
    assert "copy it again" in error.cure


@pytest.mark.parametrize("at", [-1, -5, -8, 100])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, at: int):
    content = bytearray(gzip.compress(whole()))
    content[at] ^= 0xFF
    (tmp_path / "trips.csv.gz").write_bytes(content)
    assert "is damaged" in refused(tmp_path / "trips.csv.gz").cause


def test_what_is_no_gzip_file_is_refused(tmp_path: Path):
    (tmp_path / "trips.csv.gz").write_bytes(GOOD)
    assert "no gzip file" in refused(tmp_path / "trips.csv.gz").cause


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_plain_file_cut_off_within_a_line_is_refused(tmp_path: Path, cut: int):
    content = whole()[:-cut]
    (tmp_path / "trips.csv").write_bytes(content)
    if content.endswith(b"\n"):  # Between two lines, nothing shows it.
        open_source(tmp_path / "trips.csv", COLUMNS)
    else:
        assert "may be cut off" in refused(tmp_path / "trips.csv").cause


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("DATE", ["2001-12-31", "2001-1-2"], ["31.12.2001", "2001-02-30", "2001-12-31 00:00:00"]),
        ("DATETIME", ["2001-12-31 23:59:59.5", "2001-12-31T23:59:59"], ["2001-12-31 25:00:00"]),
        (
            "TIMESTAMP",
            ["2001-12-31 23:59:59 UTC", "2001-12-31 23:59:59+01:00", "2001-12-31T23:59:59Z"],
            ["12/31/2001 11:59:59 PM", "1009843199", "2001-12-31 23:59:59 CET"],
        ),
        ("NUMERIC", ["7.25", "-0.000000001", "1" * 29, "7"], ["7,25", "0.0000000001", "1" * 30]),
    ],
)
def test_dates_times_and_numerics_as_text(tmp_path: Path, kind, good, bad):
    columns = (Column("x", kind), Column("y", "INT64"))
    file = tmp_path / "trips.csv"
    file.write_text("".join(["x,y\n", *(f"{cell},1\n" for cell in [*good, ""])]))
    with connect() as connection:
        rows = connection.execute(open_source(file, columns).relation()).fetchall()
    assert [row[0] is None for row in rows] == [False] * len(good) + [True]
    for cell in bad:
        file.write_text(f'x,y\n{good[0]},1\n"{cell}",1\n')
        error = refused(file, columns)
        assert f"line 3, column x: {cell!r} is not {kind}" in error.cause
