"""The copy of the code can be brought up to date, and keeps what is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scaffold import project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (project.ROOT / ".git").exists(), reason="not a git repository"),
]


def git(folder: Path, *arguments: str) -> str:
    person = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *person, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a change")


def append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)


def test_an_update_brings_news_of_the_code_and_leaves_the_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    subprocess.run(["git", "clone", "--quiet", project.ROOT, here], check=True)
    monkeypatch.setattr(project, "ROOT", here)
    assert project.copy(there) == ()
    assert project.begin_history(there)
    (there / "README.md").write_text("mine\n")
    append(there / "models" / "request.py", "# mine\n")
    commit(there)

    for file in ("Makefile", "README.md", "models/features.py"):
        append(here / file, "# news\n")
    commit(here)
    update = [sys.executable, "-m", "copier", "update", "--vcs-ref=HEAD", "--defaults", "--quiet"]
    subprocess.run(update, cwd=there, check=True, capture_output=True)

    changed = git(there, "diff", "--name-only").split()
    assert changed == [".copier-answers.yml", "Makefile"]
    assert (there / "Makefile").read_text().endswith("# news\n")
    assert (there / "README.md").read_text() == "mine\n"
    assert (there / "models" / "request.py").read_text().endswith("# mine\n")
