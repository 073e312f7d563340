"""What `make` would run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def commands(*arguments: str, path: str = "") -> str:
    """The commands of a target, with programs of a folder before others."""
    made = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/.installed", *arguments],
        cwd=PROJECT,
        env=os.environ | {"PATH": f"{path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout


def test_tensorboard_looks_at_any_root():
    assert "--logdir runs/pipeline/Trainer/model_run " in commands("tensorboard")
    assert "--logdir /there/pipeline/" in commands("tensorboard", "RUNS=/there")


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_the_notebook_opens_for_root_too(tmp_path: Path, user: int, allowed: bool):
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tmp_path / "id").chmod(0o755)
    assert ("--allow-root" in commands("notebook", path=str(tmp_path))) is allowed
