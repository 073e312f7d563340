"""What a worker tells and logs, wherever its messages come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from serving.instances import Columns

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
