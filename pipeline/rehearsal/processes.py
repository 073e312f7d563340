"""Containers as processes: each a group of its own, so that all of it can be ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.errors import UserError

GRACE = 2.0
"""Seconds a container has to end once it is asked to, less than a Ctrl-C may take."""


class Processes:
    """Starts containers and ends those that are left."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def start(
        self, command: Sequence[str], log: Path, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts a container, whose program is looked for on the containers' PATH.

        Raises:
            UserError: If there is no such program.
            InterruptedError: If all are being stopped.
        """
        with log.open("ab") as output, self._lock:
            if self._stopped:
                raise InterruptedError("The rehearsal is being stopped.")
            try:
                process = subprocess.Popen(
                    list(command),
                    env=self._environment | dict(more or {}),
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise UserError(
                    f"The container's program {command[0]!r} is not in its environment.",
                    "Mend the command of the image, or have setup.py install the program.",
                ) from error
            self._running.add(process)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for a container to end, and ends what it started and left.

        Returns:
            Its exit status; minus the number of the signal that killed it.
        """
        # Not reaped yet, so that the number of its group cannot be another's.
        with contextlib.suppress(ChildProcessError):  # Another thread ended it.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self._signal(process, signal.SIGKILL)
        status = process.wait()
        with self._lock:
            self._running.discard(process)
        return status

    def run(self, command: Sequence[str], log: Path, more: Mapping[str, str] | None = None) -> int:
        """Starts a container and waits for it."""
        return self.wait(self.start(command, log, more))

    def end(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Ends containers: asks, waits for `GRACE`, kills."""
        for process in processes:
            self._signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in processes:
            self._signal(process, signal.SIGKILL)
            process.wait()
        with self._lock:
            self._running.difference_update(processes)

    def stop(self) -> None:
        """Ends all containers, and lets none start any more."""
        with self._lock:
            self._stopped = True
            left = list(self._running)
        self.end(left)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def end_of(log: Path, lines: int = 25) -> str:
    """The last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        text = file.read().decode(errors="replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])
