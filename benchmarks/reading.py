"""Reading: examples a second from TFRecord files into Beam, by our source and by the stock one."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path

import apache_beam as beam
from tfx_bsl.tfxio.dataset_options import RecordBatchesOptions
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from benchmarks.measure import seconds
from pipeline.beam import in_process
from pipeline.local.chunked_source import CHUNK, chunked_source
from pipeline.settings import ROOT


def rates(folder: Path) -> tuple[float, float, float]:
    """Examples a second into Beam by our source, by the stock one, and out of the files alone.

    Args:
        folder: TFRecord files.
    """
    examples = TFExampleRecord(f"{folder}/*", telemetry_descriptors=["benchmark"])
    count = _decode(examples)
    return (
        count / seconds(lambda: _into_beam(examples, chunked_source())),
        count / seconds(lambda: _into_beam(examples, contextlib.nullcontext())),
        count / decoding_seconds(folder),
    )


def decoding_seconds(folder: Path) -> float:
    """How long it takes to read TFRecord files and decode their examples, and nothing else."""
    examples = TFExampleRecord(f"{folder}/*", telemetry_descriptors=["benchmark"])
    return seconds(lambda: _decode(examples))


def _decode(examples: TFExampleRecord) -> int:
    once = RecordBatchesOptions(CHUNK, num_epochs=1, shuffle=False)
    with chunked_source():  # It reads one file after the other, which is quicker.
        return sum(batch.num_rows for batch in examples.RecordBatches(once))


def _into_beam(examples: TFExampleRecord, source: AbstractContextManager[None]) -> None:
    with source, beam.Pipeline(argv=in_process(ROOT / "setup.py")) as pipeline:
        _ = pipeline | examples.BeamSource() | beam.Map(lambda batch: batch.num_rows)
