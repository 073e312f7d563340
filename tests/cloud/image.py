"""A Dockerfile: read, and its build stage run in a scratch folder, as there is no engine here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

PYTHON = ".".join(map(str, sys.version_info[:2]))
OLDER = {"PYTHON": "3.10", "BEAM": "2.60.0", "DEBIAN": "bookworm"}
"""Build arguments for the older stack, as the Dockerfile's head names them."""
HERE = OLDER if OLDER["PYTHON"] == PYTHON else {}
"""Build arguments for the stack of the Python that runs the tests."""


@dataclass
class Stage:
    """One stage: its name, the image it begins with, and its instructions with their texts."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, instruction: str) -> list[str]:
        """The texts of all instructions of a kind."""
        return [text for kind, text in self.steps if kind == instruction]


def stages(chosen: Mapping[str, str] = HERE, file: str = "Dockerfile") -> dict[str, Stage]:
    """The stages by name; the last is called `final`.

    Args:
        chosen: Build arguments; those that are missing have their defaults.
        file: The Dockerfile.
    """
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    stage: Stage | None = None
    for kind, text in _instructions((CHECKOUT / file).read_text(encoding="utf-8")):
        if kind == "ARG" and stage is None:
            name, _, default = text.partition("=")
            arguments[name] = chosen.get(name, _filled(default, arguments))
        elif kind == "FROM":
            base, _, name = _filled(text, arguments).partition(" AS ")
            stage = Stage(name or "final", base)
            found[stage.name] = stage
        else:
            assert stage is not None, f"{kind} comes before any FROM"
            # Those that a stage does not ask for have no value in it.
            asked = {name: arguments[name] for name in stage.texts("ARG")}
            stage.steps.append((kind, _filled(text, asked)))
    return found


def context(folder: Path) -> None:
    """Copies what `.dockerignore` lets into the image's context."""
    rules = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    assert [r for r in rules if r and r[0] not in "#!"] == ["*", "**/__pycache__"]
    for name in allowed:
        if (CHECKOUT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(CHECKOUT / name, folder / name)


def build(root: Path, dockerfile: str = "Dockerfile", chosen: Mapping[str, str] = HERE) -> Path:
    """Runs the build stage with a folder in place of the image's root; the Python it makes.

    Python and uv are those that run the tests, and uv's cache is the user's. The rest is as said.
    """
    source = root / "context"
    source.mkdir(parents=True)
    context(source)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "UV_"))}
    programs = (Path(sys.executable).parent, Path(sys.base_prefix) / "bin", environment["PATH"])
    environment["PATH"] = ":".join(map(str, programs))
    workdir = root
    for kind, text in stages(chosen, dockerfile)["build"].steps:
        if kind == "WORKDIR":
            workdir = root / text.removeprefix("/")
            workdir.mkdir(parents=True)
        elif kind == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(text))
        elif kind == "COPY" and not text.startswith("--from"):
            *names, target = text.split()
            # A glob can't be `.`, the whole context.
            found = [
                file
                for name in names
                for file in ([source] if name == "." else sorted(source.glob(name)))
            ]
            assert found, text
            for file in found:
                to = workdir / target
                if target.endswith("/"):
                    to.mkdir(exist_ok=True)
                if file.is_dir():
                    shutil.copytree(file, to, dirs_exist_ok=True)
                else:
                    shutil.copy(file, to)
        elif kind == "RUN":
            command = re.sub(r"--mount=\S+\s*", "", text).replace("/opt/venv", f"{root}/opt/venv")
            # A folder here may be linked to uv's cache, which a layer of an image can't be.
            there = environment | {"UV_LINK_MODE": "hardlink"}
            ended = subprocess.run(
                ["sh", "-c", command],
                cwd=workdir,
                env=there,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert ended.returncode == 0, f"{command}\n{ended.stdout}"
    return root / "opt" / "venv" / "bin" / "python"


def _filled(text: str, arguments: Mapping[str, str]) -> str:
    for name, value in arguments.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Instructions and their texts; continued lines are joined, comments left out."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            kind, _, text = line.partition(" ")
            yield kind, text.strip()
