"""The commands of the local runner: each is the `run` of a module of its name."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli.entry import run_command
from pipeline.local import clean, init, predict, release, report, serve, stream, watch
from pipeline.settings import LocalSettings

COMMANDS = {
    "clean": clean.Options,
    "init": init.Options,
    "predict": predict.Options,
    "release": release.Options,
    "report": report.Options,
    "serve": serve.Options,
    "stream": stream.Options,
    "watch": watch.Options,
}


def main(arguments: Sequence[str]) -> int:
    """Runs the command line: without a command, the pipeline."""
    return run_command(arguments, LocalSettings, "pipeline.local", COMMANDS, default="run")
