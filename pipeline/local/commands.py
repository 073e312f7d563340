"""The commands of the local runner: each is the `run` of a module of its name."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli.entry import run_command
from pipeline.local import clean, init, predict, release, report, serve, stream, watch
from pipeline.settings import LocalSettings

_MODULES = (clean, init, predict, release, report, serve, stream, watch)
COMMANDS = {module.__name__.rpartition(".")[2]: module.Options for module in _MODULES}


def main(arguments: Sequence[str]) -> int:
    """Runs the command line: without a command, the pipeline."""
    return run_command(arguments, LocalSettings, "pipeline.local", COMMANDS, default="run")
