"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.files import replacing, write_atomically


def test_a_file_is_written_with_its_folder(tmp_path: Path):
    file = tmp_path / "deep" / "down" / "file"
    assert write_atomically(file, "ä") == file
    assert file.read_bytes() == "ä".encode()
    write_atomically(file, b"again")
    assert file.read_text() == "again"
    assert os.listdir(file.parent) == ["file"]


def test_permissions_stay(tmp_path: Path):
    file = tmp_path / "file"
    file.touch(mode=0o640)
    file.chmod(0o640)
    write_atomically(file, "text")
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_fails_leaves_what_was_there(tmp_path: Path):
    file = write_atomically(tmp_path / "file", "before")
    with pytest.raises(ZeroDivisionError), replacing(file) as partial:
        partial.write_text("half")
        _ = 1 / 0
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_comes_whole(tmp_path: Path):
    with replacing(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "file").touch()
        assert not (tmp_path / "folder").exists()
    assert os.listdir(tmp_path / "folder") == ["file"]
