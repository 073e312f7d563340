"""Reads files of rows in blocks: Parquet, CSV and JSON lines, also in a bucket."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from models.features import FEATURES
from serving.batch.blocks import NUMBERS, Block, number_or_text
from serving.batch.row_files import kind_of, opened, text_of
from serving.dead_letters import DeadLetter

BLOCK_ROWS = 1 << 15
"""Rows at a time: the cost of a call is nothing then, and a block fits in a few MB."""

Read = Iterator[Block | DeadLetter]


def read_blocks(file: str) -> Read:
    """Reads a file.

    Args:
        file: Its name, by whose end its format is known; `gs://` names too.

    Yields:
        Blocks of its rows, and rows that can't be read.

    Raises:
        UserError: If no row of it can be.
    """
    with opened(file) as stream:
        yield from _READERS[kind_of(file)](file, stream)


def _parquet(file: str, stream: BinaryIO) -> Read:
    number = 1
    for batch in pq.ParquetFile(stream).iter_batches(BLOCK_ROWS):
        table = pa.Table.from_batches([batch])
        yield Block(file, table, range(number, number + table.num_rows))
        number += table.num_rows


def _csv(file: str, stream: BinaryIO) -> Read:
    seen: list[str] = []

    def lines() -> Iterator[str]:
        for line in text_of(stream):
            seen.append(line)
            yield line

    def taken() -> str:
        """The lines since it was last asked, without the last line's end."""
        text = "".join(seen).rstrip("\r\n")
        seen.clear()
        return text

    reader = csv.reader(lines(), strict=True)
    names = next(reader, [])
    taken()
    read = _Gathered(file, names)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield read.dead_letter(f"It is no CSV ({error}).", taken())
            continue
        text = taken()
        if not cells:
            continue  # An empty line.
        if len(cells) != len(names):
            cause = f"It has {len(cells)} fields, the header {len(names)}."
            yield read.dead_letter(cause, text)
        elif not _is_utf8(text):
            yield read.dead_letter("It is not UTF-8.", text)
        elif full := read.add(dict(zip(names, map(_cell, names, cells), strict=True)), text):
            yield full
    yield from read.rest()


def _json_lines(file: str, stream: BinaryIO) -> Read:
    read = _Gathered(file)
    for line in stream:
        if not line.strip():
            continue
        text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield read.dead_letter(f"It is no JSON ({error}).", text)
            continue
        if not isinstance(row, dict):
            yield read.dead_letter("It is no JSON object.", text)
        elif full := read.add(row, text):
            yield full
    yield from read.rest()


_READERS: Mapping[str, Callable[[str, BinaryIO], Read]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}

_FEATURES = frozenset(feature.name for feature in FEATURES)


def _cell(name: str, text: str) -> str | float | None:
    """A value of a feature as the model takes it; of any other column, as it came."""
    if name not in _FEATURES:
        return text
    if not text:
        return None
    return number_or_text(text) if name in NUMBERS else text


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Gathered:
    """Rows of text, until they are a block."""

    def __init__(self, file: str, names: list[str] | None = None) -> None:
        self._file = file
        self._names = names
        self._number = 0
        self._rows: list[dict[str, Any]] = []
        self._numbers: list[int] = []
        self._texts: list[str] = []

    def add(self, row: dict[str, Any], text: str) -> Block | None:
        """Takes a row; gives the block that it fills."""
        self._number += 1
        self._rows.append(row)
        self._numbers.append(self._number)
        self._texts.append(text)
        return self._block() if len(self._rows) == BLOCK_ROWS else None

    def dead_letter(self, cause: str, text: str) -> DeadLetter:
        """Counts a row that can't be read."""
        self._number += 1
        raw = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return DeadLetter(self._file, self._number, cause, raw)

    def rest(self) -> Iterator[Block]:
        """The rows that filled no block."""
        if self._rows:
            yield self._block()

    def _block(self) -> Block:
        names = self._names or dict.fromkeys(name for row in self._rows for name in row)
        block = Block.of_rows(self._file, self._rows, names, self._numbers, self._texts)
        self._rows, self._numbers, self._texts = [], [], []
        return block
