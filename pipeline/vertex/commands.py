"""The commands of the Vertex runner: each is the `run` of a module of its name."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli.entry import run_command
from pipeline.vertex import options
from pipeline.vertex.vertex_settings import VertexSettings

COMMANDS = {
    "check": options.Check,
    "compile": options.Compile,
    "rehearse": options.Rehearse,
    "submit": options.Submit,
    "schedule": options.Schedule,
    "release": options.Release,
    "watch": options.Watch,
    "batch": options.Batch,
    "stream": options.Stream,
}


def main(arguments: Sequence[str]) -> int:
    """Runs the command line."""
    return run_command(arguments, VertexSettings, "pipeline.vertex", COMMANDS)
