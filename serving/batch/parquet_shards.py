"""Answers that are written aside as Parquet, which is the output's format too.

The output of one file's rows is so made while the model answers, and at the end only copied.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from serving.batch.blocks import Key
from serving.batch.row_files import is_remote
from serving.batch.shard_names import ANSWERS, UNFINISHED, move, shard_name

GROUP_BLOCKS = 4
"""In a row group: where a dictionary serves as many rows, the file is a third smaller than where it
serves one block; 30 MB of rows are in memory."""

DICTIONARY_BYTES = 1 << 17
"""Most of a column's dictionary in a row group. Of keys, which differ in each row, Arrow would look
each up until it had a MB, which takes half of the time; so they are soon written as they are."""


class ParquetShards:
    """Writes blocks of answers; those of a file that follow each other become one shard."""

    def __init__(self, staging: str) -> None:
        self._staging = staging
        self._writer: pq.ParquetWriter | None = None

    def write(self, key: Key, table: pa.Table) -> None:
        """Writes a block."""
        schema = pa.schema([(field.name, field.type) for field in table.schema])
        if not (self._writer and self._next == key and self._writer.schema.equals(schema)):
            self.close()
            self._first, self._rows, self._group = key, 0, []
            self._file = shard_name(self._staging, UNFINISHED, key, 0)
            self._stream = FileSystems.create(self._file)
            self._writer = parquet_writer(self._stream, schema)
        self._next = key[0], key[1] + 1
        self._group.append(pa.table(table.columns, schema=schema))
        if len(self._group) == GROUP_BLOCKS:
            self._write_group(self._writer)
            if not is_remote(self._staging):  # In a bucket, a file is none before it is closed.
                self._rename(UNFINISHED)

    def close(self) -> None:
        """Ends the last shard: it is among the answers."""
        if self._writer:
            self._write_group(self._writer)
            self._writer.close()
            self._stream.close()
            self._rename(ANSWERS)
            self._writer = None

    def _write_group(self, writer: pq.ParquetWriter) -> None:
        if self._group:
            writer.write_table(pa.concat_tables(self._group))
        self._rows += sum(table.num_rows for table in self._group)
        self._group = []

    def _rename(self, kind: str) -> None:
        """By its rows so far, which whoever waits is told."""
        name = shard_name(self._staging, kind, self._first, self._rows)
        move(self._file, name)
        self._file = name


def parquet_writer(stream: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """Writes row groups to a file."""
    return pq.ParquetWriter(stream, schema, dictionary_pagesize_limit=DICTIONARY_BYTES)
