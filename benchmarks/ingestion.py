"""Ingestion: rows a second, from the answer of a query to TFRecord files of Examples."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
from tfx.components.example_gen import base_example_gen_executor
from tfx.dsl.components.base import base_beam_executor
from tfx.extensions.google_cloud_big_query import utils
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from benchmarks.measure import seconds
from data.query import render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.feature_kinds import categories, numbers
from models.features import CONTEXT, LABEL
from pipeline.beam import RUNNER
from pipeline.components import embedded_bigquery
from pipeline.settings import ROOT

QUERY = render(QueryParameters(), table=TABLE.name, sample=1, split="train")

TYPES = {
    **dict.fromkeys((LABEL.name, *(number.name for number in numbers())), "FLOAT"),
    **dict.fromkeys((category.name for category in categories()), "STRING"),
    **dict.fromkeys(CONTEXT, "INTEGER"),
}
"""What BigQuery tells the stock executor of the query's columns."""


class StockExecutor(base_example_gen_executor.BaseExampleGenExecutor):
    """The stock executor, with BigQuery's answer already in memory."""

    rows: ClassVar[list[dict[str, Any]]] = []

    def GetInputSourceToExamplePTransform(self) -> Any:  # noqa: N802 (TFX's name)
        """The stock way from a row to an Example."""
        return _rows_to_examples


@beam.ptransform_fn
def _rows_to_examples(pipeline: beam.Pipeline, exec_properties: dict, split_pattern: str) -> Any:
    del exec_properties, split_pattern
    return (
        pipeline
        | beam.Create([None])
        | beam.FlatMap(lambda _: StockExecutor.rows)
        | beam.Map(lambda row: utils.row_to_example(TYPES, row))
    )


def rates(folder: Path) -> tuple[float, float, float]:
    """Rows a second of our executor, of the stock one, and of the query alone.

    Args:
        folder: Somewhere to write.
    """
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        query_seconds = seconds(lambda: sum(b.num_rows for b in warehouse.query(QUERY)))
        StockExecutor.rows = [r for b in warehouse.query(QUERY) for r in b.to_pylist()]
    count = len(StockExecutor.rows)
    return (
        count / seconds(lambda: _do(embedded_bigquery.Executor, folder / "ours")),
        count / seconds(lambda: _do(StockExecutor, folder / "stock"), runs=1),
        count / query_seconds,
    )


def _do(executor: type[base_beam_executor.BaseBeamExecutor], folder: Path) -> None:
    """Runs an executor of BigQueryExampleGen as TFX does."""
    shutil.rmtree(folder, ignore_errors=True)
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    inputs = example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name="train", pattern=QUERY)]
    )
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[
            f"--runner={RUNNER}",
            "--direct_running_mode=in_memory",
            # Else both would spend a second on building a package of TFX for workers.
            f"--setup_file={ROOT / 'setup.py'}",
        ]
    )
    executor(context).Do(
        {},
        {"examples": [examples]},
        {
            "input_config": proto_utils.proto_to_json(inputs),
            "output_config": proto_utils.proto_to_json(example_gen_pb2.Output()),
            "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
            "output_file_format": example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            "custom_config": proto_utils.proto_to_json(
                embedded_bigquery.custom_config({TABLE.name: str(TABLE.sample)}, "benchmark")
            ),
        },
    )
