"""Rows as they are read, thousands at a time, and those of them that can't be answered."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.declaration import Number
from models.features import FEATURES
from models.request import RequestError, check_request
from serving.instances import Columns, from_columns

Key = tuple[int, int]
"""Of a block: the place of its file among the inputs, and the number of its first row there."""


@dataclass(frozen=True)
class DeadLetter:
    """A row that is not answered.

    Attributes:
        file: Where it was read.
        row: Its number there, from 1; a header is none.
        cause: Why there is no answer.
        raw: The row as it came; of a format without text, its values as JSON.
    """

    file: str
    row: int
    cause: str
    raw: str

    def to_json(self) -> bytes:
        """One line of a dead-letter file."""
        return json.dumps(asdict(self), ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Block:
    """Rows of one file, side by side.

    Attributes:
        file: Where they were read.
        table: Their columns: those of the model and all others.
        numbers: Of each row, its number in the file.
        given: What was given of each feature; a column of a table has one type, but in text
            anything may stand where a number belongs.
        texts: The rows as they came, where they came as text.
    """

    file: str
    table: pa.Table
    numbers: Sequence[int]
    given: Mapping[str, list[Any]]
    texts: Sequence[str] | None = None

    @classmethod
    def of_table(cls, file: str, table: pa.Table, first: int) -> Block:
        """A block of typed rows, with the number of the first."""
        names = [f.name for f in FEATURES if f.name in table.column_names]
        given = {name: table.column(name).to_pylist() for name in names}
        return cls(file, table, range(first, first + table.num_rows), given)

    @classmethod
    def of_rows(
        cls,
        file: str,
        rows: Sequence[Mapping[str, Any]],
        names: Iterable[str],
        numbers: Sequence[int],
        texts: Sequence[str],
    ) -> Block:
        """A block of rows that came as text, with the names of their columns."""
        columns = {name: [row.get(name) for row in rows] for name in names}
        given = {f.name: columns[f.name] for f in FEATURES if f.name in columns}
        for name in NUMBERS & given.keys():  # Rows with something else there get no answer.
            columns[name] = [x if isinstance(x, (int, float)) else None for x in columns[name]]
        table = pa.table({name: _typed(values) for name, values in columns.items()})
        return cls(file, table, numbers, given, texts)

    def dead_letter(self, place: int, cause: str) -> DeadLetter:
        """Says that a row is not answered."""
        if self.texts:
            raw = self.texts[place]
        else:
            (values,) = self.table.slice(place, 1).to_pylist()
            raw = json.dumps(values, ensure_ascii=False, default=str)
        return DeadLetter(self.file, self.numbers[place], cause, raw)

    def only(self, places: Sequence[int]) -> Block:
        """Some of the rows."""
        texts = [self.texts[place] for place in places] if self.texts else None
        numbers = [self.numbers[place] for place in places]
        given = {name: [values[place] for place in places] for name, values in self.given.items()}
        return Block(self.file, self.table.take(pa.array(places)), numbers, given, texts)


@dataclass(frozen=True)
class Checked:
    """Rows that the model takes, and what it takes of them."""

    block: Block
    columns: Columns


def check(block: Block) -> tuple[Checked | None, list[DeadLetter]]:
    """Tells the rows that the model takes from those it does not, by the declaration.

    Args:
        block: Rows of any kind.

    Returns:
        The good ones, if there are any; and the others with what is wrong with each.
    """
    with contextlib.suppress(RequestError):  # Row by row, then, for a cause for each.
        return Checked(block, from_columns(block.given)), []
    good, dead = [], []
    for place in range(block.table.num_rows):
        try:
            check_request({name: values[place] for name, values in block.given.items()})
            good.append(place)
        except RequestError as error:
            dead.append(block.dead_letter(place, str(error)))
    if not good:
        return None, dead
    kept = block.only(good)
    return Checked(kept, from_columns(kept.given)), dead


def with_answers(checked: Checked, answers: Mapping[str, np.ndarray]) -> pa.Table:
    """The rows with their answers beside them.

    Args:
        checked: The rows.
        answers: By name of the new column, a value for each row, or one for all.
    """
    table = checked.block.table
    for name, values in answers.items():
        column = pa.array(np.broadcast_to(values, table.num_rows).tolist())
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
    return table


NUMBERS = frozenset(f.name for f in FEATURES if isinstance(f, Number))


def number_or_text(text: str) -> float | str:
    """The number that a text is; what is none stays, for the check to name."""
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text


def _typed(values: list[Any]) -> pa.Array:
    """A column of one type: values of several become text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else as_text(value) for value in values])


def as_text(value: Any) -> str:
    """A value in a column of text: what is none, as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
