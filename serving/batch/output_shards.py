"""What workers write aside, and how it becomes the output: whole, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from common.errors import UserError
from serving.batch.blocks import Key, as_text
from serving.batch.logged_answers import AnswersLog, write_records
from serving.batch.parquet_shards import GROUP_BLOCKS, parquet_writer
from serving.batch.readers import BLOCK_ROWS
from serving.batch.row_files import is_remote, is_table, kind_of
from serving.batch.shard_names import (
    ANSWERS,
    DEAD,
    LOGGED,
    move,
    rows_in,
    shard_name,
    shards,
)
from serving.versions.places import BucketFolder


def is_parquet(output: str) -> bool:
    """Whether rows are written as Parquet; so they are loaded into a table, too."""
    return is_table(output) or kind_of(output) == ".parquet"


def write_shard(staging: str, kind: str, key: Key, rows: int, content: pa.Table | bytes) -> None:
    """Writes some rows aside; what a retry writes again replaces it."""
    with FileSystems.create(shard_name(staging, kind, key, rows)) as stream:
        if isinstance(content, bytes):
            stream.write(content)
        else:
            # Arrow's own format: what is read once, a moment later, is not worth Parquet's work.
            with pa.ipc.new_stream(stream, content.schema) as writer:
                writer.write_table(content)


def commit(
    staging: str,
    output: str,
    dead_letters: str,
    counts: dict[str, int],
    log: AnswersLog | None = None,
) -> None:
    """Makes the output of all shards, once nothing is missing.

    Args:
        staging: Where they are.
        output: A file, or a table of BigQuery.
        dead_letters: A file.
        counts: Rows that were `read`, got `answers` and are `dead`.
        log: Gets a file once the output is there: what is done again is logged once.

    Raises:
        UserError: If a row is neither answered nor among the dead letters.
    """
    found = {kind: shards(staging, kind) for kind in (ANSWERS, DEAD)}
    there = {kind: sum(map(rows_in, files)) for kind, files in found.items()}
    read = counts.get("read", 0)
    if read != sum(there.values()) or any(counts.get(k, 0) != n for k, n in there.items()):
        raise UserError(
            f"{read:,} rows were read, but {there[ANSWERS]:,} answered and {there[DEAD]:,} "
            "are dead letters; nothing was written.",
            "This is a fault of the program or of the storage: run it again, and report it.",
        )
    letters = FileSystems.join(staging, "letters")
    with FileSystems.create(letters) as stream:
        for shard in found[DEAD]:
            with FileSystems.open(shard) as some:
                stream.write(some.read())
    kind = ".parquet" if is_parquet(output) else kind_of(output)
    whole = FileSystems.join(staging, "whole")
    zipped = output.lower().endswith(".gz")
    with FileSystems.create(whole) as stream:
        text = (
            gzip.GzipFile(fileobj=stream, mode="wb") if zipped else contextlib.nullcontext(stream)
        )
        with text as file:
            _WRITERS[kind](cast(BinaryIO, file), found[ANSWERS])
    records = FileSystems.join(staging, "records")
    if log and found[ANSWERS]:
        write_records(log, map(_read, shards(staging, LOGGED)), records)
    move(letters, dead_letters)
    if is_table(output):
        from serving.batch.bigquery_tables import load

        load(whole, output)
    else:
        move(whole, output)
    if log and found[ANSWERS]:
        if not is_remote(log.folder):
            Path(log.folder).mkdir(parents=True, exist_ok=True)
        move(records, log.file)


def _read(shard: str) -> pa.Table:
    with FileSystems.open(shard) as stream:
        return pa.ipc.open_stream(stream).read_all()


_Opened = tuple[pa.Schema, Iterable[pa.RecordBatch]]


def _in_parquet(stream: BinaryIO) -> _Opened:
    file = pq.ParquetFile(stream)
    return file.schema_arrow, file.iter_batches(GROUP_BLOCKS * BLOCK_ROWS)


def _in_arrow(stream: BinaryIO) -> _Opened:
    reader = pa.ipc.open_stream(stream)
    return reader.schema, reader


def _tables(
    files: list[str], opened: Callable[[BinaryIO], _Opened] = _in_arrow
) -> Iterator[pa.Table]:
    """The rows of shards, with the same columns each."""
    schema = _schema(files, opened)
    for file in files:
        with FileSystems.open(file) as stream:
            for batch in opened(stream)[1]:
                yield _with_columns(schema, pa.Table.from_batches([batch]))


def _with_columns(schema: pa.Schema, table: pa.Table) -> pa.Table:
    if table.schema.equals(schema):
        return table
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
        elif field.type == pa.string() != table.schema.field(field.name).type:
            values = table.column(field.name).to_pylist()
            columns.append(pa.array([None if v is None else as_text(v) for v in values]))
        else:
            columns.append(table.column(field.name).cast(field.type))
    return pa.table(columns, schema=schema)


def _schema(files: list[str], opened: Callable[[BinaryIO], _Opened]) -> pa.Schema:
    """The columns of all shards: JSON lines may have some here and others there."""
    kinds: dict[str, pa.DataType] = {}
    for file in files:
        with FileSystems.open(file) as stream:
            for field in opened(stream)[0]:
                kinds[field.name] = _common(kinds.get(field.name, field.type), field.type)
    return pa.schema(list(kinds.items()))


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (one, other)):
        return pa.float64()
    return pa.string()


def _parquet(stream: BinaryIO, files: list[str]) -> None:
    if len(files) == 1:
        with FileSystems.open(files[0]) as shard:
            shutil.copyfileobj(shard, stream, 1 << 20)
        return
    with parquet_writer(stream, _schema(files, _in_parquet)) as writer:
        for table in _tables(files, _in_parquet):
            writer.write_table(table)


def _csv(stream: BinaryIO, files: list[str]) -> None:
    for place, table in enumerate(_tables(files)):
        flat = pa.table({name: _flat(table.column(name)) for name in table.column_names})
        options = pyarrow.csv.WriteOptions(include_header=place == 0)
        pyarrow.csv.write_csv(flat, stream, options)


def _flat(column: pa.ChunkedArray) -> Any:
    if pa.types.is_nested(column.type):
        return pa.array([None if v is None else as_text(v) for v in column.to_pylist()])
    return column


def _json_lines(stream: BinaryIO, files: list[str]) -> None:
    for table in _tables(files):
        lines = (orjson.dumps(row, default=str) for row in table.to_pylist())
        stream.write(b"".join(line + b"\n" for line in lines))


_WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}


def clear(staging: str) -> None:
    """Removes what a run left aside, if it did."""
    if staging.startswith("gs://"):
        BucketFolder(staging).clear()  # Beam's own way asks twice for each, one after the other.
    elif Path(staging).exists():
        (found,) = FileSystems.match([FileSystems.join(staging, "*")])
        FileSystems.delete([*(file.path for file in found.metadata_list), staging])
