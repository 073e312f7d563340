"""Makes this process another program, which needs none of TFX and goes on for long."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from rich.console import Console

from pipeline.settings import ROOT


def hand_over(module: str, flags: Mapping[str, object], console: Console) -> NoReturn:
    """Becomes `python -m MODULE`, with these flags, named without the dashes."""
    arguments = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    console.file.flush()
    for stream in (1, 2):  # They lead to the log of a command.
        os.dup2(console.file.fileno(), stream)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, os.environ | {"PYTHONPATH": path})
