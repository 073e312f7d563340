"""What a worker does, wherever its messages come from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # They load TensorFlow.
    import numpy as np

    from serving.instances import Columns
    from serving.versions.saved_model import SavedModel

Tell = Callable[[str], None]
"""Told what a user wants to know at once, as a line."""

Log = Callable[[str, int, "Columns", "np.ndarray"], None]
"""Takes an id, the version that answered, what it took, and what it answered, for a log."""


@dataclass(frozen=True)
class Counts:
    """How many messages there were, by what became of them."""

    answered: int = 0
    dead: int = 0
    repeated: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.answered + other.answered,
            self.dead + other.dead,
            self.repeated + other.repeated,
        )

    @property
    def messages(self) -> int:
        """All of them."""
        return self.answered + self.dead + self.repeated


class Worker(Protocol):
    """Answers messages, each once."""

    def turn(self, model: SavedModel, seconds: float) -> Counts:
        """Answers some of the messages that wait.

        Args:
            model: The version to answer with.
            seconds: How long to wait for some, where none do.

        Returns:
            What became of them.

        Raises:
            UserError: If they can't be taken, or answers not be given.
        """
        ...


class Source(Protocol):
    """Where messages come from, and where what is answered goes."""

    def worker(
        self, most_bytes: int, tell: Tell, log: Log | None = None
    ) -> AbstractContextManager[Worker]:
        """A worker, for as long as it is wanted.

        Args:
            most_bytes: Longest message that it reads.
            tell: Told what it leaves alone.
            log: Takes what is answered; None for none.

        Raises:
            UserError: If there is no such source.
        """
        ...
