"""What the user may not read or write is told as that, by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import UserError
from data.source import open_source
from data.table import TABLE
from pipeline.caching import name_by_content
from pipeline.cli.explain import explained
from pipeline.cli.run_root import new_log, sole_run
from pipeline.settings import load_settings
from report.runs.metadata_file import METADATA, open_metadata
from schema.propose import SCHEMA_FILE

NOBODY = 65534


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    """Acts as a user who owns nothing here, if root may choose; else as whoever this is."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others can reach, with a run root in it that they may write."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        folder.chmod(0o755)
        (folder / "root").mkdir()
        (folder / "root").chmod(0o777)
        yield folder


def refused(action) -> UserError:
    with somebody_else(), pytest.raises(UserError) as caught:
        action()
    return caught.value


def enter(root: Path) -> None:
    with sole_run(root):
        new_log(root)


def test_a_closed_root(folder: Path):
    (folder / "root").chmod(0o555)
    error = refused(lambda: enter(folder / "root"))
    assert "The run root" in error.cause and "Permission denied" in error.cause


def test_logs_that_can_only_be_read(folder: Path):
    (folder / "root" / "logs").mkdir(mode=0o555)
    error = refused(lambda: enter(folder / "root"))
    assert "The folder of logs" in error.cause and "Permission denied" in error.cause


def test_a_lock_of_somebody_else(folder: Path):
    (folder / "root" / ".lock").touch()
    (folder / "root" / ".lock").chmod(0)
    error = refused(lambda: enter(folder / "root"))
    assert "The lock" in error.cause and "Permission denied" in error.cause


def test_metadata_that_can_only_be_read(folder: Path):
    open_metadata(folder / "root", write=True)
    file = folder / "root" / METADATA
    file.chmod(0o444)
    error = refused(lambda: open_metadata(folder / "root", write=True))
    assert error.cause == f"{file} can't be written: permission denied."
    file.chmod(0)
    error = refused(lambda: open_metadata(folder / "root"))
    assert error.cause == f"{file} can't be read: permission denied."


def test_a_schema(folder: Path):
    file = Path(shutil.copy(SCHEMA_FILE, folder / "schema.pbtxt"))
    file.chmod(0)
    error = refused(lambda: name_by_content(file))
    assert error.cause == f"The schema file {file} can't be read: permission denied."


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.csv.gz"])
def test_a_source(folder: Path, name: str):
    file = Path(shutil.copy(TABLE.sample, folder / name))
    file.chmod(0)
    error = refused(lambda: open_source(file))
    assert error.cause == f"{file} can't be read: permission denied."


def test_a_source_in_a_closed_folder(folder: Path):
    (folder / "closed").mkdir(mode=0)
    error = refused(lambda: open_source(folder / "closed" / "rows.csv"))
    assert error.cause == f"{folder}/closed/rows.csv can't be read: permission denied."


def test_settings(folder: Path):
    file = folder / "mine.toml"
    file.touch(mode=0)
    error = refused(lambda: load_settings(["--config", str(file)]))
    assert error.cause == f"The settings file {file} can't be read: permission denied."


def test_what_a_component_may_not_write(folder: Path):
    (folder / "root" / "pipeline").mkdir(mode=0o555)
    with somebody_else(), pytest.raises(PermissionError) as caught:
        (folder / "root" / "pipeline" / "Trainer").mkdir()
    error = explained(caught.value, where="Trainer")
    assert error.cause == (
        f"Trainer may not touch {folder}/root/pipeline/Trainer: permission denied."
    )
    assert "permissions" in error.cure
