"""Loads what a run needs once, then runs the command line in a fork for each line it is given.

Each line on standard input is the arguments, as JSON; the answer is the pid of the fork, which is a
process group of its own, and once that has ended its exit status, on lines of standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from common.environment import set_environment
from pipeline.cli.streams import make_patient

LOADED = (
    "pipeline.local.engines",
    "pipeline.local.housekeeping",
    "pipeline.local.run",
    "pipeline.local.runner",
    "pipeline.pipeline",
    "report.component",
    "report.runs.run_records",
)
"""Modules that take seconds; they start no thread as they load, so that a fork is whole."""


def answer(said: object) -> None:
    """Writes a line."""
    os.write(1, f"{said}\n".encode())


def serve(shown: str) -> None:
    """Answers until standard input ends.

    Args:
        shown: File for what the runs print.
    """
    set_environment()
    for name in LOADED:
        importlib.import_module(name)
    main = importlib.import_module("pipeline.local.commands").main
    answer("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            with open(shown, "ab") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            make_patient()
            status = 70
            try:
                status = main(json.loads(line))
            finally:
                sys.stdout.flush()
                os._exit(status)
        answer(pid)
        answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    serve(sys.argv[1])
