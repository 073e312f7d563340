"""A column of words that holds a number for each row, where an array has a Python object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CodedWords:
    """Words by their places in a vocabulary; `np.asarray` makes the array of objects.

    Attributes:
        codes: Of each row, `[rows]`.
        vocabulary: The words, encoded.
    """

    codes: np.ndarray
    vocabulary: tuple[bytes, ...]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.codes)

    def __getitem__(self, rows: np.ndarray | slice) -> CodedWords:
        """Some of the rows, by a mask, their places or a slice."""
        return CodedWords(self.codes[rows], self.vocabulary)

    def __setitem__(self, row: int, word: bytes) -> None:
        """Changes the word of a row to another of the vocabulary."""
        self.codes[row] = self.vocabulary.index(word)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The words, as objects, `[rows]`."""
        return np.array(self.vocabulary, dtype=dtype or object)[self.codes]


ColumnsOrCodes = Mapping[str, np.ndarray | CodedWords]
"""Values by name, each of shape [rows]."""
