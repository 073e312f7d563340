"""Which condition of a query takes how many rows: for a query that leaves none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        if row["seen"] and not row[f"left_{len(conditions)}"]:
            return list(_taken(row, conditions))
    return []


def _taken(row: Mapping[str, Any], conditions: Sequence[str]) -> Iterator[tuple[str, int]]:
    before = row["seen"]
    for number, condition in enumerate(conditions, start=1):
        left = row[f"left_{number}"] or 0
        if left < before:
            yield condition, before - left
        before = left


def _steps(sql: str) -> Iterator[tuple[str, list[str]]]:
    """For each step with a WHERE, a query that counts what each more condition leaves."""
    tree: Any = sqlglot.parse_one(sql, dialect=_DIALECT)
    ctes = tree.ctes
    for index, step in enumerate([*(cte.this for cte in ctes), tree]):
        where = step.args.get("where") if isinstance(step, exp.Select) else None
        if where is None:
            continue
        conditions = [c.sql(_DIALECT) for c in _conjuncts(where.this)]
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
            list(map(_shortened, conditions)),
        )


def _conjuncts(condition: Any) -> list[Any]:
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _shortened(condition: str) -> str:
    return condition if len(condition) <= _LONGEST else f"{condition[:_LONGEST]}..."
