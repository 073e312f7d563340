"""SDK workers in an environment of their own, as Dataflow starts them in a container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

UV = Path(sys.executable).with_name("uv")
RUNNER = Path(__file__).with_name("run_staged.py")


@dataclass(frozen=True)
class Workers:
    """Workers of one environment.

    Attributes:
        python: Its Python.
        folder: A scratch folder.
        variables: Where they find services, beside what any worker is told.
    """

    python: Path
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def copied(cls, environment: Path, folder: Path) -> Workers:
        """Workers of a copy of an environment; by links, in seconds: the other stays as it is."""
        shutil.copytree(environment, folder / "venv", symlinks=True, copy_function=os.link)
        return cls(folder / "venv" / "bin" / "python", folder)

    def uninstall(self, package: str) -> None:
        """Takes a package away."""
        command = [UV, "pip", "uninstall", "--quiet", "--python", self.python, package]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        subprocess.run(command, check=True, cwd="/", env=environment)

    def has(self, module: str) -> bool:
        """Whether workers could import a module."""
        find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        command = [self.python, "-I", "-c", find]
        return subprocess.run(command, cwd="/", check=False).returncode == 0

    def run(self, pipeline: Path, options: dict) -> tuple[bool, str]:
        """Runs a staged pipeline.

        Args:
            pipeline: The pipeline, as staged.
            options: Beam's options, as the job's request has them.

        Returns:
            Whether it ended well, and what runner and workers printed.
        """
        # The workers inherit this environment and this folder: nothing leads them to the checkout.
        clean = {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **self.variables,
        }
        ended = subprocess.run(
            [sys.executable, RUNNER, pipeline, self.python, json.dumps(options)],
            cwd="/",
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        return ended.returncode == 0, ended.stdout
