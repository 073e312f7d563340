"""Questions about the declared columns that several rooms ask."""

from __future__ import annotations

from models import features as declared
from models.declaration import Category, Number


def categories() -> tuple[Category, ...]:
    """The declared columns of words, in order."""
    return tuple(f for f in declared.FEATURES if isinstance(f, Category))


def numbers() -> tuple[Number, ...]:
    """The declared columns with a magnitude, in order."""
    return tuple(f for f in declared.FEATURES if isinstance(f, Number))
