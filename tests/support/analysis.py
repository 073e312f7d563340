"""TFX's Transform, without TFX."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx_bsl.public import tfxio

from common.lean_beam import lean_beam
from models.transform import preprocessing_fn
from pipeline.beam import RUNNER


def analyze(files: str, schema: schema_pb2.Schema, folder: Path) -> tft.TFTransformOutput:
    """What TFX's Transform makes of these examples."""
    source = tfxio.TFExampleRecord(files, schema=schema, telemetry_descriptors=["test"])
    options = PipelineOptions([f"--runner={RUNNER}", "--direct_running_mode=in_memory"])
    with (
        lean_beam(),
        beam.Pipeline(options=options) as pipeline,
        tft_beam.Context(temp_dir=str(folder / "temp")),
    ):
        examples = (pipeline | source.BeamSource(), source.TensorAdapterConfig())
        graph = examples | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = graph | tft_beam.WriteTransformFn(str(folder))
        # The whole schema, also of columns that the graph does not use: that is what TFX writes.
        _ = dataset_metadata.DatasetMetadata(schema) | tft_beam.WriteMetadata(
            str(folder / "metadata"), pipeline=pipeline
        )
    return tft.TFTransformOutput(str(folder))
