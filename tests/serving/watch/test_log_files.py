"""A log that can't be watched is refused before TensorFlow loads, with its cause and its cure."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from light_command import refused

from pipeline.cli.status import Exit

NAME = "requests-20260907-120000-000000001-1.tfrecord.gz"


def watch_refused(tmp_path: Path, *flags: str | Path) -> tuple[int, str]:
    """Exit status of a watch on an empty root, and what was said."""
    return refused("--run-root", tmp_path / "root", "watch", *flags)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


def put(log: Path, content: bytes) -> Path:
    file = log / NAME
    file.write_bytes(content)
    os.utime(file, (1.789e9, 1.789e9))  # 2026-09-10.
    return file


def test_no_log(tmp_path: Path):
    status, said = watch_refused(tmp_path)
    assert status == Exit.FAILED
    assert f"The log of requests {tmp_path / 'root' / 'requests'} is not there." in said
    assert "serve --request-log FOLDER" in said


def test_an_empty_log(tmp_path: Path, log: Path):
    status, said = watch_refused(tmp_path, "--log", log)
    assert (status, "is empty" in said) == (Exit.FAILED, True)
    (log / "requests-1.part").touch()
    status, said = watch_refused(tmp_path, "--log", log)
    assert (status, "no file that is closed yet" in said) == (Exit.FAILED, True)


def test_a_file_that_is_cut_off_or_damaged(tmp_path: Path, log: Path):
    whole = gzip.compress(bytes(range(256)) * 100)
    file = put(log, whole[:-9])
    status, said = watch_refused(tmp_path, "--log", log)
    assert (status, f"{file} is cut off. Copy it again" in said) == (Exit.FAILED, True)
    put(log, whole[:20] + b"\xff\xff\xff" + whole[23:])
    status, said = watch_refused(tmp_path, "--log", log)
    assert (status, f"{file} is damaged" in said) == (Exit.FAILED, True)


def test_a_since_that_is_no_day_or_too_late(tmp_path: Path, log: Path):
    put(log, gzip.compress(b"whatever"))
    status, said = watch_refused(tmp_path, "--log", log, "--since", "yesterday")
    assert status == Exit.BAD_SETTINGS
    assert "--since is 'yesterday', which is no day. Write it as YYYY-MM-DD" in said
    status, said = watch_refused(tmp_path, "--log", log, "--since", "2026-12-24")
    assert status == Exit.FAILED
    assert (
        "has none since 2026-12-24; the newest is of 2026-09-10. Give --since a day up to" in said
    )


def test_labels_without_a_key(tmp_path: Path, log: Path):
    put(log, gzip.compress(b"whatever"))
    labels = tmp_path / "labels.csv"
    labels.write_text("birth,weight_pounds\n1,7.5\n")
    status, said = watch_refused(tmp_path, "--log", log, "--labels", labels)
    assert status == Exit.FAILED
    assert (
        f"{labels} has no column request_id; it has birth, weight_pounds. Give request_id" in said
    )


def test_a_run_root_from_which_nothing_was_pushed(tmp_path: Path, log: Path):
    put(log, gzip.compress(b"whatever"))
    status, said = watch_refused(tmp_path, "--log", log)
    assert (status, "There has been no run in" in said) == (Exit.FAILED, True)
