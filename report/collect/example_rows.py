"""The one reader of examples: the first ones of each split, as a table.

Shards are shuffled, so the first examples are a fair sample of the split.
"""

# TensorFlow carries no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false

from __future__ import annotations

import posixpath
from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from models.declaration import UNKNOWN
from models.feature_kinds import categories, numbers
from models.features import CALENDAR, LABEL

LIMIT = 200_000
"""Examples read of each split. Errors and shares on as many are good to three digits."""

_BATCH = 16_384


def read_examples(uri: str, splits: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Reads the first examples of each split.

    Args:
        uri: Of an Examples artifact of gzip-compressed records.
        splits: Which to read.

    Returns:
        By split, a table with the columns of `models.features`: categories, `Unknown` where there
        is no word; numbers, NaN where there is none, and the label as float32; the calendar's
        columns as integers.
    """
    return {split: _read(posixpath.join(uri, f"Split-{split}")) for split in splits}


def _read(folder: str) -> pd.DataFrame:
    files = sorted(tf.io.gfile.glob(posixpath.join(folder, "*.gz")))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(LIMIT)
    batches = list(
        records.batch(_BATCH)
        .map(_parse, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .as_numpy_iterator()
    )
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return pd.DataFrame(
        {name: _categorical(v) if v.dtype == object else v for name, v in columns.items()}
    )


def _parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    values = [*(number.name for number in numbers()), LABEL.name]
    spec = {c.name: tf.io.FixedLenFeature([], tf.string, UNKNOWN) for c in categories()}
    spec |= {name: tf.io.FixedLenFeature([], tf.float32, float("nan")) for name in values}
    when = (CALENDAR.year, CALENDAR.month) if CALENDAR else ()
    spec |= {name: tf.io.FixedLenFeature([], tf.int64, 0) for name in when}
    return tf.io.parse_example(serialized, spec)


def _categorical(values: np.ndarray) -> pd.Categorical:
    codes, found = pd.factorize(values)
    words = [word.decode() or UNKNOWN for word in found]
    # An empty word and a missing one are the same.
    return pd.Categorical(np.asarray(words, object)[codes])
