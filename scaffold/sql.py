"""Expressions of a query, in BigQuery's SQL, within what the embedded warehouse translates."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from common.errors import UserError
from data.columns import Column

_KEYS = ("STRING", "INT64", "BOOL", "DATE")


def name(column: str) -> str:
    """A column's name, in backquotes if BigQuery keeps the word for itself."""
    return exp.to_identifier(column, quoted=False).sql(dialect="bigquery")


def text(word: str) -> str:
    """A word as a literal; a dollar sign is doubled, since a query is a template."""
    return exp.Literal.string(word).sql(dialect="bigquery").replace("$", "$$")


def number(column: Column) -> str:
    """A number as a FLOAT64."""
    if column.type == "FLOAT64":
        return name(column.name)
    return f"CAST({name(column.name)} AS FLOAT64)"


def category(column: Column, words: Sequence[str], other: str | None) -> str:
    """A word; NULL stays NULL, and the empty word becomes it.

    Args:
        column: Where it stands.
        words: Those that are kept.
        other: What all others become; None if there are none.
    """
    source = name(column.name)
    if column.type == "BOOL":
        return f"CASE {source} WHEN TRUE THEN 'True' WHEN FALSE THEN 'False' ELSE NULL END"
    word = f"CAST({source} AS STRING)" if column.type != "STRING" else source
    if other is None:
        return f"NULLIF({word}, '')" if column.type == "STRING" else word
    listed = ",\n          ".join(text(w) for w in words)
    missing = f" OR {source} = ''" if column.type == "STRING" else ""
    return f"""CASE
        WHEN {source} IS NULL{missing} THEN NULL
        WHEN {word} IN (
          {listed}
        ) THEN {word}
        ELSE {text(other)}
      END"""


def part_of_time(part: str, column: str) -> str:
    """A part of a date or time as a FLOAT64."""
    return f"CAST(EXTRACT({part} FROM {name(column)}) AS FLOAT64)"


def weekday(column: str, days: Sequence[str]) -> str:
    """The name of a day."""
    cases = "\n".join(f"        WHEN {n} THEN {text(day)}" for n, day in enumerate(days, 1))
    return f"CASE EXTRACT(DAYOFWEEK FROM {name(column)})\n{cases}\n        ELSE NULL\n      END"


def check_key(column: Column) -> None:
    """Refuses a column whose values engines may print differently.

    Raises:
        UserError: If it is of such a type.
    """
    if column.type not in (*_KEYS, "TIMESTAMP", "DATETIME"):
        raise UserError(
            f"Rows cannot be split by {column.name}: it is {column.type}.",
            f"Name a column of type {', '.join(_KEYS)}, TIMESTAMP or DATETIME.",
        )


def key(column: Column) -> str:
    """A column as text for a hash: of a moment its day, so that days stay whole."""
    source = name(column.name)
    if column.type in ("TIMESTAMP", "DATETIME"):
        source = f"EXTRACT(DATE FROM {source})"
    word = source if column.type == "STRING" else f"CAST({source} AS STRING)"
    return f"IFNULL({word}, '')"


def row_key(columns: Sequence[Column]) -> str:
    """A whole row as text for a hash; engines print fractions differently, so thousandths."""
    parts: list[str] = []
    for column in columns:
        if column.type in ("FLOAT64", "NUMERIC"):
            whole = f"CAST(ROUND({number(column)} * 1000) AS INT64)"
            parts.append(f"IFNULL(CAST({whole} AS STRING), '')")
        else:
            parts.append(key(column))
        if column.type in ("TIMESTAMP", "DATETIME"):
            parts += [
                f"IFNULL(CAST(EXTRACT({part} FROM {name(column.name)}) AS STRING), '')"
                for part in ("HOUR", "MINUTE", "SECOND")
            ]
    joined = ", '-',\n        ".join(parts)
    return f"CONCAT(\n        {joined}\n      )" if len(parts) > 1 else joined
