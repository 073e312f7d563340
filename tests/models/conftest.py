"""Real births, the transform graph made of them and a model trained on them, once a session."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportCallIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from analysis import analyze
from tfx.components.trainer.fn_args_utils import FnArgs

from data.query import SPLITS, render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.dataset import transformed_chunks
from models.features import FEATURES, HYPERPARAMETERS, LABEL
from models.task import Training, run_fn
from pipeline.components.embedded_bigquery import encode
from schema.propose import SCHEMA_FILE

GZIP = tf.io.TFRecordOptions("GZIP")
STEPS = 150

Row = dict[str, Any]


@pytest.fixture(scope="session")
def births() -> dict[str, list[Row]]:
    """About 6,000, 900 and 900 births by split, as the query gives them; None for NULL."""
    births: dict[str, list[Row]] = {}
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        for split in SPLITS:
            sql = render(QueryParameters(), table=TABLE.name, sample=0.08, split=split)
            batches = warehouse.query(sql, shuffle_seed=1)
            births[split] = [row for batch in batches for row in batch.to_pylist()]
    return births


@pytest.fixture(scope="session")
def example_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A file pattern by split: two shards of train, one of the others."""
    root = tmp_path_factory.mktemp("examples")
    patterns = {}
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        for split in SPLITS:
            folder = root / f"Split-{split}"
            folder.mkdir()
            sql = render(QueryParameters(), table=TABLE.name, sample=0.08, split=split)
            batches = encode(warehouse.query(sql, shuffle_seed=1))
            records = [record for batch in batches for record in batch]
            shards = 2 if split == "train" else 1
            for shard in range(shards):
                name = folder / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
                with tf.io.TFRecordWriter(str(name), GZIP) as writer:
                    for record in records[shard::shards]:
                        writer.write(record)
            patterns[split] = str(folder / "*")
    return patterns


@pytest.fixture(scope="session")
def transform(
    example_files: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tft.TFTransformOutput:
    """What TFX's Transform makes of the train split."""
    schema = tfdv.load_schema_text(str(SCHEMA_FILE))
    return analyze(example_files["train"], schema, tmp_path_factory.mktemp("transform"))


@pytest.fixture(scope="session")
def transformed(example_files: dict[str, str], transform: tft.TFTransformOutput) -> dict[str, Any]:
    """The train split as training sees it: an array per transformed feature, and the label."""
    # Chunks of a size that does not divide the split.
    chunks = list(transformed_chunks([example_files["train"]], transform, chunk=1000))
    columns = {
        name: tf.concat([features[name] for features, _ in chunks], 0).numpy()
        for name in chunks[0][0]
    }
    return columns | {LABEL.name: tf.concat([label for _, label in chunks], 0).numpy()}


@pytest.fixture(scope="session")
def serialize() -> Callable[[Row], bytes]:
    """Makes an Example of some columns; leaves out those that are None."""

    def example(row: Row) -> bytes:
        features = tf.train.Features()
        for name, value in row.items():
            if isinstance(value, str):
                features.feature[name].bytes_list.value.append(value.encode())
            elif isinstance(value, int) and name not in {f.name for f in FEATURES}:
                features.feature[name].int64_list.value.append(value)
            elif value is not None:
                features.feature[name].float_list.value.append(value)
        return tf.train.Example(features=features).SerializeToString()

    return example


@pytest.fixture(scope="session")
def make_fn_args(
    example_files: dict[str, str], transform: tft.TFTransformOutput
) -> Callable[..., FnArgs]:
    """Makes what the TFX Trainer gives to `run_fn`, with everything it writes in one folder."""

    def make(folder: Path, steps: int = STEPS, **settings: Any) -> FnArgs:
        training = {
            "batch_size": 256,
            "checkpoint_interval": 50,
            "checkpoint_root": str(folder / "checkpoints"),
            "cache_examples": True,
            "seed": 1,
            "code": "",
            "hyperparameters": HYPERPARAMETERS,
        }
        return FnArgs(
            train_files=[example_files["train"]],
            eval_files=[example_files["eval"]],
            train_steps=steps,
            transform_output=transform.transform_savedmodel_dir.removesuffix("/transform_fn"),
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "logs"),
            custom_config=Training(**training | settings).to_config(),
        )

    return make


@pytest.fixture(scope="session")
def trained(
    make_fn_args: Callable[..., FnArgs], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FnArgs]:
    """The arguments of a training that is done."""
    args = make_fn_args(tmp_path_factory.mktemp("trained"))
    run_fn(args)
    yield args


@pytest.fixture(scope="session")
def mixed(make_fn_args: Callable[..., FnArgs], tmp_path_factory: pytest.TempPathFactory) -> FnArgs:
    """The same, of a training in mixed precision."""
    args = make_fn_args(tmp_path_factory.mktemp("mixed"), mixed_precision=True)
    run_fn(args)
    return args


@pytest.fixture(scope="session")
def model(trained: FnArgs) -> Any:
    """The exported model, loaded as a server does."""
    return tf.saved_model.load(trained.serving_model_dir)
