"""How a component stands; known without loading TFX."""

from enum import Enum


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
