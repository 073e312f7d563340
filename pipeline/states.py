"""How a component stands, and who is told; known without loading TFX."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol


class State(Enum):
    """How a component stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CACHED = "cached"
    DONE = "done"
    REUSED = "reused"
    SKIPPED = "skipped"
    FAILED = "failed"
    STOPPED = "stopped"


class Observer(Protocol):
    """Someone who is told how the run goes."""

    def planned(self, components: Sequence[str]) -> None:
        """Told once, before the first component."""
        ...

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None:
        """Told at each change; `seconds` is how long the component took, once it has ended."""
        ...
