"""When a model is blessed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Bounds of the gate. All are root mean squared errors in pounds; lower is better.

    Attributes:
        max_rmse: Highest allowed over all examples.
        max_slice_rmse: Highest allowed in any slice that is judged.
        max_rmse_rise: Highest allowed rise over the baseline, over all examples.
        max_slice_rmse_rise: Highest allowed rise over the baseline, in any slice that is judged.
        min_slice_size: Examples below which a slice is shown but not judged.
        judged_slices: Slicing features that matter enough to judge.
    """

    max_rmse: float
    max_slice_rmse: float
    max_rmse_rise: float
    max_slice_rmse_rise: float
    min_slice_size: int
    judged_slices: tuple[str, ...]
