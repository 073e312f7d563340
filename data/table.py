"""The table: its columns, its query, and what its query may be asked."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from data.columns import Column, Table

_HERE = Path(__file__).resolve().parent

TABLE = Table(
    pipeline="natality",
    row="birth",
    rows="births",
    name="bigquery-public-data.samples.natality",
    columns=(
        Column("weight_pounds", "FLOAT64", minimum=0),
        Column("is_male", "BOOL"),
        Column("mother_age", "INT64"),
        Column("plurality", "INT64"),
        Column("gestation_weeks", "INT64"),
        Column("mother_race", "INT64"),
        Column("cigarette_use", "BOOL"),
        Column("alcohol_use", "BOOL"),
        Column("year", "INT64"),
        Column("month", "INT64"),
        Column("father_age", "INT64"),
        Column("wday", "INT64"),
        Column("born_alive_alive", "INT64"),
        Column("weight_gain_pounds", "INT64"),
    ),
    query=_HERE / "natality.sql",
    sample=_HERE / "synthetic" / "sample.parquet",
)

TOTAL_ROWS = 137_826_763
"""Rows of the table in BigQuery, which reads the columns of all of them, whatever the years."""

EXAMPLES_PER_ROW = 2
"""As the query makes them: with an ultrasound and without."""

SPLIT_SHARES = {"train": 6 / 8, "eval": 1 / 8, "test": 1 / 8}
"""Share of the rows in each split, as the query makes them."""

FIRST_YEAR, LAST_YEAR = 1969, 2008
"""Years of birth that the table holds."""


class QueryParameters(BaseModel):
    """The query's own settings; each is also a flag, an environment variable and a TOML key."""

    years: str = Field(
        default="2001-2008",
        description=f"years of birth, both included, within {FIRST_YEAR}-{LAST_YEAR}",
    )

    @field_validator("years")
    @classmethod
    def _check_years(cls, years: str) -> str:
        match = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", years.strip())
        if not match:
            raise ValueError("write one year or a range, such as 2001-2008")
        first, last = int(match[1]), int(match[2] or match[1])
        if not FIRST_YEAR <= first <= last <= LAST_YEAR:
            raise ValueError(f"years must rise and lie within {FIRST_YEAR}-{LAST_YEAR}")
        return f"{first}-{last}"

    def parameters(self) -> dict[str, object]:
        """Values of the query's placeholders, by name."""
        first, last = self.years.split("-")
        return {"first_year": first, "last_year": last}
