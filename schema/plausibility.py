"""Whether the label can be what it is said to be, by what is declared of it alone."""

from __future__ import annotations

import math

from data.table import TABLE
from models.declaration import Label
from models.features import LABEL
from schema.findings import Finding
from schema.statistics import Columns, Statistics

CONSTANT = "LABEL_CONSTANT"
MEAN = "LABEL_MEAN"
SPREAD = "LABEL_SPREAD"

_ERRORS = 4
"""Standard errors by which the figures of a split may miss a bound: chance does that."""


def implausible(statistics: Statistics, split: str, label: Label = LABEL) -> list[Finding]:
    """Holds the label's distribution in a split to what is declared of it.

    Other units, a wrong column and a filter gone wrong change mean or spread, while each value on
    its own is in range.

    Returns:
        An error if all examples have one value; else one for a mean, and one for a standard
        deviation, outside of its bounds by more than chance explains.
    """
    columns = Columns(statistics)
    count, numbers = columns.present(label.name), columns.number(label.name)
    if count < 2:
        return []  # What is missing is an anomaly of its own.
    unit = f" {label.unit}" if label.unit else ""
    mend = f"mend {label.name} in data/{TABLE.query.name} or in the source"
    if numbers.min == numbers.max:
        found = f"the one value {numbers.mean:.4g}{unit} in all {count:,} examples"
        cure = f"Check which column and rows {label.name} comes from; {mend}."
        return [Finding(split, label.name, CONSTANT, "error", found, "values that differ", cure)]
    findings = []
    for kind, name, field, value, bounds in (
        (MEAN, "mean", "plausible_mean", numbers.mean, label.plausible_mean),
        (SPREAD, "standard deviation", "plausible_spread", numbers.std_dev, label.plausible_spread),
    ):
        # As measured from few examples; heavy tails need a part of it too.
        chance = _ERRORS * (label.plausible_spread or (0, numbers.std_dev))[1] / math.sqrt(count)
        # A figure that is NaN is no pass.
        if bounds and not bounds[0] - chance <= value <= bounds[1] + chance:
            found = f"a {name} of {value:.4g}{unit} over {count:,} examples"
            expected = f"one from {bounds[0]:g} to {bounds[1]:g}{unit}"
            cure = (
                f"Is {label.name} in another unit, or of other {TABLE.rows}? Then {mend}; if that "
                f"is right, change {field} of LABEL in models/features.py."
            )
            findings.append(Finding(split, label.name, kind, "error", found, expected, cure))
    return findings
