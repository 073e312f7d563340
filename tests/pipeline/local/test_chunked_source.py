"""Reading in chunks gives Beam the rows that the stock source gives it, decoded alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from pipeline.beam import in_process
from pipeline.local.chunked_source import CHUNK, chunked_source
from pipeline.settings import ROOT

Source = Callable[[], AbstractContextManager[None]]

ROWS = CHUNK + 1_000
"""More than a chunk."""

SCHEMA = text_format.Parse(
    """
    feature { name: "number" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    feature { name: "count" type: INT }
    feature { name: "word" type: BYTES }
    """,
    schema_pb2.Schema(),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Examples with values of each kind, some missing, in two compressed files."""
    folder = tmp_path_factory.mktemp("examples")
    draw = np.random.default_rng(7)
    for shard, rows in enumerate((ROWS - 100, 100)):
        options = tf.io.TFRecordOptions(compression_type="GZIP")
        with tf.io.TFRecordWriter(str(folder / f"data-{shard}.gz"), options) as writer:
            for _ in range(rows):
                example = tf.train.Example()
                example.features.feature["number"].float_list.value.append(draw.normal())
                if draw.random() < 0.8:
                    count = int(draw.integers(5))
                    example.features.feature["count"].int64_list.value.append(count)
                word = example.features.feature["word"].bytes_list.value
                word.extend([b"a", "\u00e9\u00e8".encode()][: draw.integers(3)])
                writer.write(example.SerializeToString())
    return str(folder / "*")


def gathered(source: Source, transform: beam.PTransform, files: str, **options: object) -> list:
    """What a transform of record batches gives behind a source."""
    found: list = []
    Sink.found = found
    argv = in_process(ROOT / "setup.py")
    with source(), beam.Pipeline(argv=argv) as pipeline:
        examples = TFExampleRecord(files, telemetry_descriptors=["test"], **options)  # type: ignore
        _ = pipeline | examples.BeamSource() | transform | beam.ParDo(Sink())
    return found


class Sink(beam.DoFn):
    """Keeps what comes; workers are threads of this process."""

    found: list = []  # noqa: RUF012

    def process(self, element: object) -> Iterator[None]:
        Sink.found.append(element)
        yield from ()


def rows_of(source: Source, files: str, **options: object) -> tuple[set[str], list[str]]:
    """The types of columns, and the rows in an order of their own."""
    batches = gathered(source, beam.Map(lambda batch: batch), files, **options)
    rows = [
        # Without a schema, a batch has no column for what none of its rows has.
        str({name: value for name, value in sorted(row.items()) if value is not None})
        for batch in batches
        for row in batch.to_pylist()
    ]
    return {batch.schema.to_string() for batch in batches} if options else set(), sorted(rows)


@pytest.mark.parametrize(
    "options",
    [{}, {"schema": SCHEMA}, {"schema": SCHEMA, "raw_record_column_name": "raw"}],
    ids=["inferred", "with a schema", "with raw records"],
)
def test_rows_and_columns_are_those_of_the_stock_source(files: str, options: dict):
    stock = rows_of(contextlib.nullcontext, files, **options)
    assert rows_of(chunked_source, files, **options) == stock
    assert len(stock[1]) == ROWS


def test_a_projection_reads_its_columns_alone(files: str):
    def projected(source: Source) -> set[str]:
        with source(), beam.Pipeline(argv=in_process(ROOT / "setup.py")) as pipeline:
            examples = TFExampleRecord(files, schema=SCHEMA, telemetry_descriptors=["test"])
            names = (
                pipeline
                | examples.Project(["word"]).BeamSource(100)
                | beam.Map(lambda b: tuple(b.schema.names))
            )
            Sink.found = []
            _ = names | beam.ParDo(Sink())
        return set(Sink.found)

    assert projected(chunked_source) == projected(contextlib.nullcontext) == {("word",)}


def test_statistics_are_those_of_the_stock_source(files: str):
    def statistics(source: Source) -> statistics_pb2.DatasetFeatureStatisticsList:
        (found,) = gathered(source, tfdv.GenerateStatistics(), files)
        return found

    ours, theirs = statistics(chunked_source), statistics(contextlib.nullcontext)
    for found in (ours, theirs):  # Sums of floats depend on the order of the rows.
        for feature in found.datasets[0].features:
            if feature.HasField("num_stats"):
                feature.num_stats.mean = round(feature.num_stats.mean, 9)
                feature.num_stats.std_dev = round(feature.num_stats.std_dev, 9)
    assert ours == theirs


def test_the_stock_source_is_back_afterwards():
    before = TFExampleRecord.BeamSource
    with pytest.raises(KeyError), chunked_source():
        assert TFExampleRecord.BeamSource is not before
        raise KeyError
    assert TFExampleRecord.BeamSource is before
