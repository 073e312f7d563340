"""Proves the stack that `make run` does not choose here: python3 stacks/prove.py.

In a copy of the checkout, by the commands that a user types. The older stack runs on any Linux; for
the newer one a Debian 13 root is made of Debian's packages, which takes root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from debian import Root, RootError
from stack import NEWER, OLDER, StackError, choose

CHECKOUT = Path(__file__).resolve().parents[1]
NOT_HERE = 77
"""Exit status where this machine can't make the other stack, as test suites tell that they skip."""

FOLDER = CHECKOUT / ".stack"
"""Gets the root and the copy of the checkout; not in git, and `make clean` removes it."""

PYTHON = ".venv/bin/python"
ON_ALL_CORES = ("-n", "auto", "--dist", "loadscope", "--no-loadscope-reorder")
PYTEST = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ON_ALL_CORES)
ANY_MODEL_PASSES = ("--max-rmse", "20", "--max-slice-rmse", "20")
SHORT = ("--sample", "0.2", "--train-steps", "60", "--batch-size", "128", *ANY_MODEL_PASSES)
"""A training of seconds: what it comes to is told by the run, and by the bounds of its model."""
STEPS = {
    "fast tests, the image's build stage, and a worker started in it": (
        *(*PYTEST, "-m", "(not slow and not cloud) or image"),
    ),
    "a run, from the sample to a pushed model": (PYTHON, "local_runner.py"),
    "the pipeline, compiled for Vertex AI": (PYTHON, "vertex_runner.py", "compile"),
    "the compiled pipeline, rehearsed": (PYTHON, "vertex_runner.py", *SHORT, "rehearse"),
}


def prove() -> list[str]:
    """Runs all steps, and tells each with its time.

    Returns:
        Names of the steps that failed.

    Raises:
        StackError: If the Python of the older stack is not to be found.
        RootError: If the root for the newer stack can't be made here.
    """
    here = choose()
    print(f"Here: {here}", flush=True)
    root: Root | None = None
    if here.stack is OLDER:
        other = NEWER
        root = Root(FOLDER / "debian")
        print(f"To be proven: {other.name}, in a Debian 13 root at {root.folder}", flush=True)
        root.make()
    else:
        other = OLDER
        print(f"To be proven: {choose((other,))}", flush=True)
    project = (root.folder if root else FOLDER) / "project"
    _copy(project)
    install = ("python3", "stacks/install.py", ".venv", other.pythons[0])
    if not _passes("its environment", install, project, root):
        return ["its environment"]
    return [name for name, command in STEPS.items() if not _passes(name, command, project, root)]


def _passes(name: str, command: Sequence[str], project: Path, root: Root | None) -> bool:
    print(f"\n== {name}: {' '.join(command)}", flush=True)
    begun = time.monotonic()
    if root:
        cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))
        cache.mkdir(parents=True, exist_ok=True)
        status = root.run(command, _variables(), cache)
    else:
        ended = subprocess.run(command, cwd=project, env=_variables(), check=False)
        status = ended.returncode
    seconds = time.monotonic() - begun
    print(f"== {name}: {'passed' if status == 0 else 'FAILED'}, {seconds:.0f} s", flush=True)
    return status == 0


def _variables() -> Mapping[str, str]:
    """The user's, but for what leads to this checkout's environment or settings.

    Without CI, as a test for which there is no browser is skipped then, and not failed.
    """
    kept = dict(os.environ)
    # Read as text: this program runs before anything is installed.
    declared = re.search(r'pipeline="(\w+)"', (CHECKOUT / "data" / "table.py").read_text("utf-8"))
    settings = f"{declared[1].upper()}_" if declared else "PYTHON"
    for name in os.environ:
        if name in ("CI", "VIRTUAL_ENV", "MAKEFLAGS") or name.startswith(("PYTHON", settings)):
            del kept[name]
    return kept


def _copy(project: Path) -> None:
    """Copies what git knows or would add, as the folder is now, to a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    shutil.rmtree(project, ignore_errors=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, project / name)
    git = ("git", "-c", "user.name=stack", "-c", "user.email=stack@localhost")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "A copy")):
        subprocess.run([*git, *command], cwd=project, check=True)
    # What vertex_runner.py must be told.
    shutil.copy2(project / "vertex.toml.example", project / "vertex.toml")


if __name__ == "__main__":
    started = time.monotonic()
    try:
        failed = prove()
    except (RootError, StackError) as error:
        print(f"The other stack can't be proven here: {error}", file=sys.stderr)
        sys.exit(NOT_HERE)
    minutes = (time.monotonic() - started) / 60
    if failed:
        sys.exit(f"\nThe other stack failed, in {minutes:.1f} minutes: {', '.join(failed)}")
    print(f"\nThe other stack passed, in {minutes:.1f} minutes")
