"""Labels that came later are joined by key; what can't be is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from request_logs import SCHEMA, drawn, write_log

from common.errors import UserError
from models.features import LABEL
from serving.watch.labels import Labels, join_labels, read_labels
from serving.watch.log_files import find_files
from serving.watch.logged_rows import LoggedRows, read_rows


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "labels.parquet", **columns: list) -> Path:
        file, frame = tmp_path / name, pd.DataFrame(columns)
        frame.to_csv(file, index=False) if name.endswith(".csv") else frame.to_parquet(file)
        return file

    return write


@pytest.fixture
def rows(tmp_path: Path) -> LoggedRows:
    """Rows `r0` to `r9`, answered 0 to 9."""
    folder = write_log(tmp_path / "log", [drawn(10, 1)], predictions=np.arange(10.0))
    return read_rows(find_files(folder, None), SCHEMA, None)


@pytest.mark.parametrize("name", ["labels.parquet", "labels.csv"])
def test_rows_get_their_labels(written: Callable[..., Path], rows: LoggedRows, name: str):
    file = written(name, request_id=["r7", "r2", "other"], **{LABEL.name: [7.5, 2.5, 1.0]})
    found = join_labels(rows, read_labels(file))
    assert found.rows.predictions.tolist() == [2.0, 7.0]
    assert found.labels.tolist() == [2.5, 7.5]
    assert (found.unlogged, found.ambiguous) == (1, 0)


def test_ids_that_look_like_numbers_stay_ids(written: Callable[..., Path]):
    file = written("labels.csv", request_id=["007", "8"], **{LABEL.name: [7, 8]})
    assert read_labels(file).keys.tolist() == [("007", 0), ("8", 0)]


def test_a_key_that_callers_gave_twice_has_no_label(written: Callable[..., Path], rows: LoggedRows):
    twice = rows.where(np.arange(10) < 9)
    ids = [b"r0", *(b"r%d" % i for i in (0, *range(2, 9)))]
    twice = replace(twice, keys=twice.keys.set_column(0, "request_id", [ids]))
    file = written(request_id=["r0", "r3"], row=[0, 0], **{LABEL.name: [1.0, 3.5]})
    found = join_labels(twice, read_labels(file))
    assert (found.labels.tolist(), found.unlogged, found.ambiguous) == ([3.5], 0, 2)


def test_what_can_not_be_joined_is_named(
    written: Callable[..., Path], rows: LoggedRows, tmp_path: Path
):
    def refused(file: Path) -> UserError:
        with pytest.raises(UserError) as error:
            labels = read_labels(file)
            assert isinstance(labels, Labels)
            join_labels(rows, labels)
        return error.value

    weights = {LABEL.name: [7.5, 8.0]}
    assert "There is no file of labels" in refused(tmp_path / "none.parquet").cause
    (tmp_path / "labels.txt").touch()
    assert "no known format" in refused(tmp_path / "labels.txt").cause
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and then nothing")
    assert "can't be read" in refused(tmp_path / "cut.parquet").cause
    without = refused(written(birth=["r1", "r2"], **weights))
    assert f"has no column request_id; it has birth, {LABEL.name}" in without.cause
    assert "X-Request-ID" in without.cure
    assert f"no column {LABEL.name}" in refused(written(request_id=["r1"])).cause
    words = written(request_id=["r1"], **{LABEL.name: ["heavy"]})
    assert "heavy" in refused(words).cause
    unknown = written(request_id=["r1", "r2"], **{LABEL.name: [7.5, None]})
    assert f"no number in {LABEL.name} of request_id 'r2'" in refused(unknown).cause
    assert "'r1', row 0 twice" in refused(written(request_id=["r1", "r1"], **weights)).cause
    others = refused(written(request_id=["a", "b"], **weights))
    assert "None of the 2 labels" in others.cause
    assert "the first is of request_id 'a'" in others.cause
