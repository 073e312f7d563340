"""Makes the project's environment: python3 stacks/install.py [FOLDER [VERSION]].

FOLDER is by default .venv. VERSION is a version of Python; by default, the newest that fits this
machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from stack import STACKS, StackError, choose

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = CHECKOUT / "requirements.lock"


def install(folder: Path, version: str) -> None:
    """Makes the environment anew, with all that the lock says.

    Args:
        folder: Where.
        version: Of Python; empty: the newest that fits.

    Raises:
        StackError: If there is no Python for it.
        CalledProcessError: If a package can't be installed; pip or uv have said why.
    """
    stacks = tuple(stack for stack in STACKS if not version or version in stack.pythons)
    choice = choose(stacks)
    print(choice, flush=True)
    print(f"Setting up {folder} with {choice.python} (about a minute, 3.5 GB)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    subprocess.run([choice.python, "-m", "venv", str(folder)], check=True)
    # uv is locked too; a first one is fetched to read the lock.
    (uv,) = re.findall(r"^uv==\S+", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, uv], check=True)
    subprocess.run(
        [
            *(str(folder / "bin" / "uv"), "pip", "sync", "--quiet", "--python", python),
            *("--compile-bytecode", str(LOCK)),
        ],
        check=True,
    )
    (folder / ".installed").write_text(f"{choice}\n", encoding="utf-8")


if __name__ == "__main__":
    chosen = [*sys.argv[1:], "", ""]
    try:
        install(Path(chosen[0] or ".venv"), chosen[1])
    except StackError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"The environment could not be made: {error.cmd[0]} ended with {error.returncode}."
        )
