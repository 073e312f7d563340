"""Ctrl-C, `kill` or a closed terminal end a run within seconds, whatever is at work, and once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a run to stop: Ctrl-C, `kill` or a CI service, and a terminal that is closed."""

PATIENCE = 4.0
"""Seconds a run may take to stop; then it is ended hard, which the next run can cope with."""


class Interrupts:
    """In a `with` statement, makes the first of `STOPS` a KeyboardInterrupt, later ones nothing.

    Libraries make other errors of a KeyboardInterrupt, or swallow it: `came` tells for sure. What
    was ignored when the process began, as in a background job or under nohup, stays ignored.

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
        """Takes over the signals."""
        self._before = {
            number: signal.signal(number, self._interrupt)
            for number in STOPS
            if signal.getsignal(number) != signal.SIG_IGN
        }
        return self

    def __exit__(self, *_: object) -> None:
        """Gives them back, unless the process is about to end."""
        if not self.came:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        for each in self._before:
            signal.signal(each, signal.SIG_IGN)
        watchdog = threading.Timer(PATIENCE, self._end)
        watchdog.daemon = True
        watchdog.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        self._give_up()
        os._exit(self._status)
