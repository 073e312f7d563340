"""The two stacks, which of them this machine can run, and the Pythons that are to be found on it.

What stands in this folder runs on any Python from 3.9 on, before anything is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stack:
    """A version of TFX and what it runs on.

    Attributes:
        tfx: The version.
        pythons: Versions of Python it has wheels for, the newest first.
        glibc: Oldest C library on Linux; None: any that is about.
        systems: Systems and processors, as `platform` names them.
    """

    tfx: str
    pythons: tuple[str, ...]
    glibc: tuple[int, int] | None
    systems: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """What people read."""
        return f"tfx {self.tfx}"

    def refusal(self) -> str:
        """Why this machine can't run it; empty if it can."""
        machine = (platform.system(), platform.machine())
        if machine not in self.systems:
            return f"{self.name} has no packages for {machine[0]} on {machine[1]}"
        if machine[0] == "Linux":
            library, version = platform.libc_ver()
            if library != "glibc":
                return f"{self.name} needs the GNU C library, and this machine has another"
            if self.glibc and tuple(map(int, version.split(".")[:2])) < self.glibc:
                needed = ".".join(map(str, self.glibc))
                return f"{self.name} needs glibc {needed} or newer, and this machine has {version}"
        return ""


NEWER = Stack("1.21", ("3.13", "3.12", "3.11"), (2, 39), (("Linux", "x86_64"), ("Darwin", "arm64")))
OLDER = Stack("1.16", ("3.10",), None, (("Linux", "x86_64"),))
STACKS = (NEWER, OLDER)


class StackError(Exception):
    """No stack fits, or the Python for it is not to be found; the message says what to do."""


@dataclass(frozen=True)
class Choice:
    """What the environment is made of.

    Attributes:
        stack: The stack.
        version: Of Python.
        python: The program.
        why: What speaks against anything newer; empty if nothing is newer.
    """

    stack: Stack
    version: str
    python: str
    why: str

    def __str__(self) -> str:
        """One line for the console."""
        return f"Python {self.version} with {self.stack.name}" + (
            f": {self.why}" if self.why else ""
        )


def choose(stacks: tuple[Stack, ...] = STACKS) -> Choice:
    """The newest Python that fits this machine, of stacks with the newest first.

    Raises:
        StackError: If there is none.
    """
    against = []
    missing = []
    for stack in stacks:
        refusal = stack.refusal()
        if refusal:
            against.append(refusal)
            continue
        for version in stack.pythons:
            python = find_python(version)
            if python:
                if missing:
                    against.append(f"no Python {' or '.join(missing)} is to be found")
                return Choice(stack, version, python, "; ".join(against))
            missing.append(version)
    if not missing:
        raise StackError(f"This machine can run none of the stacks: {'; '.join(against)}.")
    newest = missing[0]
    raise StackError(
        f"Python {' or '.join(missing)} is missing"
        + (f" ({'; '.join(against)})" if against else "")
        + f". Install one, for example with 'uv python install {newest}', "
        f"'pyenv install {newest}' or 'apt install python{newest}-venv', and try again."
    )


def find_python(version: str) -> str:
    """A Python that can make virtual environments.

    Args:
        version: Such as 3.13.

    Returns:
        The program; empty if there is none.
    """
    check = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for python in _candidates(version):
        try:
            ended = subprocess.run(
                [python, "-c", check],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                check=False,
            )
        except OSError:  # No program, or for another processor.
            continue
        if ended.returncode == 0 and ended.stdout.strip() == version:
            return python
    return ""


def _candidates(version: str) -> Iterator[str]:
    """Where it may be: on the PATH, among pyenv's, among uv's."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for folder in sorted(pyenv.glob(f"{version}.*"), reverse=True):
        yield str(folder / "bin" / "python")
    uv = shutil.which("uv")
    if uv:
        found = subprocess.run(
            [uv, "python", "find", "--no-python-downloads", version],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            check=False,
        )
        if found.returncode == 0:
            yield found.stdout.strip()
