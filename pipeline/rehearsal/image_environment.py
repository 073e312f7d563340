"""The image of the containers, as a folder: the locked dependencies and our package, no more.

Made as an image would be: our package is built by its own setup.py and installed with what that
asks for, at the versions of requirements.lock. So what the package leaves out is missed here too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from common.environment import IMAGE
from common.errors import UserError
from pipeline.rehearsal.processes import end_of

LOCK = "requirements.lock"
LOOPBACK = "REHEARSAL"
"""Environment variable of a container that talks to Vertex AI: arguments of `lead_clients`."""

_AT_START = "rehearsal_start"
"""Module of the containers' environment that each Python in it begins with."""
START = f"""\
import json
import os

if {LOOPBACK!r} in os.environ:
    from pipeline.rehearsal import loopback

    loopback.lead_clients(**json.loads(os.environ[{LOOPBACK!r}]))
"""


class Environment:
    """A virtual environment that is made anew only as far as something has changed."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self._folder = folder.resolve()
        self._checkout = checkout
        self._venv = self._folder / "venv"
        self._log = self._folder / "setup.log"

    @property
    def bin(self) -> Path:
        """The folder of its programs."""
        return self._venv / "bin"

    @property
    def source(self) -> Path:
        """A copy of the sources that the package was built from."""
        return self._folder / "source"

    def variables(self, home: Path) -> dict[str, str]:
        """All environment variables of a container."""
        return IMAGE | {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            # No credentials, also where the machine would lend its own.
            "NO_GCE_CHECK": "true",
        }

    def make(self) -> bool:
        """Makes it, or what of it has changed.

        Returns:
            Whether there was anything to do.

        Raises:
            UserError: If it cannot be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        dependencies = self._digest([self._checkout / LOCK, self._checkout / "setup.py"])
        package = self._digest(_package_files(self._checkout))
        alone = self._noted("dependencies") == dependencies
        if alone and self._noted("package") == package:
            return False
        self._note("package", "")  # What follows may be interrupted.
        if not alone:
            self._note("dependencies", "")
            self._log.write_bytes(b"")
            self._uv("venv", "--clear", "--python", sys.executable, str(self._venv))
        self._install(self._build(), alone=alone)
        self._note("dependencies", dependencies)
        self._note("package", package)
        return True

    def _build(self) -> Path:
        """Builds our package from a copy: what an earlier build left must not get into it."""
        shutil.rmtree(self.source, ignore_errors=True)
        for file in _package_files(self._checkout):
            copy = self.source / file.relative_to(self._checkout)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        wheels = self._folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        # With the setuptools that are here: no download.
        here = ("--no-build-isolation", "--python", sys.executable)
        self._uv("build", "--wheel", *here, "--out-dir", str(wheels), str(self.source))
        (wheel,) = wheels.glob("*.whl")
        return wheel

    def _install(self, wheel: Path, *, alone: bool) -> None:
        """Installs our package, and what it asks for unless all of that is there."""
        rest = ("--no-deps",) if alone else ("--constraint", str(self._checkout / LOCK))
        # Its version stays the same whatever is in it, so uv must be told that it is another one.
        name = wheel.name.split("-")[0]
        self._uv(
            *("pip", "install", "--python", str(self.bin / "python")),
            *("--reinstall-package", name, "--refresh-package", name, *rest, str(wheel)),
        )
        (site_packages,) = self._venv.glob("lib/python*/site-packages")
        # By a .pth file: a sitecustomize.py may be hidden by the system's own.
        (site_packages / f"{_AT_START}.py").write_text(START, encoding="utf-8")
        (site_packages / f"{_AT_START}.pth").write_text(f"import {_AT_START}\n", encoding="utf-8")

    def _uv(self, *arguments: str) -> None:
        here = Path(sys.executable).with_name("uv")
        uv = str(here) if here.exists() else shutil.which("uv")
        if uv is None:
            raise UserError(
                "The environment of the containers is made with uv, which is not installed.",
                "Set up the project with 'make run', or install uv.",
            )
        with self._log.open("ab") as log:
            status = subprocess.run(
                [uv, *arguments],
                cwd=self._folder,
                env=_without_python_settings(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if status:
            raise UserError(
                f"The environment of the containers could not be made: 'uv {arguments[0]}' ended "
                f"with status {status}:\n{end_of(self._log, 10)}",
                f"Mend what it says; the whole log is {self._log}. The first time it may need "
                "the network and 1 GB of disk.",
            )

    def _digest(self, files: Iterator[Path] | list[Path]) -> str:
        digest = hashlib.sha256(f"{sys.version} {START}".encode())
        for file in files:
            if not file.is_file():
                raise UserError(
                    f"{file} is missing; the containers' environment is made of it.",
                    "Rehearse from a checkout of the project.",
                )
            digest.update(f"{file.relative_to(self._checkout)}\0".encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _noted(self, name: str) -> str | None:
        note = self._folder / f"{name}.sha256"
        return note.read_text() if note.exists() and self._venv.exists() else None

    def _note(self, name: str, digest: str) -> None:
        (self._folder / f"{name}.sha256").write_text(digest)


def _package_files(checkout: Path) -> Iterator[Path]:
    """All that setup.py may take: it chooses."""
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        if (checkout / name).is_file():
            yield checkout / name
    for entry in sorted(checkout.iterdir()):
        if entry.suffix == ".py" and entry.name != "setup.py":
            yield entry
        elif (entry / "__init__.py").is_file():
            for file in sorted(entry.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    yield file


def _without_python_settings() -> dict[str, str]:
    """Ours, but for what would change how Python packages are built and compiled."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
