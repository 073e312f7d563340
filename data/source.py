"""A local copy of the table: Parquet or CSV files, checked before anything reads them.

The warehouse (`data/warehouse.py`) shows a `Source` to queries as if it were the BigQuery table.
What is wrong with the files is said here, with file, column and line, rather than by the engine in
the middle of a run.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import UserError
from data import csv_files
from data.columns import Column
from data.csv_files import connect, identifier, quote
from data.macros import DUCKDB_TYPES
from data.table import TABLE

Format = Literal["parquet", "csv"]

FULL_HASH_LIMIT = 1 << 30
"""Bytes up to which `Source.fingerprint` reads everything: about two seconds at 500 MB/s."""

_TAIL = 1 << 20
_SUFFIXES: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv"}


@dataclass(frozen=True)
class Source:
    """Checked files with the columns of one table. Made by `open_source`.

    Attributes:
        path: What the user named: a file, a folder or a glob.
        root: The folder that the files' names are relative to.
        files: The files, sorted.
        format: Parquet or CSV; CSV files may be gzipped.
        columns: The columns they are known to have. Others are not shown.
    """

    path: str
    root: Path
    files: tuple[Path, ...]
    format: Format
    columns: tuple[Column, ...] = TABLE.columns

    def relation(self) -> str:
        """DuckDB SQL for the rows, with exactly `columns` in BigQuery's types."""
        typed = ", ".join(f"{_typed(c)} AS {identifier(c.name)}" for c in self.columns)
        return f"SELECT {typed} FROM ({self._raw()})"

    def fingerprint(self) -> str:
        """A key of the data, in hexadecimal: changed files change it, moving their folder does not.

        Up to `FULL_HASH_LIMIT` bytes in all, it covers every byte. Above, it covers each file's
        size, time of change and last megabyte (in Parquet, the footer with the statistics of every
        column): seconds instead of minutes, but a copy with new times counts as changed.
        """
        stats = [file.stat() for file in self.files]
        whole = sum(stat.st_size for stat in stats) <= FULL_HASH_LIMIT
        digest = hashlib.sha256(b"whole" if whole else b"tail")
        for file, stat in zip(self.files, stats, strict=True):
            name = file.relative_to(self.root).as_posix().encode()
            digest.update(b"%d %s %d " % (len(name), name, stat.st_size))
            with file.open("rb") as stream:
                if not whole:
                    digest.update(b"%d " % stat.st_mtime_ns)
                    stream.seek(max(0, stat.st_size - _TAIL))
                while block := stream.read(_TAIL):
                    digest.update(block)
        return digest.hexdigest()

    def _raw(self) -> str:
        if self.format == "parquet":
            names = ", ".join(quote(str(file)) for file in self.files)
            return f"SELECT * FROM read_parquet([{names}], union_by_name = true)"
        names = ", ".join(identifier(column.name) for column in self.columns)
        return " UNION ALL ".join(
            f"SELECT {names} FROM ({csv_files.relation(file)})" for file in self.files
        )


def _typed(column: Column) -> str:
    name = identifier(column.name)
    if column.type == "NUMERIC":
        numeric = f"{{'numeric': CAST({name} AS DECIMAL(38,9))}}"
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE {numeric} END"
    return f"CAST({name} AS {DUCKDB_TYPES[column.type]})"


def open_source(path: str | os.PathLike[str], columns: Sequence[Column] = TABLE.columns) -> Source:
    """Finds the files and checks names, types and values, so that what follows can rely on them.

    Args:
        path: A Parquet or CSV file, a folder of either (its subfolders included), or a glob.
        columns: The columns that must be there; more may be.

    Raises:
        UserError: No files, an unreadable one, a missing column, a wrong type, or values that
        cannot be.
    """
    text = os.fspath(path)
    try:
        root, files = _find(text)
        for file in files:
            file.open("rb").close()
    except OSError as error:
        raise UserError(
            f"{error.filename or text} can't be read: {str(error.strerror).lower()}.",
            "Mend its name or its permissions, or name another file.",
        ) from error
    formats: set[Format] = {kind for file in files if (kind := _format(file))}
    if len(formats) > 1:
        raise UserError(f"{text} holds Parquet and CSV files.", "Keep one of the two there.")
    source = Source(text, root, tuple(files), formats.pop(), tuple(columns))
    check = _check_parquet if source.format == "parquet" else _check_csv
    for file in source.files:
        check(file, source.columns)
    _check_values(source)
    return source


def _find(path: str) -> tuple[Path, list[Path]]:
    named = Path(path).expanduser()
    if named.is_file():
        if _format(named) is None:
            raise UserError(f"{path} is not a file of {TABLE.rows}.", f"Name {_kinds()}.")
        root, files = named.parent, [named]
    elif named.is_dir():
        root, files = named, [file for file in named.rglob("*") if _is_data(file, named)]
    else:
        found = [Path(name) for name in glob.glob(str(named), recursive=True)]
        files = [file for file in found if _is_data(file, file.parent)]
        root = Path(os.path.commonpath([file.parent for file in files])) if files else named
    if not files:
        raise UserError(
            f"There are no {TABLE.rows} at {path}.", f"Name {_kinds()}, a folder of them or a glob."
        )
    for file in files:
        if glob.escape(str(file)) != str(file):
            raise UserError(
                f"{file} has one of *?[ in its name.", "Rename it: they read as a pattern."
            )
    return root, sorted(files)


def _is_data(file: Path, root: Path) -> bool:
    """Whether a file found in a folder counts: not the hidden or _SUCCESS kind of exports."""
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(root).parts)
    return file.is_file() and not hidden and _format(file) is not None


def _format(file: Path) -> Format | None:
    name = file.name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def _kinds() -> str:
    return "a file ending in " + ", ".join(_SUFFIXES)


def _check_csv(file: Path, columns: Sequence[Column]) -> None:
    csv_files.check_whole(file)
    names = csv_files.header(file)
    csv_files.explain_names(file, names, columns)
    _check_names(file, names, columns)
    csv_files.check_cells(file, columns)


def _check_parquet(file: Path, columns: Sequence[Column]) -> None:
    types = parquet_types(file)
    _check_names(file, list(types), columns)
    folded = {name.casefold(): kind for name, kind in types.items()}
    for column in columns:
        found = folded[column.name.casefold()]
        # A column of NULLs has no type; a whole number is a FLOAT64 and a NUMERIC as it is.
        whole = found == "INT64" and column.type in ("FLOAT64", "NUMERIC")
        if found not in (column.type, "NULL") and not whole:
            declare = f", or declare it {found} in data/table.py" if found in DUCKDB_TYPES else ""
            raise UserError(
                f"{file}: column {column.name} is {found}, not {column.type}.",
                f"Export the column as {column.type}{declare}.",
            )


def parquet_types(file: Path) -> dict[str, str]:
    """The columns of a Parquet file, and the type of each in BigQuery; NULL if it has no values.

    Raises:
        UserError: The file is none, cut off or damaged.
    """
    with file.open("rb") as stream:
        begin = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        end = stream.read(4)
    if not begin:
        raise UserError(f"{file} is empty: it has 0 bytes.", "Export or copy it again.")
    if begin == b"PAR1"[: len(begin)] and (end != b"PAR1" or file.stat().st_size < 12):
        raise UserError(
            f"{file} cannot be read as Parquet: it is cut off, its end is missing.",
            "Export or copy it again.",
        )
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file} cannot be read as Parquet: {error}.", "Export or copy it again."
        ) from error
    return {name: _bigquery_type(schema.field(i).type) for i, name in enumerate(schema.names)}


def _bigquery_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = {
        "NULL": pa.types.is_null,
        "BOOL": pa.types.is_boolean,
        "INT64": pa.types.is_integer,
        "FLOAT64": pa.types.is_floating,
        "DATE": pa.types.is_date32,
        "DATETIME": lambda k: pa.types.is_timestamp(k) and k.tz is None,
        "TIMESTAMP": lambda k: pa.types.is_timestamp(k) and k.tz is not None,
        "NUMERIC": lambda k: (
            pa.types.is_decimal(k) and 0 <= k.scale <= 9 and k.precision - k.scale <= 29
        ),
        "STRING": lambda k: pa.types.is_string(k) or pa.types.is_large_string(k),
    }
    return next((name for name, check in checks.items() if check(kind)), str(kind).upper())


def _check_names(file: Path, found: Sequence[str], columns: Sequence[Column]) -> None:
    # Names of columns have no case in BigQuery.
    known = {name.casefold(): name for name in found}
    for column in columns:
        if column.name.casefold() in known:
            continue
        close = get_close_matches(column.name.casefold(), known, n=1)
        hint = f"Is {known[close[0]]} meant? Rename it." if close else "Add it; NULLs are allowed."
        raise UserError(f"{file} has no column {column.name}; it has {', '.join(found)}.", hint)


def _check_values(source: Source) -> None:
    checks = list(_value_checks(source.columns))
    counts = ", ".join(f"COUNT(*) FILTER (WHERE {condition})" for _, condition, _ in checks)
    query = f"SELECT COUNT(*), {counts or 0} FROM ({source.relation()})"
    try:
        with connect() as connection:
            row = connection.execute(query).fetchone() or (0,)
    except duckdb.Error as error:
        raise UserError(
            f"{source.path} cannot be read: {str(error).splitlines()[0]}",
            "Export or copy it again.",
        ) from error
    if row[0] == 0:
        raise UserError(f"{source.path} has no rows.", f"Name a file with {TABLE.rows} in it.")
    for (column, _, kind), count in zip(checks, row[1:], strict=False):
        if count:
            raise UserError(
                f"{source.path}: column {column} is {kind} in {count:,} of {row[0]:,} rows.",
                "Remove these rows, or set the value to NULL: the query leaves NULLs out.",
            )


def _value_checks(columns: Sequence[Column]) -> Iterator[tuple[str, str, str]]:
    """Column, DuckDB condition that must never hold, and how to call it."""
    for column in columns:
        name = identifier(column.name)
        if column.type == "FLOAT64":
            # Also what keeps comparisons alike: NaN is greater than all in DuckDB, and than none in
            # BigQuery.
            yield column.name, f"NOT isfinite({name})", "not a finite number (NaN or infinite)"
        if column.type in ("DATE", "DATETIME", "TIMESTAMP"):
            outside = f"NOT isfinite({name}) OR year({name}) NOT BETWEEN 1 AND 9999"
            yield column.name, outside, "not within the years 1 to 9999"
        if column.type == "NUMERIC":
            name = f"{name}.numeric"
        if column.minimum is not None:
            kind = "negative" if column.minimum == 0 else f"less than {column.minimum}"
            yield column.name, f"{name} < {column.minimum}", kind
