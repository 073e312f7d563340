"""Rows that can't be predicted are refused before TensorFlow or Beam loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from light_command import refused

from common.errors import UserError
from pipeline.cli.status import Exit
from serving.batch.row_files import check, files_at


def test_neither_loads_for_rows_that_are_not_there(tmp_path: Path):
    rows = ("--input", tmp_path / "rows.csv", "--output", tmp_path / "out.csv")
    status, said = refused("--run-root", tmp_path / "root", "predict", *rows)
    assert status == Exit.FAILED
    assert f"There is nothing to read at {tmp_path}/rows.csv." in said


@pytest.mark.parametrize(
    ("given", "output", "cause"),
    [
        ("rows.csv", "out.xlsx", "out.xlsx is of no known format"),
        ("rows.csv", "out.parquet.gz", "out.parquet.gz is of no known format"),
        ("rows.csv", "out.csv", "has no column"),
        ("rows.parquet", "out.csv", "rows.parquet can't be read"),
        (".", "out.csv", "notes.txt is of no known format"),
        ("*.jsonl", "out.csv", "There is nothing to read at"),
    ],
)
def test_names_and_columns_are_checked(given: str, output: str, cause: str, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("Not rows.")
    (tmp_path / "rows.csv").write_text("id,colour\n1,red\n")
    (tmp_path / "rows.parquet").write_text("Not Parquet.")
    with pytest.raises(UserError, match=cause):
        check(str(tmp_path / given), str(tmp_path / output))


def test_what_only_google_knows_is_not_asked_for():
    check("bq:my-project.rides.trips", "bq:my-project.rides.answers")
    check("SELECT * FROM trips", "out.parquet")
    check("gs://nobody-s-bucket/rows/*.csv", "gs://nobody-s-bucket/out.jsonl.gz")


def test_a_folder_and_a_pattern_are_their_files_without_hidden_ones(tmp_path: Path):
    for name in ("b.csv", "a.csv", ".hidden.csv", "_SUCCESS", "c.jsonl", "inner/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    def names(place: str) -> list[str]:
        return [str(Path(file).relative_to(tmp_path)) for file in files_at(f"{tmp_path}/{place}")]

    assert names("") == ["a.csv", "b.csv", "c.jsonl"]
    assert names("*.csv") == ["a.csv", "b.csv"]
    assert names("**/*.csv") == ["a.csv", "b.csv", "inner/d.csv"]
    assert names("c.jsonl") == ["c.jsonl"]
