"""A run does not start on a root it cannot write, that is full or that another run uses."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
from pipeline.cli.run_root import new_log, sole_run

PROJECT = Path(__file__).parents[3]


def test_it_makes_the_root(tmp_path: Path):
    root = tmp_path / "deep" / "down"
    with sole_run(root):
        assert root.is_dir()


def test_a_root_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="can't be written") as caught,
        sole_run(tmp_path / "file/x"),
    ):
        pass
    assert str(tmp_path / "file/x") in caught.value.cause
    assert "--run-root" in caught.value.cure


def test_a_second_run_on_the_root_is_refused(tmp_path: Path):
    with sole_run(tmp_path):
        with pytest.raises(UserError, match="Another run is using") as caught, sole_run(tmp_path):
            pass
        assert "--run-root" in caught.value.cure
    with sole_run(tmp_path):
        pass  # The first one has let go.


def test_the_lock_goes_with_a_killed_run(tmp_path: Path):
    code = (
        "import sys, time, pathlib\n"
        "from pipeline.cli.run_root import sole_run\n"
        "with sole_run(pathlib.Path(sys.argv[1])):\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    with other.stdout:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="Another run"), sole_run(tmp_path):
            pass
        other.kill()
        other.wait()
    with sole_run(tmp_path):
        pass


def test_a_full_disk_is_refused(tmp_path: Path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(UserError) as caught, sole_run(tmp_path / "root"):
            pass
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert "has 4 MB left; a run needs 500 MB" in caught.value.cause
    assert "Make room" in caught.value.cure


def test_logs_sort_by_time_and_never_share_a_name(tmp_path: Path):
    logs = []
    for _ in range(3):
        logs.append(new_log(tmp_path))
        logs[-1].touch()
    assert len(set(logs)) == 3
    assert all(log.parent == tmp_path / "logs" for log in logs)


def test_what_fails_inside_lets_go_of_the_lock(tmp_path: Path):
    with contextlib.suppress(ZeroDivisionError), sole_run(tmp_path):
        _ = 1 / 0
    with sole_run(tmp_path):
        assert shutil.disk_usage(tmp_path).free
