"""Births of which one column is NULL or a code for unknown, and what the query makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from data.query import SPLITS, render
from data.table import TABLE, QueryParameters

RECORDS = 40

NEEDED = ("weight_pounds", "mother_age", "gestation_weeks", "plurality", "year", "month")
"""Without these, a birth is left out."""

MAY_LACK = ("is_male", "mother_race", "cigarette_use", "alcohol_use")
"""Of these, the lack is told."""

SENTINELS: dict[str, tuple[int, ...]] = {
    "mother_age": (99,),
    "gestation_weeks": (99,),
    "plurality": (0, 9),
    "month": (0, 99),
    "mother_race": (0, 99),
    "father_age": (99,),
    "wday": (0,),
    "born_alive_alive": (99,),
    "weight_gain_pounds": (99,),
}
"""What the column has where the certificate does not say."""


@dataclass(frozen=True)
class Gap:
    """A column that says nothing in some births.

    Attributes:
        column: Its name.
        value: What it has there; None for NULL.
        every: Of so many births, one is such.
    """

    column: str
    value: int | None
    every: int

    def __str__(self) -> str:
        what = "NULL" if self.value is None else self.value
        return f"{self.column} {what} in one of {self.every}"

    def births(self) -> list[dict[str, Any]]:
        """Rows of the table."""
        return [
            birth | {self.column: self.value} if index % self.every == 0 else birth
            for index, birth in enumerate(_births())
        ]

    @property
    def examples(self) -> int:
        """How many the query makes."""
        lacking = RECORDS // self.every if self.column in NEEDED else 0
        return 2 * (RECORDS - lacking)

    @property
    def told_as(self) -> str | None:
        """What the query has for the column where it says nothing."""
        return "Unknown" if self.column == "is_male" else None


def _births() -> Iterator[dict[str, Any]]:
    for index in range(RECORDS):
        yield {
            "weight_pounds": 7.0 + index / 100,
            "is_male": index % 4 < 2,
            "mother_age": 20 + index % 20,
            "plurality": 1,
            "gestation_weeks": 39,
            "mother_race": 1,
            "cigarette_use": False,
            "alcohol_use": False,
            "year": 2001 + index % 8,
            "month": 1 + index % 12,
            "father_age": 30,
            "wday": 1 + index % 7,
            "born_alive_alive": index % 3,
            "weight_gain_pounds": 30,
        }


GAPS = [
    *(Gap(column.name, None, every) for column in TABLE.columns for every in (1, 2)),
    *(Gap(name, value, 2) for name, values in SENTINELS.items() for value in values),
]


def queries(table: str, sample: float = 1) -> list[str]:
    """The query of each split."""
    return [render(QueryParameters(), table=table, sample=sample, split=s) for s in SPLITS]


def check(gap: Gap, rows: Callable[[float], list[dict[str, Any]]]) -> None:
    """Holds what an engine answers to what is to be.

    Args:
        gap: What the table lacks.
        rows: Gives the rows of all splits, of a sample of so large a share.
    """
    found = rows(1)
    assert len(found) == gap.examples
    lacking = {birth["weight_pounds"] for birth in gap.births()[:: gap.every]}
    if gap.column in MAY_LACK:
        told = [row[gap.column] for row in found if row["weight_pounds"] in lacking]
        assert told == [gap.told_as] * (2 * len(lacking))
        if gap.column != "is_male":  # Of which the copy without an ultrasound knows nothing.
            known = [row[gap.column] for row in found if row["weight_pounds"] not in lacking]
            assert None not in known
    if gap.column not in NEEDED and gap.every == 1:
        half = rows(0.5)
        assert 0 < len(half) < len(found), "a record with a gap is in a sample as any other"
