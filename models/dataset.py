"""The training input: raw examples in, transformed batches out, each example transformed only once.

One example at a time costs a Python-sized overhead per row; chunks of thousands cost it per chunk.
So records are read, parsed and transformed in chunks, the chunks are kept in memory when they fit,
and every pass shuffles the chunks and the rows within them before they are cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from models import autograph  # noqa: F401, for its effect
from models import features as declared
from models.declaration import UNKNOWN, Category
from models.transform import raw_value
from models.workers import Share

CHUNK = 16_384
"""Rows parsed and transformed at a time; where the cost per row stops falling."""

SHUFFLED_CHUNKS = 64
"""Chunks among which the order is drawn: a million rows."""


def raw_features(serialized: tf.Tensor, transform: tft.TFTransformOutput, *, label: bool) -> dict:
    """Parses serialized examples into raw columns.

    Args:
        serialized: Serialized `tf.train.Example`s, `[batch]`.
        transform: The transform graph, which knows the raw columns.
        label: Whether these are training examples, which have a label and every column that the
            schema requires. In others, what may be unknown may be left out.

    Returns:
        Dense or sparse tensors by column.
    """
    spec = transform.raw_feature_spec()
    wanted = {feature.name: spec[feature.name] for feature in declared.FEATURES}
    if label:
        wanted[declared.LABEL.name] = spec[declared.LABEL.name]
        return tf.io.parse_example(serialized, wanted)
    for feature in declared.FEATURES:
        if not feature.required and isinstance(wanted[feature.name], tf.io.FixedLenFeature):
            default = [UNKNOWN if isinstance(feature, Category) else float("nan")]
            wanted[feature.name] = wanted[feature.name]._replace(default_value=default)
    return tf.io.parse_example(serialized, wanted)


class RowCounter:
    """Counts the rows that are read, also those read again.

    Attributes:
        rows: How many so far.
    """

    def __init__(self) -> None:
        self.rows = 0

    def counted(self, serialized: tf.Tensor) -> tf.Tensor:
        """The same rows, counted whenever they are read."""
        size = tf.numpy_function(self._count, [tf.size(serialized)], tf.int32)
        with tf.control_dependencies([size]):
            return tf.identity(serialized)

    def _count(self, size: np.ndarray) -> np.ndarray:
        self.rows += int(size)
        return size


def file_names(files: Sequence[str]) -> list[str]:
    """Names of the files that match names or patterns, in order.

    Raises:
        FileNotFoundError: If none does.
    """
    names = sorted(name for pattern in files for name in tf.io.gfile.glob(pattern))
    if not names:
        raise FileNotFoundError(f"No examples match {list(files)}.")
    return names


def files_of(names: Sequence[str], share: Share) -> list[str]:
    """The files that a worker reads: every so many, or all where there are too few to go round."""
    return list(names[share.index :: share.count] if len(names) >= share.count else names)


def transformed_chunks(
    files: Sequence[str],
    transform: tft.TFTransformOutput,
    chunk: int = CHUNK,
    share: Share = Share(),  # noqa: B008, it is frozen
    counter: RowCounter | None = None,
) -> tf.data.Dataset:
    """Reads TFRecord files of raw examples as transformed chunks.

    Args:
        files: File names or patterns, gzip-compressed if they end in `.gz`.
        transform: The transform graph.
        chunk: Rows per chunk; the last one may be smaller.
        share: Whose rows: each is one worker's. A worker reads files of its own; where there are
            fewer files than workers, it reads all, and takes every so many rows.
        counter: Counts what is read.

    Returns:
        A dataset of `(features, label)`: features `{name: [chunk]}`, label `[chunk]` in its unit.
    """
    layer = transform.transform_features_layer()

    def transformed(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        features = dict(layer(raw_features(serialized, transform, label=True)))
        label = features.pop(declared.LABEL.name)
        return features, label

    names = file_names(files)
    batches = _records(files_of(names, share)).batch(chunk)
    if counter:
        batches = batches.map(counter.counted)
    if len(names) < share.count:
        batches = batches.unbatch().shard(share.count, share.index).batch(chunk)
    # What a worker reads is its own already.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    chunks = batches.map(transformed, num_parallel_calls=tf.data.AUTOTUNE)
    return chunks.with_options(options)


def named_rows(
    files: Sequence[str], transform: tft.TFTransformOutput, limit: int
) -> dict[str, np.ndarray]:
    """Reads raw examples as a caller would ask for them, with the label.

    Args:
        files: File names or patterns, as `transformed_chunks` takes them.
        transform: The transform graph, which knows the raw columns.
        limit: Most examples to read. ExampleGen shuffles, so the first are a fair sample.

    Returns:
        Columns by name, `[rows]`: features as `serving_default` takes them, and the label.
    """

    def named(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = raw_features(serialized, transform, label=True)
        columns = {f.name: raw_value(raw[f.name], f) for f in declared.FEATURES}
        label = tf.cast(raw[declared.LABEL.name], tf.float32)
        return columns | {declared.LABEL.name: tf.squeeze(label, axis=1)}

    batches = list(
        _records(file_names(files)).take(limit).batch(CHUNK).map(named).as_numpy_iterator()
    )
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _records(names: Sequence[str]) -> tf.data.TFRecordDataset:
    return tf.data.TFRecordDataset(
        names, compression_type="GZIP" if names[0].endswith(".gz") else ""
    )


def training_dataset(
    chunks: tf.data.Dataset, batch_size: int, *, cache: bool, seed: int
) -> tf.data.Dataset:
    """An endless stream of shuffled batches.

    Args:
        chunks: What `transformed_chunks` returns.
        batch_size: Rows per batch.
        cache: Keep the transformed chunks in memory after the first pass; about 200 bytes a row.
        seed: Seed of the shuffle.

    Returns:
        A dataset of `(features, label)` batches of exactly `batch_size` rows.
    """

    def numbered(number: tf.Tensor, chunk: tuple[dict, tf.Tensor]) -> tuple[tf.Tensor, tuple]:
        return number + 1, (number, *chunk)

    def permuted(number: tf.Tensor, features: dict, label: tf.Tensor) -> tuple[dict, tf.Tensor]:
        rows = tf.range(tf.size(label))
        order = tf.random.experimental.stateless_shuffle(rows, tf.stack([seed, number]))
        return {name: tf.gather(v, order) for name, v in features.items()}, tf.gather(label, order)

    if cache:
        chunks = chunks.cache()
    return (
        chunks.shuffle(SHUFFLED_CHUNKS, seed=seed)
        .repeat()
        # Chunks are permuted side by side; by number, so that their timing changes nothing.
        .scan(tf.constant(0, tf.int64), numbered)
        .map(permuted, num_parallel_calls=tf.data.AUTOTUNE)
        .rebatch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )
