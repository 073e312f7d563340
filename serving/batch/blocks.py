"""Rows as they are read, thousands at a time, and those of them that can't be answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from models.coded_words import ColumnsOrCodes
from models.declaration import Category, Feature, Number
from models.features import FEATURES
from models.request import RequestError, check_request
from serving.batch.whole_columns import columns_of
from serving.dead_letters import DeadLetter

Key = tuple[int, int]
"""Of a block: the place of its file among the inputs, and its own among those of the file that have
rows to answer. Of dead letters, in place of the latter, the number of the first row."""


@dataclass(frozen=True)
class Block:
    """Rows of one file, side by side.

    Attributes:
        file: Where they were read.
        table: Their columns: those of the model and all others.
        numbers: Of each row, its number in the file.
        odd: What was given of features and does not fit into a column, by place of the row: in
            text anything may stand where a number belongs.
        texts: The rows as they came, where they came as text.
    """

    file: str
    table: pa.Table
    numbers: Sequence[int]
    odd: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    texts: Sequence[str] | None = None

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
        odd: dict[int, dict[str, Any]] = {}
        for feature in FEATURES:
            for place, value in _odd(feature, columns.get(feature.name, [])):
                odd.setdefault(place, {})[feature.name] = value
                if isinstance(feature, Number):  # No row with that is answered.
                    columns[feature.name][place] = None
        table = pa.table({name: _typed(values) for name, values in columns.items()})
        return cls(file, table, numbers, odd, texts)

    def request(self, place: int) -> dict[str, Any]:
        """What was given of each feature in a row."""
        names = [f.name for f in FEATURES if f.name in self.table.column_names]
        given = {name: self.table.column(name)[place].as_py() for name in names}
        return {**given, **self.odd.get(place, {})}

    def dead_letter(self, place: int, cause: str) -> DeadLetter:
        """Says that a row is not answered."""
        if self.texts:
            raw = self.texts[place]
        else:
            (values,) = self.table.slice(place, 1).to_pylist()
            raw = json.dumps(values, ensure_ascii=False, default=str)
        return DeadLetter(self.file, self.numbers[place], cause, raw)

    def only(self, places: Sequence[int]) -> Block:
        """Some of the rows, which are answered."""
        texts = [self.texts[place] for place in places] if self.texts else None
        numbers = [self.numbers[place] for place in places]
        return Block(self.file, self.table.take(pa.array(places)), numbers, texts=texts)


@dataclass(frozen=True)
class Checked:
    """Rows that the model takes, and what it takes of them."""

    block: Block
    columns: ColumnsOrCodes


def check(block: Block) -> tuple[Checked | None, list[DeadLetter]]:
    """Tells the rows that the model takes from those it does not, by the declaration.

    Returns:
        The good ones, if there are any; and the others with what is wrong with each.
    """
    columns, good = columns_of(block.table)
    good[list(block.odd)] = False
    dead = []
    for place in np.flatnonzero(~good).tolist():
        try:
            request = check_request(block.request(place))
        except RequestError as error:
            dead.append(block.dead_letter(place, str(error)))
            continue
        good[place] = True
        for name, value in request.items():
            columns[name][place] = value.encode() if isinstance(value, str) else value  # pyright: ignore[reportArgumentType]
    if not dead:
        return Checked(block, columns), []
    if not good.any():
        return None, dead
    kept = block.only(np.flatnonzero(good).tolist())
    return Checked(kept, {name: values[good] for name, values in columns.items()}), dead


def with_answers(checked: Checked, answers: Mapping[str, np.ndarray | str]) -> pa.Table:
    """The rows with their answers beside them.

    Args:
        checked: The rows.
        answers: By name of the new column, a value for each row, or one text for all.
    """
    table = checked.block.table
    for name, values in answers.items():
        one = isinstance(values, str)
        column = pa.repeat(values, table.num_rows) if one else pa.array(values, pa.float64())
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


def _odd(feature: Feature, values: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """What of a feature is of another type than its column, with its place."""
    if isinstance(feature, Category) and set(map(type, values)) <= {bool, type(None)}:
        return
    # By Python's types: Arrow makes a number of a truth value that stands among numbers.
    fits = (str,) if isinstance(feature, Category) else (int, float)
    for place, value in enumerate(values):
        if value is None:
            continue
        if type(value) not in fits or (type(value) is int and abs(value) >= 1 << 63):
            yield place, value


def _typed(values: list[Any]) -> pa.Array:
    """A column of one type: values of several become text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else as_text(value) for value in values])


def as_text(value: Any) -> str:
    """A value in a column of text: what is none, as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
