"""Has Beam read examples in chunks: what StatisticsGen, Transform and Evaluator spend most time on.

The stock source of tfx_bsl hands Beam one record after the other, gathers them into batches again
and decodes these: some ten steps of Python a record. tfx_bsl can also read and decode whole batches
in C++, for others than Beam. Here Beam gets those, and the next one is decoded on another core as
it works on the one it has. tfx_bsl reads several files at once, and takes one record of each in
turn, which takes three times as long as reading one after the other: that is done instead. The
components, and the keys of TFX's cache, are what they were; the rows are the same, in larger
batches.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.tfxio import dataset_util
from tfx_bsl.tfxio.dataset_options import RecordBatchesOptions
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

CHUNK = 4_096
"""Rows of a batch. More are hardly faster, and would take memory where rows are wide."""


@contextlib.contextmanager
def chunked_source() -> Iterator[None]:
    """Makes it the source of all examples in TFRecord files, in this process."""
    with (
        mock.patch.object(TFExampleRecord, "BeamSource", _beam_source),
        mock.patch.object(dataset_util, "make_tf_record_dataset", _one_file_after_the_other),
    ):
        yield


_STOCK = dataset_util.make_tf_record_dataset


def _one_file_after_the_other(
    file_pattern: list[str],
    batch_size: int,
    drop_final_batch: bool,
    num_epochs: int | None,
    shuffle: bool | None,
    *options: Any,
    **more: Any,
) -> tf.data.Dataset:
    """What `make_tf_record_dataset` returns, in another order where any order will do."""
    if shuffle or num_epochs != 1:
        return _STOCK(
            *(file_pattern, batch_size, drop_final_batch, num_epochs, shuffle, *options), **more
        )
    files = tf.data.Dataset.list_files(file_pattern, shuffle=False)
    compression = dataset_util.detect_compression_type(tf.convert_to_tensor(file_pattern))
    records = tf.data.TFRecordDataset(files, compression)  # pyright: ignore[reportArgumentType]
    return records.batch(batch_size, drop_remainder=drop_final_batch).prefetch(1)


def _beam_source(examples: TFExampleRecord, batch_size: int | None = None) -> beam.PTransform:
    """What `TFExampleRecord.BeamSource` returns: record batches with all that it promises of them.

    Args:
        examples: Where they are, how to decode them, and whether to keep the raw records as well.
        batch_size: Rows of a batch; the last one may have fewer.
    """
    options = RecordBatchesOptions(batch_size or CHUNK, num_epochs=1, shuffle=False)

    @beam.typehints.with_input_types(Any)
    @beam.typehints.with_output_types(pa.RecordBatch)
    def source(pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Once" >> beam.Impulse()
            | "ReadChunks" >> beam.FlatMap(lambda _: _ahead(examples.RecordBatches(options)))
        )

    return beam.ptransform_fn(source)()


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, made by a thread ahead of who takes them: C++ leaves Python to others."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as thread:
        waiting = deque(thread.submit(next, batches, None) for _ in range(2))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, batches, None))
            yield batch
