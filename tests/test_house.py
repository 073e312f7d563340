"""The rules of the house that no tool checks: which room may import which, and who knows births."""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.table import TABLE
from models.features import CONTEXT, FEATURES, LABEL

PROJECT = Path(__file__).parents[1]

FLOORS = {
    "common": 0,
    "data": 1,
    "models": 2,
    "schema": 2,
    "report": 3,
    "serving": 3,
    "scaffold": 3,
    "pipeline": 4,
    "local_runner": 5,
    "vertex_runner": 5,
    "benchmarks": 5,
}
"""A module imports from its own floor and those below."""

DECLARED = (
    "models/features.py",
    "models/judging.py",
    "data/table.py",
    "schema/schema.pbtxt",
    TABLE.query.relative_to(PROJECT).as_posix(),
)
"""Files that know what the project is about."""

ABOUT = ("data/synthetic/", "tests/", "docs/", "notebooks/", "README.md", "LICENSE")
"""Where people read of births, or births are made or tested."""

WORDS = (
    *("births?", "newborns?", "bab(y|ies)", "natality", "pounds?", "lbs?", "ultrasounds?"),
    *("gestation", "plurality", "twins?", "triplets?", "mothers?", "fathers?", "pregnan\\w+"),
)


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


def modules() -> list[str]:
    return [name for name in tracked("*.py") if name.split("/")[0].removesuffix(".py") in FLOORS]


def imports(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((PROJECT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(name: str) -> str:
    return re.split(r"[./]", name)[0]


@pytest.fixture(scope="module")
def room_imports() -> dict[str, set[str]]:
    """By room, the rooms it imports, itself left out."""
    found: dict[str, set[str]] = {name: set() for name in FLOORS}
    for module in modules():
        others = {room(name) for name in imports(module)} & FLOORS.keys()
        found[room(module)] |= others - {room(module)}
    return found


def test_every_module_is_read():
    assert len(modules()) > 100


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module):
    floor = FLOORS[room(module)]
    upward = [name for name in imports(module) if FLOORS.get(room(name), 0) > floor]
    assert not upward, f"{module} imports from a floor above its own"


def test_no_two_rooms_import_each_other(room_imports):
    for name, others in room_imports.items():
        assert not [other for other in others if name in room_imports[other]], name


def test_the_learned_knows_no_schema(room_imports):
    assert "schema" not in room_imports["models"]


def test_a_server_needs_no_beam_and_no_tfx():
    """What predicts in batches stands apart from what answers requests."""
    rooms = ("batch", "stream_pipeline")
    beam = tuple(f"serving/{name}/" for name in rooms)
    served = [m for m in modules() if m.startswith("serving/") and not m.startswith(beam)]
    heavy = {"apache_beam", "tfx", "tensorflow_transform", "pipeline"}
    assert served
    assert {m: found for m in served if (found := heavy & set(map(room, imports(m))))} == {}
    apart = tuple(folder.replace("/", ".").rstrip(".") for folder in beam)
    assert {m for m in served for name in imports(m) if name.startswith(apart)} == set()
    assert {m.split("/")[1] for m in modules() if m.startswith(beam)} == {
        "batch",
        "stream_pipeline",
    }


def test_a_name_of_a_module_has_one_meaning():
    """Both runners have such commands, and a benchmark; a section of the page has facts, charts."""
    shared = {
        "__init__",
        "__main__",
        "engines",
        "commands",
        "release",
        "stream",
        "batch",
        "watch",
        "data_quality",
        "residuals",
        "slice_metrics",
    }
    stems = Counter(Path(module).stem for module in modules())
    assert [stem for stem, count in stems.items() if count > 1 and stem not in shared] == []


def test_births_are_known_to_the_declaring_files_only():
    """Read as a person would: any line of any file, comments and messages included."""
    names = {LABEL.name, *(feature.name for feature in FEATURES), *CONTEXT} - {"month", "year"}
    pattern = re.compile(rf"(?<![A-Za-z])({'|'.join([*WORDS, *sorted(names)])})(?![a-z])", re.I)
    found = []
    for name in tracked():
        if name in DECLARED or name.startswith(ABOUT) or name.endswith((".lock", ".parquet")):
            continue
        for number, line in enumerate((PROJECT / name).read_text("utf-8").splitlines(), start=1):
            if match := pattern.search(line):
                found.append(f"{name}:{number}: {match[0]}")
    assert not found, "\n".join(found)
