"""An error of whatever kind, as a cause and a cure that a user can act on."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

from common.errors import UserError, causes

DISK_FULL = ("No space left on device", "database or disk is full")
"""What Python, TensorFlow, Arrow and SQLite say then."""


FORBIDDEN = ("Permission denied", "Read-only file system", "readonly database")
"""What they say of a file that belongs to somebody else, or a disk that may only be read."""


def explained(
    error: BaseException,
    project: str | None = None,
    *,
    where: str | None = None,
    log: Path | None = None,
) -> UserError:
    """The error a user can act on, wherever in the chain of causes it is.

    Args:
        error: What was raised.
        project: Google Cloud project that was asked, if one was.
        where: The component that raised it.
        log: File that has the traceback; None for one to be made, if it is needed.

    Returns:
        Cause and cure; for what nobody has foreseen, where the whole story is.
    """
    for cause in causes(error):
        if isinstance(cause, UserError):
            return cause
        if any(words in str(cause) for words in FORBIDDEN):
            file = getattr(cause, "filename", None)
            return UserError(
                f"{where or 'The command'} may not touch {file}: {str(cause.strerror).lower()}."  # type: ignore[attr-defined]
                if file
                else f"{where or 'The command'} may not touch a file: {cause}.",
                "Mend its permissions, or choose another folder with --run-root.",
            )
        if any(words in str(cause) for words in DISK_FULL):
            return UserError(
                f"The disk ran full in {where or 'the run'}.",
                "Make room, or choose a folder on another disk with --run-root; "
                "the next run continues with what is done.",
            )
    # Loaded by now, wherever one of its errors came from.
    from pipeline.vertex.failures import explain

    return explain(error, project) or UserError(
        f"{where or 'The command'} failed: {type(error).__name__}: {error}.",
        "This is not something a setting explains. The whole story is in "
        f"{log or _traceback_file(error)}: report it with that file.",
    )


def _traceback_file(error: BaseException) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="traceback-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exception(error, file=file)
    return Path(file.name)
