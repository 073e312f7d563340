"""Logs of requests, as a server writes them, of rows of the sample."""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from data.query import render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.declaration import UNKNOWN, Category
from models.features import FEATURES, LABEL
from models.names import PREDICTION
from schema.propose import SCHEMA_FILE
from schema.statistics import Statistics
from serving.batch.logged_answers import in_lists
from serving.records.request_log import SERVED, SUFFIX

SCHEMA = tfdv.load_schema_text(str(SCHEMA_FILE))
FIRST = datetime.date(2026, 9, 7)
VERSION = 3


@functools.cache
def sample(split: str, share: float = 1.0) -> pd.DataFrame:
    """Features and label of a split, as the query gives them; None and NaN for what is unknown."""
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        sql = render(QueryParameters(), table=TABLE.name, sample=share, split=split)
        table = pa.Table.from_batches(list(warehouse.query(sql, shuffle_seed=1)))
    return table.select([*(f.name for f in FEATURES), LABEL.name]).to_pandas()


def drawn(rows: int, seed: int, split: str = "test") -> pd.DataFrame:
    """Some rows of a split, drawn anew for each seed."""
    return sample(split).sample(rows, replace=True, random_state=seed).reset_index(drop=True)


def training_statistics() -> Statistics:
    """Of the train split, as StatisticsGen finds them."""
    return generate_statistics_in_memory(_records(sample("train")), tfdv.StatsOptions())


def write_log(
    folder: Path,
    days: Sequence[pd.DataFrame],
    version: int = VERSION,
    predictions: np.ndarray | None = None,
    first: datetime.date = FIRST,
) -> Path:
    """Writes a file of a log; request `r7` is the seventh row of all, and has one row.

    Args:
        folder: Of the log.
        days: The rows of each day, one after the other; a label among them is not logged.
        version: That answered.
        predictions: What it answered, of all rows; by default 7 to each.
        first: The first day.
    """
    frame = pd.concat(days, ignore_index=True).drop(columns=LABEL.name)
    for feature in FEATURES:  # The log leaves out what is not known.
        if isinstance(feature, Category):
            frame[feature.name] = frame[feature.name].replace(UNKNOWN, None)
    day = np.repeat(np.arange(len(days)), [len(rows) for rows in days])
    noon = datetime.datetime.combine(first, datetime.time(12), datetime.timezone.utc).timestamp()
    answered = np.full(len(frame), 7.0) if predictions is None else predictions
    columns = {
        f"{SERVED}request_id": pa.array([f"r{i}".encode() for i in range(len(frame))]),
        f"{SERVED}row": pa.array(np.zeros(len(frame), np.int64)),
        f"{SERVED}version": pa.array(np.full(len(frame), version)),
        f"{SERVED}time": pa.array((noon + day * 86_400).astype(np.float32)),
        f"{SERVED}{PREDICTION}": pa.array(answered.astype(np.float32)),
    }
    records = _records(frame)
    lists = [in_lists(column) for column in columns.values()]
    whole = pa.RecordBatch.from_arrays(
        [*records.columns, *lists], names=[*records.schema.names, *columns]
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"requests-{first:%Y%m%d}-120000-{version:09d}-1{SUFFIX}"
    with tf.io.TFRecordWriter(str(file), options="GZIP") as writer:
        for example in RecordBatchToExamplesEncoder().encode(whole):
            writer.write(example)
    written = noon + len(days) * 86_400
    os.utime(file, (written, written))
    return folder


def _records(frame: pd.DataFrame) -> pa.RecordBatch:
    """As examples have it: a list for each value, null for what is missing."""
    kinds = {f.name: pa.binary() if isinstance(f, Category) else pa.float32() for f in FEATURES}
    kinds[LABEL.name] = pa.float32()
    arrays = [in_lists(pa.array(frame[name], kinds[name], from_pandas=True)) for name in frame]
    return pa.RecordBatch.from_arrays(arrays, names=list(frame))
