"""Rows of files that are not answered, as they are told of: a file of JSON lines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

SUFFIX = ".dead.jsonl"
"""Behind the name of the file with the answers."""


@dataclass(frozen=True)
class DeadLetter:
    """A row that is not answered.

    Attributes:
        file: Where it was read.
        row: Its number there, from 1; a header is none.
        raw: The row as it came; of a format without text, its values as JSON.
    """

    file: str
    row: int
    cause: str
    raw: str

    def to_json(self) -> bytes:
        """One line of a dead-letter file."""
        # A file's name that is not UTF-8 becomes escapes, which JSON has too.
        text = json.dumps(asdict(self), ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace") + b"\n"
