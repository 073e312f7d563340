"""How a component stands, who is told, and how a command ends; known without loading TFX."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
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


class Exit(IntEnum):
    """Exit statuses of both runners.

    Where a model was judged, `DONE` means that it is blessed; of a watch, that nothing is past its
    bounds, which `DRIFTED` says of what is asked.
    """

    DONE = 0
    FAILED = 1
    BAD_SETTINGS = 2
    NOT_BLESSED = 3
    DRIFTED = 4
    INTERRUPTED = 130


class Observer(Protocol):
    """Someone who is told how the run goes."""

    def loading(self) -> None:
        """Told before TensorFlow, Beam and TFX load, where they do."""
        ...

    def planned(self, components: Sequence[str]) -> None:
        """Told once, before the first component."""
        ...

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None:
        """Told at each change; `seconds` is how long the component took, once it has ended."""
        ...

    def noticed(self, sentence: str) -> None:
        """Told of something about the run root that the user should know."""
        ...
