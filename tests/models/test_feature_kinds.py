"""What several rooms ask about the declaration."""

from __future__ import annotations

import math

import pytest

from models.declaration import Label
from models.feature_kinds import label_digits


@pytest.mark.parametrize(
    ("minimum", "maximum", "digits"),
    [(0, 20, 3), (0, 500, 2), (-0.5, 0.5, 4), (0, 1e6, 0), (0, math.inf, 3)],
)
def test_digits_follow_the_labels_range(minimum: float, maximum: float, digits: int) -> None:
    assert label_digits(Label("gain", "", minimum, maximum, "", "gain")) == digits
