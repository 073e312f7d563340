"""Measures commands and rates."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.environment import PROCESS
from pipeline.settings import ROOT


@dataclass(frozen=True)
class Process:
    """What a command took.

    Attributes:
        seconds: Wall time.
        peak_bytes: Most memory that it held at once, without its children.
    """

    seconds: float
    peak_bytes: int


def run_python(
    arguments: Sequence[str], log: Path, checkout: Path = ROOT, *, refused: bool = False
) -> Process:
    """Runs this Python with arguments, and measures it.

    Args:
        arguments: What follows `python`.
        log: Gets what it prints.
        checkout: Where it runs.
        refused: Whether it is to fail.

    Raises:
        RuntimeError: If it fails or, where it is to, does not; with the end of what it printed.
    """
    command = [sys.executable, *arguments]
    environment = os.environ | PROCESS
    started = time.monotonic()
    peak = 0
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=out, stderr=out)
        # The kernel keeps the highest; what wait4 tells is at least the memory of this process.
        while process.poll() is None:
            with contextlib.suppress(OSError, IndexError):  # It has just ended.
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
            time.sleep(0.05)
    if bool(process.returncode) != refused:
        end = log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{end}")
    return Process(time.monotonic() - started, peak)


def seconds(action: Callable[[], object], runs: int = 3) -> float:
    """The shortest of several runs: what the machine can do, with the least disturbance."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)
