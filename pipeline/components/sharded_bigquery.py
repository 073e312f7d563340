"""BigQueryExampleGen with as many files per split as there are workers to read them.

The stock executor leaves the number to Beam, which may choose one file, or a thousand uneven ones.
"""

from __future__ import annotations

import os
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.components.example_gen import utils, write_split
from tfx.components.util import examples_utils
from tfx.extensions.google_cloud_big_query.example_gen import executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from pipeline.components.shards import read_shards


class Executor(executor.Executor):
    """Asks BigQuery as the stock one does, and writes each split as a number of even files."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the splits."""
        self._log_startup(input_dict, output_dict, exec_properties)
        shards = read_shards(exec_properties)
        # The stock code would hand it to Beam's source of BigQuery's rows.
        properties = exec_properties | {standard_component_specs.CUSTOM_CONFIG_KEY: None}
        inputs, outputs = example_gen_pb2.Input(), example_gen_pb2.Output()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], inputs
        )
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.OUTPUT_CONFIG_KEY], outputs
        )
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        artifact.split_names = artifact_utils.encode_split_names(
            utils.generate_output_split_names(inputs, outputs)
        )
        with self._make_beam_pipeline() as pipeline:
            for name, split in self.GenerateExamplesByBeam(pipeline, properties).items():
                folder = artifact_utils.get_split_uri([artifact], name)
                _ = split | f"Write[{name}]" >> _Write(folder, shards)
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(
            artifact, write_split.to_file_format_str(example_gen_pb2.FORMAT_TFRECORDS_GZIP)
        )


class _Write(beam.PTransform):
    """Writes Examples; Beam deals them out to the files in turn."""

    def __init__(self, folder: str, shards: int) -> None:
        super().__init__()
        self._folder = folder
        self._shards = shards

    def expand(self, input_or_inputs: beam.PCollection) -> Any:
        return (
            input_or_inputs
            | "Serialize" >> beam.ParDo(write_split.MaybeSerialize())
            | "Shuffle" >> beam.Reshuffle()
            | "Write"
            >> beam.io.WriteToTFRecord(
                os.path.join(self._folder, write_split.DEFAULT_FILE_NAME),
                file_name_suffix=".gz",
                num_shards=self._shards,
            )
        )
