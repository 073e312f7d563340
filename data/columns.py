"""What a table is declared with, whatever it holds; the declaration itself is `data/table.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BigQueryType = Literal[
    "BOOL", "INT64", "FLOAT64", "STRING", "DATE", "DATETIME", "TIMESTAMP", "NUMERIC"
]
"""Types of columns. What a query returns is of the first four, as Examples are."""


@dataclass(frozen=True)
class Column:
    """One column that the query reads.

    Attributes:
        minimum: The least value that makes sense, or None.
    """

    name: str
    type: BigQueryType
    minimum: float | None = None


@dataclass(frozen=True)
class Table:
    """A table to learn from.

    Attributes:
        pipeline: Name of the pipeline, its endpoint, its settings file and, in capitals, what its
            environment variables start with.
        row: What one row is called.
        rows: What several are.
        name: Where it is in BigQuery, as `project.dataset.table`.
        columns: What the query reads.
        query: The query, in BigQuery's SQL.
        sample: A Parquet file of some rows, which a run on this machine reads by default.
    """

    pipeline: str
    row: str
    rows: str
    name: str
    columns: tuple[Column, ...]
    query: Path
    sample: Path
