"""BigQueryExampleGen as compiled for Vertex AI, on a BigQuery API emulator, and as it runs here on
the same births: same Examples.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from compiled import PROJECT, command, compiled, output_properties, parameters
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from tfx.dsl.components.base import executor_spec
from tfx.extensions.google_cloud_big_query.example_gen.component import BigQueryExampleGen
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from data.query import SPLITS
from data.table import TABLE
from pipeline.beam import RUNNER, in_process
from pipeline.components import embedded_bigquery
from pipeline.settings import ROOT

BIRTHS = 3000
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def births(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Births for every branch of the query: each code, NULLs, unknowns, values at the bounds."""
    random = np.random.default_rng(2008)

    def choose(values: list, null: float = 0.0) -> list:
        return [
            None if random.random() < null else values[i]
            for i in random.integers(0, len(values), BIRTHS)
        ]

    grams = [0, 1, 227, 3402, 3403, 8165]
    columns = {
        "weight_pounds": [g / 453.59237 for g in choose([*grams, *range(500, 6000, 7)])],
        "is_male": choose([True, False], null=0.1),
        "mother_age": choose([0, *range(12, 55), 99], null=0.02),
        "plurality": choose([0, 1, 1, 1, 1, 2, 3, 4, 5, 6], null=0.02),
        "gestation_weeks": choose([0, 17, *range(30, 48), 98, 99], null=0.02),
        "mother_race": choose([1, 2, 3, 4, 5, 6, 7, 9, 18, 28, 39, 48, 68, 78, 0], null=0.2),
        "cigarette_use": choose([True, False], null=0.5),
        "alcohol_use": choose([True, False], null=0.5),
        "year": choose(list(range(2000, 2010))),
        "month": choose(list(range(1, 13)), null=0.02),
        "father_age": choose([*range(15, 60), 99], null=0.1),
        "wday": choose(list(range(1, 8)), null=0.1),
        "born_alive_alive": choose([*range(12), 99], null=0.1),
        "weight_gain_pounds": choose([*range(98), 99], null=0.1),
    }
    types = {
        "BOOL": pa.bool_(),
        "INT64": pa.int64(),
        "FLOAT64": pa.float64(),
        "STRING": pa.string(),
    }
    schema = pa.schema([(c.name, types[c.type]) for c in TABLE.columns])
    path = tmp_path_factory.mktemp("births") / "births.parquet"
    pq.write_table(pa.table(columns, schema=schema), path)
    return path


@pytest.fixture(scope="module")
def loaded(emulator: str, births: Path) -> str:
    """The emulator with the births in the public table's place."""
    project, dataset, table = TABLE.name.split(".")
    client = bigquery.Client(
        project, credentials=AnonymousCredentials(), client_options={"api_endpoint": emulator}
    )
    client.create_dataset(dataset)
    schema = [bigquery.SchemaField(c.name, c.type) for c in TABLE.columns]
    created = client.create_table(bigquery.Table(f"{project}.{dataset}.{table}", schema=schema))
    rows = pq.read_table(births).to_pylist()
    for start in range(0, len(rows), 500):
        assert client.insert_rows_json(created, rows[start : start + 500]) == []
    (count,) = client.query(f"SELECT COUNT(*) FROM `{TABLE.name}`").result()
    assert count[0] == len(rows)
    return emulator


def _run_compiled(url: str, folder: Path, sample: float) -> dict[str, collections.Counter[bytes]]:
    """Runs the task as Vertex AI would, but for BigQuery's address, Dataflow and the bucket."""
    job = compiled("--sample", str(sample))
    python, dash_m, *container = command(job, "BigQueryExampleGen", folder, {})
    assert dash_m == "-m"
    # What is said last counts.
    here = [f"--runner={RUNNER}", "--direct_running_mode=in_memory"]
    here += [f"--temp_location={folder / 'temp'}"]
    ended = subprocess.run(
        [python, Path(__file__).with_name("on_emulator.py"), url, PROJECT, *container, *here],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:]
    properties = output_properties(folder, "examples")
    assert sorted(json.loads(properties["split_names"])) == sorted(SPLITS)
    return _examples(folder / "examples")


def _run_here(births: Path, folder: Path, sample: float) -> dict[str, collections.Counter[bytes]]:
    """Runs the component with the embedded executor, on the same queries."""
    component = BigQueryExampleGen(
        input_config=proto_utils.json_to_proto(
            parameters(compiled("--sample", str(sample)), "BigQueryExampleGen")["input_config"],
            example_gen_pb2.Input(),
        ),
        custom_config=embedded_bigquery.custom_config({TABLE.name: str(births)}, "test"),
        custom_executor_spec=executor_spec.BeamExecutorSpec(embedded_bigquery.Executor),
    )
    LocalDagRunner().run(
        tfx_pipeline.Pipeline(
            pipeline_name="ingestion",
            pipeline_root=str(folder / "root"),
            components=[component],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(folder / "db")
            ),
            beam_pipeline_args=[*in_process(ROOT / "setup.py")],
        )
    )
    (examples,) = (folder / "root" / "BigQueryExampleGen" / "examples").iterdir()
    return _examples(examples)


def _examples(folder: Path) -> dict[str, collections.Counter[bytes]]:
    """Examples by split, serialized so that equal ones are equal bytes."""
    return {
        split: collections.Counter(
            tf.train.Example.FromString(record).SerializeToString(deterministic=True)
            for file in (folder / f"Split-{split}").iterdir()
            for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
        )
        for split in SPLITS
    }


@pytest.mark.parametrize("sample", [1.0, 0.3])
def test_both_executors_give_the_same_examples(
    loaded: str, births: Path, tmp_path: Path, sample: float
):
    ours = _run_here(births, tmp_path / "ours", sample)
    stock = _run_compiled(loaded, tmp_path / "stock", sample)

    for split in SPLITS:
        assert sum(stock[split].values()) > 50
        assert ours[split] == stock[split], f"The Examples of split {split} differ."
