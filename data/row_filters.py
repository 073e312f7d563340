"""Which condition of a query takes how many rows: for a query that leaves none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import sqlglot
from sqlglot import exp

from data.warehouse import Warehouse

_DIALECT = "bigquery"
_LONGEST = 120
"""Characters of a condition that a message shows."""


def what_took_all(warehouse: Warehouse, sql: str) -> list[tuple[str, int]]:
    """Finds the step of a query, named in WITH or the whole, that leaves no rows.

    Returns:
        The step's conditions with the rows that each takes of what those before it left, without
        those that take none; empty if it is no condition that takes them all.
    """
    for counting, conditions in _steps(sql):
        (row,) = next(iter(warehouse.query(counting))).to_pylist()
        left = [count or 0 for count in row.values()]
        if left[0] and not left[-1]:
            taken = [before - after for before, after in pairwise(left)]
            return [(c, count) for c, count in zip(conditions, taken, strict=True) if count]
    return []


def _steps(sql: str) -> Iterator[tuple[str, list[str]]]:
    """For each step with a WHERE, a query that counts its rows and what each condition leaves."""
    tree: Any = sqlglot.parse_one(sql, dialect=_DIALECT)
    ctes = tree.ctes
    for index, step in enumerate([*(cte.this for cte in ctes), tree]):
        where = step.args.get("where") if isinstance(step, exp.Select) else None
        if where is None:
            continue
        parts = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
        conditions = [part.sql(_DIALECT) for part in parts]
        counts = ["COUNT(*) AS seen"]
        for number in range(1, len(conditions) + 1):
            all_of = " AND ".join(f"({condition})" for condition in conditions[:number])
            counts.append(f"SUM(CASE WHEN {all_of} THEN 1 ELSE 0 END) AS left_{number}")
        bare = step.copy().select(*counts, append=False, dialect=_DIALECT)
        for part in ("where", "with", "with_", "group", "having", "order", "limit", "qualify"):
            bare.set(part, None)
        named = ", ".join(cte.sql(_DIALECT) for cte in ctes[:index])
        yield (
            f"{f'WITH {named} ' if named else ''}{bare.sql(_DIALECT)}",
            [c if len(c) <= _LONGEST else f"{c[:_LONGEST]}..." for c in conditions],
        )
