"""The one kind of error a user is meant to read: it names its cause and its cure."""

from __future__ import annotations

from collections.abc import Iterator


class UserError(Exception):
    """Something the user can mend: an input, a setting, a file or a machine that is in the way.

    Args:
        cause: What was found, with the file, column, setting or value seen, as one sentence.
        cure: What to do about it, as one sentence.
    """

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"{cause} {cure}")
        self.cause = cause
        self.cure = cure

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.cause, self.cure)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what led to it, the last first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
