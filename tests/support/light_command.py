"""A command of `local_runner.py` that is to end before any heavy library loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from common.environment import PROCESS
from pipeline.settings import ROOT

_COMMAND = """
import sys
from pipeline.local.commands import main
status = main(sys.argv[1:])
print("heavy", sorted({"tensorflow", "apache_beam", "tfx"} & sys.modules.keys()))
sys.exit(status)
"""


def refused(*arguments: str | Path) -> tuple[int, str]:
    """Exit status of a command, and what it said, without line breaks."""
    ended = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments],
        cwd=ROOT,
        env=os.environ | PROCESS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "heavy []" in ended.stdout
    return ended.returncode, " ".join(ended.stderr.split())
