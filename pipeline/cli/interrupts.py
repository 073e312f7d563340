"""Ctrl-C: ends a run within seconds, whatever library is at work, and only once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

PATIENCE = 4.0
"""Seconds a run may take to stop; then it is ended hard, which the next run can cope with."""


class Interrupts:
    """In a `with` statement, makes the first Ctrl-C a KeyboardInterrupt and later ones nothing.

    Libraries make other errors of a KeyboardInterrupt, or swallow it: `came` tells for sure.

    Args:
        give_up: Called before the process is ended hard.
        status: Exit status of a process ended hard.

    Attributes:
        came: Whether there was one.
    """

    def __init__(self, give_up: Callable[[], object], status: int) -> None:
        self.came = False
        self._give_up = give_up
        self._status = status

    def __enter__(self) -> Interrupts:
        """Takes over Ctrl-C."""
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        """Gives it back, unless the process is about to end."""
        if not self.came:
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        watchdog = threading.Timer(PATIENCE, self._end)
        watchdog.daemon = True
        watchdog.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        self._give_up()
        os._exit(self._status)
