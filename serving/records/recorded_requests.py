"""Requests that were made before, to ask another model the same: of a request log, or Examples."""

from __future__ import annotations

import contextlib
import posixpath
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from models.declaration import Category
from models.features import FEATURES
from models.request import RequestError
from serving.instances import from_rows

Row = dict[str, Any]
"""Fields of a request for one row, as a caller sends them; what is unknown is left out."""


@dataclass(frozen=True)
class Recorded:
    """Requests for a row each.

    Attributes:
        examples: As tf.Examples, serialized.
        rows: The same, as callers send them.
        left_out: Further ones, which today's declaration would refuse: made when it was another.
    """

    examples: list[bytes]
    rows: list[Row]
    left_out: int = 0


def read_recorded(folder: str, most: int) -> Recorded:
    """Reads the latest requests of a folder, or the first Examples of a split.

    Args:
        folder: With gzip-compressed records, here or in a bucket; it may have none.
        most: How many to read.

    Returns:
        So many, or all that there are.
    """
    examples: list[bytes] = []
    # The newest files of a request log; of Examples, whose shards are shuffled, any will do.
    for file in sorted(tf.io.gfile.glob(posixpath.join(folder, "*.gz")), reverse=True):
        records: Any = tf.data.TFRecordDataset(file, "GZIP").take(most - len(examples))
        with contextlib.suppress(tf.errors.NotFoundError):  # The log keeps within its bounds.
            examples += records.as_numpy_iterator()
        if len(examples) >= most:
            break
    taken: list[tuple[bytes, Row]] = []
    for example in examples:
        row = row_of(example)
        with contextlib.suppress(RequestError):
            from_rows([row])
            taken.append((example, row))
    left_out = len(examples) - len(taken)
    return Recorded([example for example, _ in taken], [row for _, row in taken], left_out)


def row_of(example: bytes) -> Row:
    """An Example as a caller would send it; features that are not declared are left out."""
    values = tf.train.Example.FromString(example).features.feature
    row: Row = {}
    for feature in FEATURES:
        its = values[feature.name]
        if isinstance(feature, Category) and its.bytes_list.value:
            row[feature.name] = its.bytes_list.value[0].decode()
        elif not isinstance(feature, Category) and its.float_list.value:
            # In as few digits as float32 needs: 0.1, and not 0.10000000149, which may be too much.
            row[feature.name] = float(str(np.float32(its.float_list.value[0])))
    return row
