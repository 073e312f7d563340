"""Standard streams that may be closed, gone or full at any time, which is no reason to fail."""

from __future__ import annotations

import io
import os
import sys


class Stream(io.TextIOWrapper):
    """Text to a file descriptor; says nothing more once that can't be written."""

    def __init__(self, number: int) -> None:
        raw = os.fdopen(number, "wb", closefd=number > 2)
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        """Writes; into nothing, if there is no way."""
        try:
            return super().write(text)
        except OSError:
            lead_nowhere(self.fileno())
            return len(text)

    def flush(self) -> None:
        """Empties the buffer; into nothing, if there is no way."""
        try:
            super().flush()
        except OSError:
            lead_nowhere(self.fileno())
            super().flush()


def make_patient() -> None:
    """Makes this process's streams such; opens those that the caller has closed.

    Else the next file that is opened would be taken for them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Gets the lowest number that is free: this one.
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    sys.stdout, sys.stderr = Stream(1), Stream(2)


def lead_nowhere(number: int) -> None:
    """Lets what is written to a file descriptor from now on go nowhere."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), number)
