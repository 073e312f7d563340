"""Whatever is wrong with what a user gives, the runner names it and what to do, and breaks nothing.

Most of it goes through the command line within this process, which saves loading TensorFlow each
time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ml_metadata as mlmd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tfx import v1 as tfx

from data import query
from data.table import TABLE
from pipeline.cli import run_root
from pipeline.cli.run_root import sole_run
from pipeline.cli.status import Exit
from pipeline.local.commands import main

PROJECT = Path(__file__).parents[2]
SAMPLE = TABLE.sample


class Root:
    """A run root with a run and a pushed model, to which nothing may happen."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd
        self._model = folder / "serving" / "natality" / "1700000000" / "saved_model.pb"
        self._model.parent.mkdir(parents=True)
        self._model.write_bytes(b"a model")

    def run(self, *flags: str) -> tuple[int, str]:
        """Exit status, and all that was said."""
        self._capfd.readouterr()
        # pytest's own streams would not follow the runner's into the log.
        with (
            open(1, "w", closefd=False) as out,
            open(2, "w", closefd=False) as err,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = main(["--run-root", str(self.folder), *flags])
        said = self._capfd.readouterr()
        return status, said.out + said.err

    def refused(self, *flags: str, status: int = Exit.FAILED) -> str:
        """Runs what must fail, and what must be true of each failure; returns what was said."""
        before = self.executions()
        ended, said = self.run(*flags)
        assert ended == status, said
        assert "Traceback" not in said
        assert self._model.read_bytes() == b"a model"
        assert before <= self.executions()
        error = said.partition("error: ")[2].splitlines()
        assert len(error) >= 2, "a cause and a cure"
        assert "This is not something a setting explains" not in said
        return said

    def executions(self) -> set[int]:
        """Ids of what ended well, in ML Metadata."""
        file = self.folder / "metadata.sqlite"
        if not file.exists():
            return set()
        config = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(file))
        found = mlmd.MetadataStore(config).get_executions()
        return {execution.id for execution in found if execution.last_known_state == 3}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without natality.toml."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def root(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Root:
    return Root(tmp_path / "root", capfd)


@pytest.fixture(scope="module")
def births() -> pa.Table:
    return pq.read_table(SAMPLE)


def test_good_data_passes_and_changed_data_runs_again(root: Root, births: pa.Table, tmp_path: Path):
    file = tmp_path / "births.parquet"
    only = ("--source", str(file), "--to", "BigQueryExampleGen")
    for table, state in ((births, "done"), (births, "cached"), (births.slice(1), "done")):
        pq.write_table(table, file)
        status, said = root.run(*only)
        assert status == Exit.DONE, said
        assert f"BigQueryExampleGen: {state}" in said
    assert len(root.executions()) == 2


def heavy(table: pa.Table, weight: float) -> pa.Table:
    """The table with one weight changed."""
    index = table.column_names.index("weight_pounds")
    weights = table.column(index).to_pylist()
    weights[17] = weight
    return table.set_column(index, "weight_pounds", pa.array(weights, pa.float64()))


def retyped(table: pa.Table, name: str) -> pa.Table:
    index = table.column_names.index(name)
    return table.set_column(index, name, table.column(index).cast(pa.string()))


@pytest.mark.parametrize(
    ("change", "cause", "cure"),
    [
        (
            lambda t: t.drop(["is_male"]),
            "no column is_male",
            "Add it",
        ),
        (
            lambda t: t.rename_columns(
                [n.replace("gestation_weeks", "gestation_week") for n in t.column_names]
            ),
            "no column gestation_weeks",
            "Is gestation_week meant? Rename it.",
        ),
        (
            lambda t: retyped(t, "plurality"),
            "column plurality is STRING, not INT64",
            "Export the column as INT64",
        ),
        (lambda t: t.slice(0, 0), "has no rows", "Name a file with births in it"),
        (
            lambda t: heavy(t, float("nan")),
            "column weight_pounds is not a finite number (NaN or infinite) in 1 of",
            "Remove these rows",
        ),
        (lambda t: heavy(t, -7.5), "column weight_pounds is negative in 1 of", "Remove these rows"),
        (
            lambda t: t.filter(pc.and_(pc.equal(t["month"], 1), pc.equal(t["year"], 2003))),
            "has no rows: ",
            "Choose more with years, sample",
        ),
    ],
    ids=["missing", "misspelt", "type", "empty", "nan", "negative", "split without rows"],
)
def test_bad_data(
    root: Root,
    births: pa.Table,
    tmp_path: Path,
    change: Callable[[pa.Table], pa.Table],
    cause: str,
    cure: str,
):
    file = tmp_path / "births.parquet"
    pq.write_table(change(births), file)
    # Only the query tells that a split has no rows.
    status = Exit.FAILED if "Choose" in cure else Exit.BAD_SETTINGS
    said = root.refused("--source", str(file), status=status)
    assert str(file) in said
    assert cause in said
    assert cure in said


@pytest.mark.parametrize(
    ("content", "cause"),
    [(None, "There are no births at"), (b"no Parquet", "cannot be read as Parquet")],
    ids=["missing", "unreadable"],
)
def test_a_file_that_cannot_be_read(root: Root, tmp_path: Path, content: bytes | None, cause: str):
    file = tmp_path / "births.parquet"
    if content is not None:
        file.write_bytes(content)
    assert cause in root.refused("--source", str(file), status=Exit.BAD_SETTINGS)


def test_years_without_births(root: Root):
    said = root.refused("--years", "1970")
    assert "Split train has no rows" in said
    assert "the query's filters leave it none: year BETWEEN 1970 AND 1970 takes 50,000." in said


def test_an_unknown_sql_function(root: Root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    edited_query(monkeypatch, tmp_path, "ROUND(weight_pounds", "SOUNDEX(weight_pounds")
    assert "SOUNDEX" in root.refused()


def test_a_misspelt_column_in_the_query(
    root: Root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    edited_query(monkeypatch, tmp_path, "mother_age > 0", "mother_aeg > 0")
    said = root.refused()
    assert "mother_aeg" in said
    assert "Did you mean mother_age?" in said


def edited_query(monkeypatch: pytest.MonkeyPatch, folder: Path, old: str, new: str) -> None:
    text = TABLE.query.read_text()
    assert old in text
    (folder / "natality.sql").write_text(text.replace(old, new))
    edited = dataclasses.replace(TABLE, query=folder / "natality.sql")
    monkeypatch.setattr(query, "TABLE", edited)


def test_data_that_is_not_as_agreed_stops_before_training(
    root: Root, births: pa.Table, tmp_path: Path
):
    index = births.column_names.index("mother_age")
    older = pc.add(births.column(index), 60)
    older = pc.if_else(pc.less(older, 99), older, 98)
    file = tmp_path / "births.parquet"
    pq.write_table(births.set_column(index, "mother_age", older), file)
    said = root.refused("--source", str(file), "--sample", "0.1")
    assert "mother_age: found" in said
    assert "AnomalyGate: failed" in said
    assert "Transform" not in said


@pytest.mark.parametrize(
    ("weights", "cause"),
    [
        (lambda pounds: pc.multiply(pounds, 0.45359237), "found a mean of 3.2"),
        (lambda pounds: pa.array([7.25] * len(pounds)), "found the one value 7.25 lb in all"),
    ],
    ids=["kilograms", "constant"],
)
def test_a_label_that_is_none_is_not_learned_on_a_fresh_root(
    root: Root,
    births: pa.Table,
    tmp_path: Path,
    weights: Callable[[pa.ChunkedArray], pa.Array],
    cause: str,
):
    index = births.column_names.index("weight_pounds")
    file = tmp_path / "births.parquet"
    pq.write_table(births.set_column(index, "weight_pounds", weights(births.column(index))), file)
    said = root.refused("--source", str(file), "--sample", "0.1")
    assert f"weight_pounds: {cause}" in said
    assert "AnomalyGate: failed" in said
    assert "Transform" not in said


def test_an_impossible_setting(root: Root):
    said = root.refused("--train-steps", "0", status=Exit.BAD_SETTINGS)
    assert "Setting train_steps is '0'" in said


@pytest.mark.parametrize(
    ("text", "cause"),
    [("feature { nonsense", "can't be read: line 1"), ("# Nothing.\n", "has no feature")],
)
def test_a_schema_that_is_none(root: Root, tmp_path: Path, text: str, cause: str):
    file = tmp_path / "schema.pbtxt"
    file.write_text(text)
    said = root.refused("--schema-file", str(file), status=Exit.BAD_SETTINGS)
    assert f"The schema file {file} {cause}" in said


def test_a_root_that_cannot_be_written(tmp_path: Path, root: Root):
    (tmp_path / "file").touch()
    said = root.refused("--run-root", str(tmp_path / "file" / "root"))
    assert "can't be written (Not a directory)" in said


def test_two_runs_at_once(root: Root):
    with sole_run(root.folder):
        assert "Another run is using" in root.refused()


def test_a_root_with_damaged_metadata(root: Root):
    (root.folder / "metadata.sqlite").write_bytes(b"no database, " * 1000)
    before = root.folder / "metadata.sqlite"
    content = before.read_bytes()
    status, said = root.run()
    assert status == Exit.FAILED
    assert "metadata.sqlite is damaged (file is not a database)" in said
    assert "move that file away" in said
    assert "Traceback" not in said
    assert before.read_bytes() == content


def test_partial_runs_of_nothing(root: Root):
    assert "without --from" in root.refused("--from", "Trainer")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_with_too_little_room(small_disk: Path, capfd: pytest.CaptureFixture[str]):
    said = Root(small_disk / "root", capfd).refused()
    assert "has 13 MB left; a run needs 500 MB at least" in said
    assert "Make room" in said


@pytest.mark.parametrize("component", ["BigQueryExampleGen", "StatisticsGen"])
def test_a_disk_that_runs_full(
    small_disk: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    component: str,
):
    monkeypatch.setattr(run_root, "FREE_BYTES", 0)
    root = Root(small_disk / "root", capfd)
    status, said = root.run("--to", "BigQueryExampleGen", "--sample", "0.1")
    assert status == Exit.DONE, said
    filler = threading.Thread(target=fill, args=(small_disk, root.folder / "pipeline" / component))
    filler.start()
    cache = "--no-cache" if component == "BigQueryExampleGen" else "--cache"
    said = root.refused("--sample", "0.1", cache, "--to", "StatisticsGen")
    filler.join()
    assert "disk" in said
    assert "full" in said

    (small_disk / "filler").unlink()
    status, said = root.run("--sample", "0.1", "--to", "StatisticsGen")
    assert status == Exit.DONE, said


def test_a_disk_that_is_full_before_metadata_is_written(
    small_disk: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_root, "FREE_BYTES", 0)
    root = Root(small_disk / "root", capfd)
    flags = ("--to", "BigQueryExampleGen", "--sample", "0.1")
    status, said = root.run(*flags)
    assert status == Exit.DONE, said
    fill_rest(small_disk)
    said = root.refused(*flags, "--no-cache")
    assert "disk" in said
    assert "full" in said
    assert "damaged" not in said

    (small_disk / "filler").unlink()
    status, said = root.run(*flags, "--no-cache")
    assert status == Exit.DONE, said


def fill(disk: Path, component: Path) -> None:
    """Leaves nothing of a disk as soon as a component has been started once more."""
    work = component / ".system" / "executor_execution"
    before = set(work.glob("*"))
    deadline = time.monotonic() + 30
    while not set(work.glob("*")) - before and time.monotonic() < deadline:
        time.sleep(0.001)
    fill_rest(disk)


def fill_rest(disk: Path) -> None:
    # A run may write at the same time, so there may be less room than was seen.
    with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
