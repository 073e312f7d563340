"""The command line of the Vertex runner: each command is the `run` of a module of its name."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import log_to, show_error
from pipeline.cli.status import Exit
from pipeline.vertex.vertex_settings import COMMANDS, VertexSettings, load_settings


def main(arguments: Sequence[str]) -> int:
    """Runs the command line.

    Args:
        arguments: What stands after the program's name.

    Returns:
        One of `Exit`.
    """
    errors = Console(stderr=True, highlight=False)
    try:
        settings = load_settings(arguments)
        command = _command(settings)
    except UserError as error:
        show_error(errors, error)
        return Exit.BAD_SETTINGS
    try:
        with log_to(Path(os.devnull)) as console:  # What libraries say as they load.
            # Not before: most take the seconds that TensorFlow, Beam and TFX do.
            module = importlib.import_module(f"pipeline.vertex.{command}")
            return module.run(settings, getattr(settings, command), console)
    except Exception as error:
        # Loaded by now, wherever one of its errors came from.
        from pipeline.vertex.failures import explain

        explained = explain(error, settings.project)
        if explained is None:
            raise
        show_error(errors, explained)
        return Exit.FAILED


def _command(settings: VertexSettings) -> str:
    if settings.command is None:
        raise UserError("It is not said what to do.", f"Name one of {', '.join(COMMANDS)}.")
    return settings.command
