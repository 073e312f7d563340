"""What must be true of this machine before a run starts."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from common.errors import UserError

FREE_BYTES = 500_000_000
"""A run on the sample writes about 50 MB; below this, even that may not end well."""


@contextlib.contextmanager
def sole_run(run_root: Path, option: str = "--run-root") -> Iterator[None]:
    """Makes sure of the run root: it can be written, has room, and no other run uses it.

    Args:
        run_root: Folder of all that a run writes; made if it is not there.
        option: How the user names another one.

    Raises:
        UserError: If it is not so.
    """
    _make_writable("run root", run_root, option)
    free = shutil.disk_usage(run_root).free
    if free < FREE_BYTES:
        raise UserError(
            f"The disk of {run_root} has {free / 1e6:,.0f} MB left; a run needs "
            f"{FREE_BYTES / 1e6:,.0f} MB at least.",
            f"Make room, or choose a folder on another disk with {option}.",
        )
    # The operating system lets go of the lock when a process dies, however it dies.
    lock = FileLock(run_root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"Another run is using {run_root}.",
            f"Wait until it has ended, or choose another folder with {option}.",
        ) from error
    except OSError as error:
        raise UserError(
            f"The lock {lock.lock_file} can't be opened ({error.strerror}).",
            f"Somebody else may have made it: mend its permissions, or choose another folder with "
            f"{option}.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _make_writable(what: str, folder: Path, option: str) -> None:
    """Makes a folder if it is not there, and tries to write into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"The {what} {folder} can't be written ({error.strerror}).",
            f"Choose another folder with {option}, or mend its permissions.",
        ) from error


def in_use(run_root: Path) -> bool:
    """Whether a run is using a run root now; no, where that can't be found out."""
    lock = FileLock(run_root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # The folder may only be read.
        return False
    lock.release()
    return False


def new_log(run_root: Path, suffix: str = ".log", option: str = "--run-root") -> Path:
    """The log of a new run, not made yet; its name is the run's id, and sorts by time.

    Args:
        run_root: Folder of all that a run writes.
        suffix: Of the file; nothing for a folder with a file per task.
        option: How the user names another run root.

    Raises:
        UserError: If it can't be written.
    """
    logs = run_root / "logs"
    _make_writable("folder of logs", logs, option)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    names = itertools.chain([now], (f"{now}-{count}" for count in itertools.count(2)))
    return next(log for log in (logs / f"{name}{suffix}" for name in names) if not log.exists())
