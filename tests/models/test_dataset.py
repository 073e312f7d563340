"""The training input loses no example, repeats none within a pass, and can be repeated."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportIndexIssue=false

from __future__ import annotations

import collections
from collections.abc import Iterable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from models.dataset import raw_features, training_dataset, transformed_chunks
from models.features import LABEL

ROWS = 1000
BATCH = 64


def numbered_chunks(rows_per_chunk: int = 70) -> tf.data.Dataset:
    """Chunks of numbered rows; the last is smaller. The label is the number as well."""
    rows = tf.data.Dataset.range(ROWS).map(lambda i: ({"row": i}, tf.cast(i, tf.float32)))
    return rows.batch(rows_per_chunk)


def passes(seed: int = 1, count: int = 3, **options) -> list[list[int]]:
    """The numbers of the rows in the order of the batches, one list per pass."""
    batches = training_dataset(numbered_chunks(**options), BATCH, cache=True, seed=seed)
    needed = batches.take(-(-count * ROWS // BATCH))
    rows = np.concatenate([features["row"] for features, _ in needed]).tolist()
    return [rows[i : i + ROWS] for i in range(0, count * ROWS, ROWS)]


def test_every_row_comes_once_in_every_pass():
    for rows in passes():
        assert sorted(rows) == list(range(ROWS))


def test_passes_have_different_orders():
    first, second, third = passes()
    assert first != second and second != third and first != third


def test_rows_are_mixed_within_and_between_chunks():
    rows = np.array(passes(count=1)[0])
    assert (np.diff(rows) == 1).mean() < 0.05
    chunks = rows // 70
    assert chunks[0] != 0 or chunks[-1] != chunks.max()


def test_batches_are_full_also_where_one_pass_goes_over_into_the_next():
    batches = training_dataset(numbered_chunks(), BATCH, cache=True, seed=1)
    assert batches.element_spec[1].shape == (BATCH,)
    for features, label in batches.take(2 * ROWS // BATCH):
        assert features["row"].shape == label.shape == (BATCH,)


def test_features_stay_with_their_label():
    for features, label in training_dataset(numbered_chunks(), BATCH, cache=True, seed=1).take(40):
        np.testing.assert_array_equal(features["row"], label)


def test_the_same_seed_gives_the_same_order_however_the_work_is_scheduled():
    keras.utils.set_random_seed(5)
    # Many small chunks, permuted side by side.
    first = passes(rows_per_chunk=9)
    for _ in range(3):
        keras.utils.set_random_seed(5)
        assert passes(rows_per_chunk=9) == first


def test_another_seed_gives_another_order():
    assert passes(seed=1) != passes(seed=2)


def fingerprints(batches: Iterable) -> collections.Counter:
    """Rows as a multiset."""
    rows: collections.Counter = collections.Counter()
    for features, label in batches:
        columns = [features[name].numpy().tolist() for name in sorted(features)]
        rows.update(zip(*columns, label.numpy().tolist(), strict=True))
    return rows


def test_streamed_and_cached_examples_are_those_of_the_files(example_files, transform, births):
    files = [example_files["train"]]
    rows = len(births["train"])
    whole = fingerprints(transformed_chunks(files, transform))
    assert whole.total() == rows
    for cache in (False, True):
        chunks = transformed_chunks(files, transform, chunk=1000)
        batches = training_dataset(chunks, BATCH, cache=cache, seed=1)
        two_passes = batches.unbatch().take(2 * rows).batch(1000)
        assert fingerprints(two_passes) == collections.Counter(
            {row: 2 * count for row, count in whole.items()}
        )


def test_the_size_of_a_chunk_changes_nothing_but_the_chunks(example_files, transform):
    files = [example_files["eval"]]
    large, small = (
        list(transformed_chunks(files, transform, chunk=size)) for size in (10_000, 100)
    )
    assert (len(large), {len(label) for _, label in small[:-1]}) == (1, {100})
    np.testing.assert_array_equal(
        large[0][1], np.concatenate([label.numpy() for _, label in small])
    )
    assert fingerprints(large) == fingerprints(small)


def test_files_that_are_not_there_are_named(transform, tmp_path):
    pattern = str(tmp_path / "Split-train" / "*")
    with pytest.raises(FileNotFoundError, match=r"Split-train/\*"):
        transformed_chunks([pattern], transform)


def test_plain_records_are_read_as_well_as_compressed_ones(
    example_files, transform, tmp_path, births
):
    plain = tmp_path / "examples"
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(example_files["eval"]), "GZIP")
    with tf.io.TFRecordWriter(str(plain)) as writer:
        for record in records.as_numpy_iterator():
            writer.write(record)
    found = fingerprints(transformed_chunks([str(plain)], transform))
    assert found == fingerprints(transformed_chunks([example_files["eval"]], transform))


def test_an_example_without_a_label_cannot_train_but_can_be_asked_about(transform, serialize):
    birth = {"mother_age": 28.0, "gestation_weeks": 39.0, "plurality": "Single(1)"}
    asked = raw_features([serialize(birth)], transform, label=False)
    assert LABEL.name not in asked
    assert asked["is_male"].numpy().tolist() == [[b"Unknown"]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=LABEL.name):
        raw_features([serialize(birth | {"is_male": "True"})], transform, label=True)
    del birth["mother_age"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="mother_age"):
        raw_features([serialize(birth)], transform, label=False)
