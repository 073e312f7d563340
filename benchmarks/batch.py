"""Batch prediction: rows a second and memory, against the model alone and TFX's BulkInferrer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tfx.components.bulk_inferrer import executor
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import bulk_inferrer_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from benchmarks.measure import run_python, seconds
from data.query import render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.names import EXAMPLES
from pipeline.beam import in_process
from pipeline.local.predict import rows_to_predict
from pipeline.settings import ROOT, load_settings
from serving.batch.batch_plan import plan
from serving.batch.blocks import check
from serving.batch.launch_batch import launch
from serving.batch.model_handler import CALL_ROWS, SavedModelHandler, predictions_of
from serving.batch.readers import read_blocks
from serving.sql.translation import translate_model

ROWS = 1_000_000
MORE = 3 * ROWS
MOST = 10 * ROWS
"""Rows that are timed; the more there are, the less the start weighs. Memory is that of `ROWS` and
of `MOST`."""


@dataclass(frozen=True)
class Batch:
    """What was measured.

    Attributes:
        rates: Rows a second from a Parquet file to one with answers, the loading of the model
            included, by rows.
        alone: Of the model's signature, called with blocks that are read and checked: the best of
            before each of them and after, as other work on the cores comes and goes.
        as_sql: Of the model as a query, run by the embedded warehouse on all of the sample.
        bulk: Examples a second of BulkInferrer, from TFRecord files to PredictionLogs.
        peak_bytes: Most memory of the command, by rows.
    """

    rates: dict[int, float]
    alone: float
    as_sql: float
    bulk: float
    peak_bytes: dict[int, int]


def measure(model: Path, examples: Path, pushed: Path, folder: Path) -> Batch:
    """Measures.

    Args:
        model: The Trainer's artifact.
        examples: The artifact of ExampleGen.
        pushed: Folder of the model's numbered versions.
        folder: Somewhere to write.
    """
    folder.mkdir()
    files = {rows: folder / f"{rows}.parquet" for rows in (ROWS, MORE, MOST)}
    for rows, file in files.items():
        _write_rows(rows, file)
    (version,) = pushed.glob("*")
    rates, alone = {}, [_alone(version, files[ROWS])]
    for rows in (MORE, MOST):
        batch = plan(str(files[rows]), f"{folder}/out.parquet", str(pushed))
        rates[rows] = rows / seconds(lambda batch=batch: launch(batch), runs=2)
        alone.append(_alone(version, files[ROWS]))
    return Batch(
        rates,
        max(alone),
        _as_sql(version),
        _bulk(model, examples, folder / "bulk"),
        {rows: _peak_bytes(files[rows], pushed, folder) for rows in (ROWS, MOST)},
    )


def _write_rows(count: int, file: Path) -> None:
    """Rows of the sample, over and over, with a key each."""
    sql = render(QueryParameters(), table=TABLE.name, sample=1, split="train")
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        sample = pa.Table.from_batches(list(warehouse.query(sql)))
    schema = sample.schema.append(pa.field("key", pa.int64()))
    with pq.ParquetWriter(file, schema) as writer:
        for first in range(0, count, sample.num_rows):
            some = sample.slice(0, count - first)
            keys = pa.array(range(first, first + some.num_rows))
            writer.write_table(some.append_column("key", keys))


def _alone(version: Path, file: Path) -> float:
    block = next(iter(read_blocks(str(file))))
    checked, _ = check(block)  # pyright: ignore[reportArgumentType]
    if checked is None:
        raise RuntimeError(f"No row of {file} is good.")
    model = SavedModelHandler(str(version)).load_model()
    columns = {name: values[:CALL_ROWS] for name, values in checked.columns.items()}
    predictions_of(model, columns)  # What is put off until it is first needed.
    return 50 * CALL_ROWS / seconds(lambda: [predictions_of(model, columns) for _ in range(50)])


def _as_sql(version: Path) -> float:
    query = translate_model(version, rows_to_predict(load_settings(), None))
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        rows = sum(batch.num_rows for batch in warehouse.query(query))
        return rows / seconds(lambda: list(warehouse.query(query)), runs=1)


def _bulk(model: Path, examples: Path, folder: Path) -> float:
    """Runs BulkInferrer as TFX does."""
    given, trained = standard_artifacts.Examples(), standard_artifacts.Model()
    given.uri, trained.uri = str(examples), str(model)
    given.split_names = '["train"]'
    given.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    result = standard_artifacts.InferenceResult()
    result.uri = str(folder)
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[*in_process(ROOT / "setup.py")]
    )
    spec = bulk_inferrer_pb2.ModelSpec(model_signature_name=[EXAMPLES], tag=["serve"])
    properties = {
        "model_spec": proto_utils.proto_to_json(spec),
        "data_spec": proto_utils.proto_to_json(bulk_inferrer_pb2.DataSpec()),
    }

    def infer() -> None:
        executor.Executor(context).Do(
            {"examples": [given], "model": [trained]}, {"inference_result": [result]}, properties
        )

    taken = seconds(infer, runs=1)
    import tensorflow as tf

    logs = tf.data.TFRecordDataset(tf.io.gfile.glob(f"{folder}/*"), "GZIP")
    return sum(1 for _ in logs) / taken


def _peak_bytes(file: Path, pushed: Path, folder: Path) -> int:
    arguments = ["--input", str(file), "--output", f"{folder}/out.parquet"]
    arguments += ["--model-folder", str(pushed)]
    return run_python(["-m", "serving.batch", *arguments], folder / "log.txt").peak_bytes
