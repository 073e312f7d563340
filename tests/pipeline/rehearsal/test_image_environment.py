"""The containers' environment: made with the real uv, of a small project without dependencies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from common.errors import UserError
from pipeline.rehearsal.image_environment import Environment

SETUP = (
    "from setuptools import setup; "
    "setup(name='small', version='1', packages=['room'], package_data={'room': ['*.txt']})"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "room").mkdir(parents=True)
    (folder / "requirements.lock").write_text("")
    (folder / "setup.py").write_text(SETUP)
    (folder / "room" / "__init__.py").write_text("")
    (folder / "room" / "words.py").write_text("WORD = 'first'\n")
    (folder / "room" / "taken.txt").write_text("")
    (folder / "room" / "left.md").write_text("")
    return folder


def word(environment: Environment, code: str = "print(room.words.WORD)") -> str:
    """What a process in the environment says."""
    return subprocess.run(
        [environment.bin / "python", "-c", f"import room.words; {code}"],
        cwd="/",
        env=environment.variables(Path("/")),
        check=True,
        text=True,
        capture_output=True,
    ).stdout.strip()


def test_it_holds_the_built_package_and_not_the_checkout(checkout: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", checkout)
    assert environment.make() is True
    folder = Path(word(environment, "print(room.__file__)")).parent
    assert checkout not in folder.parents
    found = {file.name for file in folder.iterdir()} - {"__pycache__"}
    assert found == {"__init__.py", "words.py", "taken.txt"}
    assert list((folder / "__pycache__").glob("words.*.pyc")), "imports are compiled once"
    assert word(environment, "import importlib.util as u; print(u.find_spec('pytest'))") == "None"
    assert not (checkout / "build").exists()


def test_it_is_made_anew_only_as_far_as_something_changed(checkout: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", checkout)
    environment.make()
    assert environment.make() is False

    kept = environment.bin.parent / "kept"
    kept.touch()
    (checkout / "room" / "words.py").write_text("WORD = 'second'\n")
    assert environment.make() is True
    assert word(environment) == "second"
    assert kept.exists(), "the dependencies were not installed again"

    (checkout / "requirements.lock").write_text("# another\n")
    assert environment.make() is True
    assert not kept.exists()
    assert environment.make() is False


def test_a_removed_module_is_not_in_the_package(checkout: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", checkout)
    (checkout / "room" / "old.py").write_text("")
    environment.make()
    (checkout / "room" / "old.py").unlink()
    environment.make()
    assert word(environment, "import importlib.util as u; print(u.find_spec('room.old'))") == "None"


def test_what_stops_it_is_told_and_it_can_be_made_after(checkout: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", checkout)
    (checkout / "setup.py").write_text("raise SystemExit('the cause')")
    with pytest.raises(UserError, match=r"(?s)'uv build' ended with status.*the cause"):
        environment.make()
    (checkout / "setup.py").write_text(SETUP)
    assert environment.make() is True
    assert word(environment) == "first"


def test_a_folder_that_is_no_checkout_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"requirements\.lock is missing"):
        Environment(tmp_path / "environment", tmp_path).make()
