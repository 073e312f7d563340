"""A fingerprint changes with what the code does, wherever that is written, and only then."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import caching as fingerprint
from pipeline.caching import code_fingerprint

PROJECT = Path(__file__).parents[2]
ROOM = "a_room_of_the_tests"

TOP = f"""
'''Says what it does.'''
from {ROOM} import near
from {ROOM}.deep.down import depth
import os, json

def answer():
    '''Answers.'''
    return near.ONE + depth()  # a comment
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package: top imports near and deep.down, which imports far; apart is by itself."""
    folder = tmp_path / ROOM
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "top.py").write_text(TOP)
    (folder / "near.py").write_text("ONE = 1\n")
    (folder / "deep" / "down.py").write_text(
        f"def depth():\n    import {ROOM}.far as far\n    return far.TWO\n"
    )
    (folder / "far.py").write_text("TWO = 2\n")
    (folder / "apart.py").write_text("THREE = 3\n")
    monkeypatch.setattr(fingerprint, "ROOMS", (ROOM,))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == ROOM]:
        del sys.modules[name]


def of_top() -> str:
    importlib.invalidate_caches()
    return code_fingerprint(f"{ROOM}.top")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_it_repeats(room: Path):
    assert of_top() == of_top()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("top.py", "+ depth()", "- depth()"),
        ("near.py", "1", "7"),
        ("deep/down.py", "far.TWO", "-far.TWO"),
        ("far.py", "2", "8"),
    ],
)
def test_an_edit_of_what_is_imported_changes_it(room: Path, file: str, old: str, new: str):
    before = of_top()
    replace(room / file, old, new)
    assert of_top() != before


@pytest.mark.parametrize(
    "edit",
    [
        lambda room: replace(room / "top.py", "# a comment", "# another one"),
        lambda room: replace(room / "top.py", "'''Answers.'''", "'''Answers well.'''"),
        lambda room: replace(room / "top.py", "Says what it does.", "Says it."),
        lambda room: replace(room / "top.py", "near.ONE + depth()", "(\n  near.ONE +\n  depth())"),
        lambda room: replace(room / "far.py", "2", "2  # two"),
        lambda room: replace(room / "apart.py", "3", "9"),
    ],
    ids=["comment", "docstring", "module docstring", "layout", "comment afar", "unrelated module"],
)
def test_other_edits_do_not(room: Path, edit: Callable[[Path], None]):
    before = of_top()
    edit(room)
    assert of_top() == before


def test_a_new_import_counts(room: Path):
    before = of_top()
    replace(room / "near.py", "ONE = 1", f"ONE = 1\nfrom {ROOM} import apart")
    with_apart = of_top()
    replace(room / "apart.py", "3", "9")
    assert len({before, with_apart, of_top()}) == 3


def test_modules_may_import_each_other(room: Path):
    replace(room / "near.py", "ONE = 1", f"ONE = 1\nimport {ROOM}.top")
    assert of_top()


def test_an_unknown_module_is_an_error(room: Path):
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        code_fingerprint(f"{ROOM}.nowhere")


@pytest.fixture(scope="module")
def edited_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether the fingerprint of each module of the project changes with models/model.py."""
    copy = tmp_path_factory.mktemp("checkout")
    for room in fingerprint.ROOMS:
        shutil.copytree(PROJECT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    before = of_project(copy)
    with (copy / "models" / "model.py").open("a") as file:
        file.write("\nEDITED = True\n")
    after = of_project(copy)
    return {module: before[module] != after[module] for module in before}


def of_project(folder: Path) -> dict[str, str]:
    modules = [
        "models.transform",
        "models.task",
        "models.metrics",
        "pipeline.components.embedded_bigquery",
    ]
    code = (
        "from pipeline.caching import code_fingerprint\n"
        f"for module in {modules}: print(module, code_fingerprint(module))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    )
    return dict(line.split() for line in said.stdout.splitlines())


@pytest.mark.parametrize(
    ("module", "changes"),
    [
        ("models.task", True),
        ("models.transform", False),
        ("models.metrics", False),
        ("pipeline.components.embedded_bigquery", False),
    ],
)
def test_an_edit_of_the_network_concerns_training_alone(
    edited_model: dict[str, bool], module: str, changes: bool
):
    assert edited_model[module] is changes


def test_files_that_code_reads_count_too(room: Path, tmp_path: Path):
    templates = tmp_path / "templates"
    templates.mkdir()
    page = templates / "page.html"
    page.write_text("<p>")
    before = code_fingerprint(f"{ROOM}.top", templates)
    assert before not in (of_top(), code_fingerprint(f"{ROOM}.apart", templates))
    page.write_text("<b>")
    assert code_fingerprint(f"{ROOM}.top", templates) != before
