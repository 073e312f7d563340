"""What a watch on a log of requests has found; read without TensorFlow."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # They load TFDV.
    from schema.findings import Finding
    from schema.served_findings import ServedDistance
    from schema.statistics import Statistics


MIN_ROWS = 100
"""Rows below which a distance says nothing: chance alone explains 0.2 of it there."""


@dataclass(frozen=True)
class Predictions:
    """Predictions that a tenth, a half and nine tenths are below, in the label's unit."""

    tenth: float
    median: float
    ninetieth: float


@dataclass(frozen=True)
class Period:
    """The rows that a version answered on a day, or on all days.

    Attributes:
        day: In UTC; None for all days.
        predictions: What was answered.
        findings: Values that are not allowed; and distances beyond their bounds, where judged.
        distances: From training's examples, and from the requests of `before`.
        before: The day that it is compared with; None if there is none.
        unjudged: Why distances are not judged, a clause; empty if they are.
    """

    day: datetime.date | None
    version: int
    rows: int
    predictions: Predictions
    findings: tuple[Finding, ...]
    distances: tuple[ServedDistance, ...] = ()
    before: datetime.date | None = None
    unjudged: str = ""

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return period_name(self.day, self.version)

    @property
    def furthest(self) -> float | None:
        """The largest distance as a share of its bound; NaN if one is NaN, None without any."""
        shares = [distance.value / distance.bound for distance in self.distances]
        return math.nan if any(map(math.isnan, shares)) else max(shares, default=None)


def period_name(day: datetime.date | None, version: int) -> str:
    """What the rows are called that a version answered on a day, or on all."""
    return f"{'all days' if day is None else day} of version {version}"


@dataclass(frozen=True)
class Watched:
    """What was asked, held to what was learned.

    Attributes:
        log: Folder of the log.
        first: First day, in UTC.
        last: Last day, in UTC.
        min_rows: Fewest rows that are judged.
        version: The newest that was asked and whose training is known.
        versions: All days of each version, the newest version last.
        days: Each day of each version, by day.
        training: Statistics of the examples that `version` learned from.
        served: Statistics of what it was asked.
    """

    log: str
    first: datetime.date
    last: datetime.date
    min_rows: int
    version: int
    versions: tuple[Period, ...]
    days: tuple[Period, ...]
    training: Statistics
    served: Statistics

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(period.rows for period in self.versions)

    @property
    def periods(self) -> tuple[Period, ...]:
        """Versions, then days."""
        return self.versions + self.days

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is not as it should be, of all periods."""
        return tuple(finding for period in self.periods for finding in period.findings)

    @property
    def judged(self) -> bool:
        """Whether any period has rows enough to be judged."""
        return any(not period.unjudged for period in self.periods)


def gathered(found: Sequence[Finding]) -> list[tuple[Finding, int]]:
    """The first finding of each column and kind, and in how many periods there is one."""
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in found:
        kinds.setdefault((finding.severity, finding.kind, finding.feature), []).append(finding)
    return [(same[0], len(same)) for _, same in sorted(kinds.items())]
