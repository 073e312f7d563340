"""Reads a log of requests by whole columns, as TFDV takes them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from common.errors import UserError
from models.declaration import UNKNOWN, Category, Feature
from models.features import FEATURES
from models.names import PREDICTION
from schema.served import unknown_as_word
from serving.records.request_log import SERVED
from serving.watch.log_files import nothing_since

_BATCH = 1 << 14

REQUEST, ROW, VERSION, TIME, PREDICTED = (
    f"{SERVED}{name}" for name in ("request_id", "row", "version", "time", PREDICTION)
)
"""Columns that a log has beside the features."""

_TOLD = {
    REQUEST: schema_pb2.BYTES,
    ROW: schema_pb2.INT,
    VERSION: schema_pb2.INT,
    TIME: schema_pb2.FLOAT,
    PREDICTED: schema_pb2.FLOAT,
}


@dataclass(frozen=True)
class LoggedRows:
    """Rows that were asked, and what was answered.

    Attributes:
        features: Columns of lists of one value, null where there is none; categories as training's
            examples have them.
        keys: `request_id`, and the place of the row in its request, `row`.
        days: In UTC, `[rows]`, as `datetime64[D]`. The log's times are good to two minutes.
        versions: That answered, `[rows]`.
        predictions: In the label's unit, `[rows]`.
    """

    features: pa.Table
    keys: pa.Table
    days: np.ndarray
    versions: np.ndarray
    predictions: np.ndarray

    def __len__(self) -> int:
        return len(self.days)

    def where(self, chosen: np.ndarray) -> LoggedRows:
        """Those rows alone, of a mask `[rows]`."""
        places = pa.array(np.flatnonzero(chosen))
        return LoggedRows(
            *(self.features.take(places), self.keys.take(places)),
            *(self.days[chosen], self.versions[chosen], self.predictions[chosen]),
        )

    def columns(self) -> dict[str, np.ndarray]:
        """The features as slices take them, `[rows]`: empty words and NaN where there is none."""
        return {f.name: _column(self.features[f.name], f) for f in FEATURES}

    def weeks(self) -> np.ndarray:
        """The Monday of each row's day, as words, `[rows]`."""
        mondays = np.busday_offset(self.days, 0, roll="backward", weekmask="Mon")
        return np.datetime_as_string(mondays).astype("S").astype(object)


def _column(values: pa.ChunkedArray, feature: Feature) -> np.ndarray:
    first = pc.list_element(values, 0)
    unknown = b"" if isinstance(feature, Category) else float("nan")
    return pc.fill_null(first, unknown).to_numpy()


def read_rows(
    files: Sequence[Path], schema: schema_pb2.Schema, since: datetime.date | None
) -> LoggedRows:
    """Reads the files of a log.

    Args:
        files: Whole ones, of one folder; one or more.
        schema: The one that training's examples keep to.
        since: First day to take, in UTC; None for all.

    Raises:
        UserError: If a file is none of a log, or no row is new enough.
    """
    # C++ reads and decodes, and leaves Python to others.
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="log") as threads:
        batches = threads.map(lambda file: list(_batches(file, schema)), files)
        found = [batch for of_file in batches for batch in of_file]
    if not found:
        raise UserError(
            f"The log of requests {files[0].parent} has files, but no request in them.",
            "Name the folder that the server writes with --request-log.",
        )
    table = pa.Table.from_batches(found).combine_chunks()
    days = _flat(table, TIME).to_numpy().astype("datetime64[s]").astype("datetime64[D]")
    rows = LoggedRows(
        features=_as_trained(table, unknown_as_word(schema)),
        keys=pa.table({"request_id": _flat(table, REQUEST), "row": _flat(table, ROW)}),
        days=days,
        versions=_flat(table, VERSION).to_numpy(),
        predictions=_flat(table, PREDICTED).to_numpy(),
    )
    if since is None:
        return rows
    rows = rows.where(days >= np.datetime64(since))
    if not len(rows):
        raise nothing_since(files[0].parent, since, days.max().item())
    return rows


def _batches(file: Path, schema: schema_pb2.Schema) -> Iterator[pa.RecordBatch]:
    features = {feature.name for feature in FEATURES}
    wanted = schema_pb2.Schema()
    wanted.feature.extend(
        schema_pb2.Feature(name=feature.name, type=feature.type)
        for feature in schema.feature
        if feature.name in features
    )
    wanted.feature.extend(
        schema_pb2.Feature(name=name, type=kind)  # pyright: ignore[reportArgumentType]
        for name, kind in _TOLD.items()
    )
    decoder = ExamplesToRecordBatchDecoder(wanted.SerializeToString())
    records: Any = tf.data.TFRecordDataset(str(file), "GZIP").batch(_BATCH)
    try:
        for examples in records.as_numpy_iterator():
            batch = decoder.DecodeBatch(examples)
            if any(batch.column(batch.schema.get_field_index(n)).null_count for n in _TOLD):
                raise _foreign(file, f"it has rows without {', '.join(_TOLD)}")
            yield batch
    except tf.errors.NotFoundError:  # The log keeps within its bounds.
        return
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise _foreign(file, str(error).splitlines()[0][:200]) from error


def _foreign(file: Path, why: str) -> UserError:
    return UserError(
        f"{file} is no file of a log of requests: {why}.",
        "Name the folder that the server writes with --request-log.",
    )


def _as_trained(table: pa.Table, with_unknown: frozenset[str]) -> pa.Table:
    """The features; where training's examples have a word for what is not known, so has this."""
    columns = {feature.name: table[feature.name] for feature in FEATURES}
    for name in with_unknown & columns.keys():
        kind = columns[name].type
        unknown = pa.scalar([UNKNOWN.encode()], kind)
        columns[name] = pc.if_else(pc.is_null(columns[name]), unknown, columns[name])
    return pa.table(columns)


def _flat(table: pa.Table, name: str) -> pa.ChunkedArray:
    return pc.list_flatten(table[name])
