"""What a batch was asked and answered, as a file of a server's log of requests."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystems import FileSystems

from models.coded_words import ColumnsOrCodes
from models.declaration import UNKNOWN
from models.names import PREDICTION
from serving.records.request_log import SERVED, SUFFIX


@dataclass(frozen=True)
class AnswersLog:
    """A log that a batch writes a file to.

    Attributes:
        folder: Of the log, here or in a bucket.
        run: What the run is called: the id of the request whose rows are those of the output.
        version: That answers.
        began: When, in seconds since 1970.
        share: Of rows that are logged, from 0 to 1.
    """

    folder: str
    run: str
    version: int
    began: float
    share: float

    @property
    def file(self) -> str:
        """The file; the same if the end of the batch is tried again."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.began))
        return f"{self.folder.rstrip('/')}/requests-{stamp}-{self.run}{SUFFIX}"


def asked_and_answered(columns: ColumnsOrCodes, predictions: np.ndarray) -> pa.Table:
    """Rows as the log has them: null for what is not known.

    Args:
        columns: What the model took, by feature.
        predictions: What it answered, `[rows]`.
    """
    given = {}
    for name, asked in columns.items():
        values = given[name] = pa.array(np.asarray(asked), from_pandas=True)
        if pa.types.is_binary(values.type):
            given[name] = pc.if_else(pc.equal(values, UNKNOWN.encode()), None, values)
    return pa.table({**given, f"{SERVED}{PREDICTION}": pa.array(predictions, pa.float32())})


def write_records(log: AnswersLog, tables: Iterable[pa.Table], file: str) -> None:
    """Writes the rows of a batch as tf.Examples.

    Args:
        log: Which log, and of which batch.
        tables: What `asked_and_answered` returned, in the order of the output.
        file: Gets them, here or in a bucket.
    """
    import tensorflow as tf

    with TemporaryDirectory() as folder:
        local = Path(folder, "records")
        with tf.io.TFRecordWriter(str(local), "GZIP") as writer:
            for example in _examples(log, tables):
                writer.write(example)
        with FileSystems.create(file) as stream:
            stream.write(local.read_bytes())


def _examples(log: AnswersLog, tables: Iterable[pa.Table]) -> Iterator[bytes]:
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    first = 0
    for table in tables:
        rows = table.num_rows
        told = {
            "request_id": pa.repeat(log.run.encode(), rows),
            "row": pa.array(np.arange(first, first + rows)),
            "version": pa.repeat(log.version, rows),
            "time": pa.repeat(pa.scalar(log.began, pa.float32()), rows),
        }
        first += rows
        for name, values in told.items():
            table = table.append_column(f"{SERVED}{name}", values)
        chosen = table.filter(pa.array(np.random.default_rng().random(rows) < log.share))
        columns = [in_lists(column.combine_chunks()) for column in chosen.columns]
        batch = pa.RecordBatch.from_arrays(columns, names=chosen.column_names)
        yield from RecordBatchToExamplesEncoder().encode(batch)


def in_lists(values: pa.Array) -> pa.Array:
    """A column as Examples have it: a list of one for each value, null for what is missing."""
    known = values.is_valid().to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(known)]))
    return pa.LargeListArray.from_arrays(
        offsets, values.drop_null(), mask=pa.array(~known) if not known.all() else None
    )
