"""Where both runners begin and end: the process is made ready, a command is read and run."""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from common.environment import set_environment
from common.imports import load_less, without_garbage_collection
from pipeline.cli.interrupts import STOPS
from pipeline.cli.streams import lead_nowhere, make_patient

if TYPE_CHECKING:  # Loading takes a moment, in which a user may already press Ctrl-C.
    from pipeline.cli.config import Commands, Layered


def start(commands: str) -> NoReturn:
    """Runs the command line, and ends the process.

    Args:
        commands: Name of a module whose `main` takes arguments and returns an exit status.
    """
    status: Any = 1
    # Called last. Python then takes nothing down, which takes a third of a second.
    atexit.register(lambda: os._exit(status))
    make_patient()
    set_environment()
    load_less()
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:  # As nohup has it, or a background job.
            signal.signal(number, signal.default_int_handler)
    try:
        status = importlib.import_module(commands).main(sys.argv[1:])
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        status = 128 + signal.SIGINT
    except SystemExit as ended:  # After --help.
        status = ended.code
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.flush()
    # Libraries have more to say as Python takes them down, and are not to be disturbed.
    lead_nowhere(2)
    sys.exit(status)


def run_command(
    arguments: Sequence[str],
    settings: type[Layered],
    package: str,
    commands: Commands,
    default: str | None = None,
) -> int:
    """Reads a command line, and runs its command: the `run` of a module named as the command.

    That takes the settings, what the command takes besides, and the console to show on; it returns
    one of `Exit`. What it raises is told here, also what Google Cloud refuses.

    Args:
        arguments: What stands after the program's name.
        settings: What all commands share.
        package: Where the modules of the commands are.
        commands: By name of a command, what it takes.
        default: The command where none is named; one that takes nothing.
    """
    from pathlib import Path

    from rich.console import Console

    from common.errors import UserError
    from pipeline.cli.config import SettingsError, load_command
    from pipeline.cli.console import log_to, show_error
    from pipeline.cli.status import Exit

    errors = Console(stderr=True, highlight=False)
    chosen = None
    try:
        chosen, command, options = load_command(settings, arguments, commands)
        if not (command or default):
            raise SettingsError("It is not said what to do.", f"Name one of {', '.join(commands)}.")
        with log_to(Path(os.devnull)) as console:  # What libraries say as they load.
            # Not before: some take the seconds that TensorFlow, Beam and TFX do.
            with without_garbage_collection():
                module = importlib.import_module(f"{package}.{command or default}")
            return module.run(chosen, options, console)
    except SettingsError as error:
        show_error(errors, error)
        return Exit.BAD_SETTINGS
    except UserError as error:
        show_error(errors, error)
    except Exception as error:  # noqa: BLE001, told, and whole in a file
        from pipeline.cli.explain import explained

        show_error(errors, explained(error, getattr(chosen, "project", None)))
    return Exit.FAILED
