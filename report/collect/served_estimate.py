"""How large the error of logged predictions is, before any label has come."""

from __future__ import annotations

import numpy as np

from models.error_estimate import ErrorModel
from report.facts import EstimatedWeek
from serving.watch.logged_rows import LoggedRows


def estimate_weeks(rows: LoggedRows, version: int, errors: ErrorModel) -> tuple[EstimatedWeek, ...]:
    """Estimates the error of what a version answered in each week, and of all together.

    Returns:
        All weeks together first, under no name, then each by its Monday; nothing if the version
        has answered no row.
    """
    own = rows.where(rows.versions == version)
    if not len(own):
        return ()
    columns, weeks = own.columns(), own.weeks()
    found = [EstimatedWeek("", len(own), errors.estimate(own.predictions, columns))]
    for week in sorted(set(weeks.tolist())):
        chosen = np.flatnonzero(weeks == week)
        asked = {name: values[chosen] for name, values in columns.items()}
        estimate = errors.estimate(own.predictions[chosen], asked)
        found.append(EstimatedWeek(week.decode(), len(chosen), estimate))
    return tuple(found)
