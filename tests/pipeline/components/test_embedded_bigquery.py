"""The embedded executor in the real component: the Examples the stock one would write."""

from __future__ import annotations

import collections
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tfx.components.util import tfxio_utils
from tfx.dsl.components.base import executor_spec
from tfx.extensions.google_cloud_big_query.example_gen.component import BigQueryExampleGen
from tfx.extensions.google_cloud_big_query.utils import row_to_example
from tfx.orchestration import metadata
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from common.errors import UserError
from data.query import SPLITS, render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from pipeline.beam import in_process
from pipeline.components import embedded_bigquery
from pipeline.components.embedded_bigquery import Executor, custom_config, encode
from pipeline.settings import ROOT

BIRTHS = 2000
TYPES = {"BOOL": pa.bool_(), "INT64": pa.int64(), "FLOAT64": pa.float64(), "STRING": pa.string()}


@pytest.fixture(scope="module")
def births(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(7)

    def some(values: np.ndarray, null: float) -> pa.Array:
        return pa.array(values, mask=random.random(BIRTHS) < null)

    columns = {
        "weight_pounds": random.integers(500, 5000, BIRTHS) / 453.59237,
        "is_male": random.random(BIRTHS) < 0.5,
        "mother_age": random.integers(15, 45, BIRTHS),
        "plurality": random.integers(1, 6, BIRTHS),
        "gestation_weeks": random.integers(25, 45, BIRTHS),
        "mother_race": some(random.choice([1, 2, 18, 48], BIRTHS), 0.3),
        "cigarette_use": some(random.random(BIRTHS) < 0.1, 0.5),
        "alcohol_use": [None] * BIRTHS,
        "year": random.integers(2001, 2009, BIRTHS),
        "month": random.integers(1, 13, BIRTHS),
    }
    filled = {c.name: columns.get(c.name, [None] * BIRTHS) for c in TABLE.columns}
    schema = pa.schema([(c.name, TYPES[c.type]) for c in TABLE.columns])
    file = tmp_path_factory.mktemp("births") / "births.parquet"
    pq.write_table(pa.table(filled, schema=schema), file)
    return file


def query(split: str, first_year: int = 2001, last_year: int = 2008) -> str:
    years = QueryParameters(years=f"{first_year}-{last_year}")
    return render(years, table=TABLE.name, sample=1, split=split)


def inputs(**queries: str) -> example_gen_pb2.Input:
    queries = queries or {split: query(split) for split in SPLITS}
    splits = [example_gen_pb2.Input.Split(name=name, pattern=sql) for name, sql in queries.items()]
    return example_gen_pb2.Input(splits=splits)


def execute(
    folder: Path,
    births: Path,
    *,
    output: example_gen_pb2.Output | None = None,
    config: example_gen_pb2.CustomConfig | None = None,
    **queries: str,
) -> standard_artifacts.Examples:
    """Runs the executor as TFX's launcher does, for the splits named."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    properties = {
        "input_config": proto_utils.proto_to_json(inputs(**queries)),
        "output_config": proto_utils.proto_to_json(output or example_gen_pb2.Output()),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        "output_file_format": example_gen_pb2.FORMAT_TFRECORDS_GZIP,
        "custom_config": proto_utils.proto_to_json(
            custom_config({TABLE.name: str(births)}, "key") if config is None else config
        ),
    }
    context = Executor.Context(
        beam_pipeline_args=[*in_process(ROOT / "setup.py")],
        tmp_dir=str(folder),
        unique_id="1",
    )
    Executor(context).Do({}, {"examples": [artifact]}, properties)
    return artifact


def files(artifact: standard_artifacts.Examples, split: str) -> list[str]:
    return sorted(str(file) for file in Path(artifact.uri, f"Split-{split}").iterdir())


def examples(artifact: standard_artifacts.Examples, split: str) -> list[bytes]:
    """Examples in order, serialized so that equal ones are equal bytes."""
    batches = tf.data.TFRecordDataset(files(artifact, split), "GZIP").batch(4096)
    records = [record for batch in batches.as_numpy_iterator() for record in batch]
    return [tf.train.Example.FromString(r).SerializeToString(deterministic=True) for r in records]


def test_the_component_runs_in_a_pipeline(births, tmp_path):
    config = custom_config({TABLE.name: str(births)}, "key")
    component = BigQueryExampleGen(
        input_config=inputs(),
        custom_config=config,
        custom_executor_spec=executor_spec.BeamExecutorSpec(Executor),
    )
    db = metadata.sqlite_metadata_connection_config(str(tmp_path / "db"))
    LocalDagRunner().run(
        tfx_pipeline.Pipeline(
            pipeline_name="ingestion",
            pipeline_root=str(tmp_path / "root"),
            components=[component],
            metadata_connection_config=db,
        )
    )
    with metadata.Metadata(db) as store:
        (artifact,) = store.store.get_artifacts_by_type("Examples")
    found = standard_artifacts.Examples()
    found.set_mlmd_artifact(artifact)
    assert artifact_utils.decode_split_names(found.split_names) == list(SPLITS)
    assert found.get_string_custom_property("file_format") == "tfrecords_gzip"
    assert found.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert sum(len(examples(found, split)) for split in SPLITS) == 2 * BIRTHS
    # What StatisticsGen, Transform and Evaluator read it with.
    reader = tfxio_utils.get_split_tfxio([found], "eval", ["test"])
    assert reader.telemetry_descriptors == ["test"]


@pytest.mark.parametrize("split", SPLITS)
def test_examples_are_those_of_the_stock_row_encoder(births, tmp_path, split):
    artifact = execute(tmp_path, births, **{split: query(split)})
    names = {"double": "FLOAT", "int64": "INTEGER", "string": "STRING"}
    expected = collections.Counter()
    with Warehouse({TABLE.name: open_source(births)}) as warehouse:
        for batch in warehouse.query(query(split)):
            types = {field.name: names[str(field.type)] for field in batch.schema}
            for row in batch.to_pylist():
                expected[row_to_example(types, row).SerializeToString(deterministic=True)] += 1
    assert collections.Counter(examples(artifact, split)) == expected


def test_null_is_a_feature_without_a_kind_and_values_have_the_stock_types():
    columns = {
        "b": pa.array([True, None]),
        "i": pa.array([-3, None]),
        "f": pa.array([1.1, None]),
        "s": pa.array(["é", None]),
        "n": pa.array([None, None], pa.int64()),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    ((first, second),) = encode([batch])
    stock = {"b": "BOOLEAN", "i": "INTEGER", "f": "FLOAT", "s": "STRING", "n": "INTEGER"}
    for record, row in zip((first, second), batch.to_pylist(), strict=True):
        assert tf.train.Example.FromString(record) == row_to_example(stock, row)
    features = tf.train.Example.FromString(second).features.feature
    assert set(features) == set(columns)
    assert all(feature.WhichOneof("kind") is None for feature in features.values())


def test_encoding_keeps_the_order_of_batches():
    batches = [pa.RecordBatch.from_arrays([pa.array([n] * (n % 3 + 1))], ["n"]) for n in range(50)]
    found = [tf.train.Example.FromString(r) for records in encode(batches) for r in records]
    values = [example.features.feature["n"].int64_list.value[0] for example in found]
    assert values == [n for n in range(50) for _ in range(n % 3 + 1)]


def test_shards_hold_everything_once_in_the_same_order_each_time(births, tmp_path, monkeypatch):
    one = execute(tmp_path / "one", births, train=query("train"))
    monkeypatch.setattr(embedded_bigquery, "SHARD_ROWS", 1000)
    monkeypatch.setattr("data.warehouse.BATCH_ROWS", 300)
    several = execute(tmp_path / "several", births, train=query("train"))
    assert [os.path.basename(file) for file in files(one, "train")] == [
        "data_tfrecord-00000-of-00001.gz"
    ]
    assert len(files(several, "train")) == 3
    assert examples(several, "train") == examples(one, "train")


def test_shards_of_workers_are_even_and_hold_everything_once(births, tmp_path, monkeypatch):
    one = execute(tmp_path / "one", births, train=query("train"))
    monkeypatch.setattr(embedded_bigquery, "SHARD_ROWS", 300)
    monkeypatch.setattr("data.warehouse.BATCH_ROWS", 100)
    config = custom_config({TABLE.name: str(births)}, "key", shards=3)
    shared = execute(tmp_path / "shared", births, config=config, train=query("train"))
    names = files(shared, "train")
    assert len(names) % 3 == 0
    assert sorted(examples(shared, "train")) == sorted(examples(one, "train"))
    # A worker reads every third file: whatever their number, each has the same rows to read.
    records = [sum(1 for _ in tf.data.TFRecordDataset(name, "GZIP")) for name in names]
    rows = [sum(records[i::3]) for i in range(3)]
    assert max(rows) - min(rows) <= 1


def test_a_run_of_examples_mixes_months(births, tmp_path):
    records = examples(execute(tmp_path, births, train=query("train")), "train")[:256]
    months = {
        (
            e.features.feature["year"].int64_list.value[0],
            e.features.feature["month"].int64_list.value[0],
        )
        for e in map(tf.train.Example.FromString, records)
    }
    assert len(months) > 50


def test_hash_buckets_are_refused(births, tmp_path):
    bucket = example_gen_pb2.SplitConfig.Split(name="most", hash_buckets=9)
    output = example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=[bucket]))
    with pytest.raises(UserError, match="no splits by hash bucket"):
        execute(tmp_path, births, output=output, single=query("eval"))


def test_a_split_without_rows_is_refused_by_name(births, tmp_path):
    with pytest.raises(UserError) as caught:
        execute(tmp_path, births, eval=query("eval", 1990, 1995))
    assert "Split eval has no rows" in caught.value.cause
    assert f"of the 2,000 births of {births}" in caught.value.cause
    assert "the query's filters leave it none" in caught.value.cause
    assert "years, sample" in caught.value.cure


def test_a_column_that_is_not_there_is_refused(births, tmp_path):
    with pytest.raises(UserError, match="Did you mean weight_pounds"):
        execute(tmp_path, births, train=f"SELECT weight_pound FROM `{TABLE.name}`")


def test_a_table_without_a_source_is_refused(births, tmp_path):
    with pytest.raises(UserError, match=r"There is no table a\.b\.c"):
        execute(tmp_path, births, train="SELECT 1 AS one FROM `a.b.c`")


def test_a_component_without_our_config_is_refused(births, tmp_path):
    with pytest.raises(UserError, match="told of no tables"):
        execute(tmp_path, births, config=example_gen_pb2.CustomConfig())


def test_a_full_disk_is_named_and_leaves_no_shard(births, tmp_path, monkeypatch):
    class Full(tf.io.TFRecordWriter):
        """The writer, on a device that is always full."""

        def __init__(self, path, options):
            Path(path).touch()
            super().__init__("/dev/full", options)

    monkeypatch.setattr(embedded_bigquery.tf.io, "TFRecordWriter", Full)
    with pytest.raises(UserError, match="disk is full: split train"):
        execute(tmp_path, births, train=query("train"))
    assert not list((tmp_path / "Split-train").iterdir())


def test_the_cache_key_follows_the_data_and_the_path():
    keys = {
        proto_utils.proto_to_json(custom_config({TABLE.name: path}, key))
        for path, key in [("a", "1"), ("a", "2"), ("b", "1"), ("a", "1")]
    }
    assert len(keys) == 3
