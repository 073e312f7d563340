"""What holds rows, by its name: files of a known format, or BigQuery; told before Beam loads."""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import UserError
from models.features import FEATURES

BIGQUERY = "bq:"
"""May stand before a table or a query, so that it is taken for nothing else."""

FORMATS = (".parquet", ".csv", ".jsonl")
"""Ends of names; those of text may be followed by `.gz`."""

_TABLE = re.compile(r"[\w-]+(\.[\w-]+){2}")
"""A table of BigQuery; a file's name has another end than any of its dots would leave."""


def is_table(place: str) -> bool:
    """Whether rows are in a table of BigQuery, and not in a file."""
    return bool(_TABLE.fullmatch(place)) and not place.endswith((*FORMATS, ".gz", ".sql"))


def is_query(given: str) -> bool:
    """Whether BigQuery is asked for the input: a table, a query, or a file of one."""
    return is_table(given) or " " in given.strip() or given.endswith(".sql")


def is_remote(place: str) -> bool:
    """Whether a file or folder is in a bucket, and not on this machine."""
    return "://" in place


def kind_of(file: str) -> str:
    """The format of a file: the end of its name.

    Raises:
        UserError: If it is none that is known.
    """
    name = file.lower().removesuffix(".gz")
    for kind in FORMATS:
        if name.endswith(kind) and (kind != ".parquet" or not file.lower().endswith(".gz")):
            return kind
    raise UserError(
        f"{file} is of no known format.",
        f"Give a name that ends in {', '.join(FORMATS)}; text may be compressed, as .gz.",
    )


def check(given: str, output: str) -> None:
    """Checks what is to be read and written, as far as this machine knows by itself.

    Raises:
        UserError: If a name says no format, or files of this machine are not there or lack a
            column.
    """
    given, output = (place.removeprefix(BIGQUERY) for place in (given, output))
    if not is_table(output):
        kind_of(output)
    if not is_query(given) and not is_remote(given):
        for file in files_at(given):
            check_columns(file)


def files_at(place: str, named: str | None = None) -> list[str]:
    """The files of rows at a name, in a folder, or that match a pattern.

    Args:
        place: Where they are.
        named: What the user called it, if not so.

    Raises:
        UserError: If there are none.
    """
    in_folder = Path(place).is_dir() or place.endswith("/")
    pattern = f"{place.rstrip('/')}/*" if in_folder else place
    if is_remote(place):
        from apache_beam.io.filesystems import FileSystems

        (found,) = FileSystems.match([pattern])
        names = [file.path for file in found.metadata_list]
    else:
        names = [name for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]
    files = [name for name in sorted(names) if not Path(name).name.startswith((".", "_"))]
    if not files:
        raise UserError(f"There is nothing to read at {named or place}.", "Correct the name.")
    return files


def check_columns(file: str) -> None:
    """Checks that a file with a header has the columns that a request must give.

    Raises:
        UserError: If it lacks one.
    """
    kind = kind_of(file)
    if kind == ".jsonl":
        return  # Each line names its own.
    with opened(file) as stream:
        if kind == ".parquet":
            names = pq.read_schema(stream).names
        else:
            names = next(csv.reader(text_of(stream)), [])
    lacking = [f.name for f in FEATURES if f.required and f.name not in names]
    if lacking:
        raise UserError(
            f"{file} has no column {', '.join(lacking)}; it has {', '.join(names)}.",
            "Name its columns as models/features.py does.",
        )


@contextlib.contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """The content of a file, unzipped; what goes wrong as it is read is told with its name."""
    with _stream(file) as stream:
        zipped = file.lower().endswith(".gz")
        try:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if zipped else stream
        # Of Arrow's own errors, some are Python's.
        except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error) as error:
            raise UserError(
                f"{file} can't be read: {str(error).splitlines()[0]}", "Export or copy it again."
            ) from error


def text_of(stream: BinaryIO) -> io.TextIOWrapper:
    """The text of a file; bytes that are not UTF-8 are kept as surrogates."""
    return io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")


def _stream(file: str) -> BinaryIO:
    if not is_remote(file):
        return Path(file).open("rb")
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    # Beam's own way to decompress has no lines.
    return FileSystems.open(file, compression_type=CompressionTypes.UNCOMPRESSED)
