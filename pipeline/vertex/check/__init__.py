"""`check`: whether all that a run needs is there, before anything is paid for."""

from pipeline.vertex.check.command import run

__all__ = ["run"]
