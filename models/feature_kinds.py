"""Questions about the declared columns that several rooms ask."""

from __future__ import annotations

import math

from models import features as declared
from models.declaration import Category, Label, Number


def categories() -> tuple[Category, ...]:
    """The declared columns of words, in order."""
    return tuple(f for f in declared.FEATURES if isinstance(f, Category))


def numbers() -> tuple[Number, ...]:
    """The declared columns with a magnitude, in order."""
    return tuple(f for f in declared.FEATURES if isinstance(f, Number))


def label_digits(label: Label) -> int:
    """Digits behind the point that tell errors apart: four below the label's whole range."""
    spread = label.maximum - label.minimum
    if math.isinf(spread):
        spread = 16 * declared.HYPERPARAMETERS.label_scale  # About as many standard deviations.
    return min(max(4 - math.floor(math.log10(spread)), 0), 8)
