"""Renders `data/natality.sql` from the settings: one query per split."""

from __future__ import annotations

from pathlib import Path
from string import Template

NATALITY = "bigquery-public-data.samples.natality"
"""The public table; 137,826,763 births of 1969 to 2008."""

SPLITS = ("train", "eval", "test")
"""Train learns, eval picks the checkpoint and judges the model, test is kept for the final word."""

SQL_FILE = Path(__file__).with_name("natality.sql")


def render(*, table: str, first_year: int, last_year: int, sample: float, split: str) -> str:
    """The query for one split.

    Args:
        table: The natality table, as `project.dataset.table`.
        first_year: First year of birth, included.
        last_year: Last year of birth, included.
        sample: Share of the births to keep, in (0, 1]; the same births each time.
        split: One of `SPLITS`.

    Returns:
        BigQuery SQL.
    """
    # The shortest decimal, never 1e-05: a literal that both engines read as the same number.
    share = f"{sample:.9f}".rstrip("0").rstrip(".")
    return Template(SQL_FILE.read_text(encoding="utf-8")).substitute(
        table=table, first_year=first_year, last_year=last_year, sample=share, split=split
    )
