"""Rows as batch jobs and training have them: tf.Examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from models.declaration import UNKNOWN


def example_of(row: Mapping[str, Any]) -> tf.train.Example:
    """A row as an Example; what is unknown is left out.

    Args:
        row: A value for every feature, as a model takes it: bytes, or a number that may be NaN.
    """
    example = tf.train.Example()
    for name, value in row.items():
        if isinstance(value, bytes):
            if value != UNKNOWN.encode():
                example.features.feature[name].bytes_list.value.append(value)
        elif not np.isnan(value):
            example.features.feature[name].float_list.value.append(value)
    return example
