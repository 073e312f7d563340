"""A SavedModel with the project's signatures, made in a moment: its answers are arithmetic."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from models import interpretation
from models.declaration import UNKNOWN, Category
from models.features import FEATURES, LABEL
from models.interpretation import Interpretation
from models.intervals import Intervals, Knots
from models.names import EXAMPLES, PREDICTION, SERVING, TRANSFORM

SPAN = LABEL.maximum - LABEL.minimum
_WORDS = 97

WIDTHS = {80: 0.01 * SPAN, 95: 0.02 * SPAN}
"""How far its intervals reach from the prediction, to both sides."""

REFERENCE = {
    feature.name: feature.vocabulary[-1] if isinstance(feature, Category) else feature.minimum
    for feature in FEATURES
}
"""What its attributions compare with."""


def expected(row: Mapping[str, Any], offset: float = 0.0) -> float:
    """What the model answers to a row, computed anew."""
    shares = []
    for feature in FEATURES:
        value = row.get(feature.name)
        if isinstance(feature, Category):
            word = UNKNOWN if value is None else str(value)
            shares.append(zlib.crc32(word.encode()) % _WORDS / _WORDS)
        elif value is None:
            shares.append(0.5)
        else:
            shares.append((value - feature.minimum) / (feature.maximum - feature.minimum))
    return LABEL.minimum + SPAN * (offset + 0.5 * sum(shares) / len(shares))


def write_model(
    folder: Path,
    version: int,
    *,
    offset: float = 0.0,
    factor: float = 1.0,
    mixes_rows: bool = False,
    lacks: str | None = None,
    interpreted: bool = True,
) -> Path:
    """Writes a version.

    Args:
        folder: Of versions.
        version: Its number.
        offset: Added to every answer, as a share of the label's range.
        factor: Every answer is multiplied by it.
        mixes_rows: Whether an answer depends, wrongly, on the other rows.
        lacks: A feature that it does not take.
        interpreted: Whether it has intervals and a reference.
    """
    features = sorted((f for f in FEATURES if f.name != lacks), key=lambda f: not f.required)

    def shares(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rows = tf.shape(values[features[0].name])
        found = {}
        for feature in features:
            value = tf.broadcast_to(values[feature.name], rows)
            if isinstance(feature, Category):
                words = tf.constant(feature.vocabulary)
                codes = [zlib.crc32(w.encode()) % _WORDS / _WORDS for w in feature.vocabulary]
                same = tf.cast(value[:, None] == words[None], tf.float32)
                found[feature.name] = tf.linalg.matvec(same, tf.constant(codes, tf.float32))
            else:
                share = (value - feature.minimum) / (feature.maximum - feature.minimum)
                found[feature.name] = tf.where(tf.math.is_nan(value), 0.5, share)
        return found

    def predicted(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        mean = tf.add_n(list(shares(values).values())) / len(features)
        mixed = mean + tf.reduce_max(mean) if mixes_rows else mean
        answer = LABEL.minimum + SPAN * (offset + 0.5 * mixed)
        return {PREDICTION: answer * factor}

    def named(answer: Any) -> Any:
        def serve(*args: tf.Tensor, **kwargs: tf.Tensor) -> dict[str, tf.Tensor]:
            given = dict(zip((f.name for f in features), args, strict=False))
            return answer(given | kwargs)

        serve.__signature__ = inspect.Signature(
            [inspect.Parameter(f.name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for f in features]
        )
        specs = [
            tf.TensorSpec([None], tf.string if isinstance(f, Category) else tf.float32, name=f.name)
            for f in features
        ]
        return tf.function(serve, input_signature=specs)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def by_example(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {
            f.name: tf.io.FixedLenFeature(
                [],
                tf.string if isinstance(f, Category) else tf.float32,
                None if f.required else UNKNOWN if isinstance(f, Category) else float("nan"),
            )
            for f in features
        }
        parsed: Any = tf.io.parse_example(examples, spec)
        return predicted(parsed)

    path = folder / str(version)
    tf.saved_model.save(
        tf.Module(),
        str(path),
        signatures={SERVING: named(predicted), EXAMPLES: by_example, TRANSFORM: named(shares)},
    )
    if interpreted:
        middle = (LABEL.minimum + SPAN / 2,)
        knots = Knots(
            middle,
            {level: (-width,) for level, width in WIDTHS.items()},
            {level: (width,) for level, width in WIDTHS.items()},
        )
        intervals = Intervals(1000, knots, {level: {} for level in WIDTHS})
        interpretation.write(Interpretation(REFERENCE, intervals), str(path))
    return path
