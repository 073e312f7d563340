"""CSV files as people have them: read as text, and what is wrong with one named by line and cell.

A file is refused that was cut off: a gzip file without its end, text that does not end its last
line. What can't be seen is a file that was cut exactly between two lines.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import duckdb

from common.errors import UserError
from data.columns import Column
from data.macros import TEXTS

MAX_CELL = 2_000_000
"""Bytes of a line that DuckDB reads."""

MAX_COLUMNS = 10_000
"""Columns that a table of BigQuery may have."""

_BLOCK = 1 << 20
_COPY_AGAIN = "Export or copy it again."
_OTHER_KINDS = {
    b"PAR1": ("a Parquet file", "Name it .parquet."),
    b"PK\x03\x04": ("a ZIP or Excel file", "Unpack it, or save the sheet as CSV."),
    b"\xff\xfe": ("text in UTF-16", "Save it as UTF-8 CSV."),
    b"\xfe\xff": ("text in UTF-16", "Save it as UTF-8 CSV."),
    b"SQLite": ("a SQLite database", "Export the table as CSV."),
}


def check_whole(file: Path) -> None:
    """Reads a .csv or .csv.gz file to its end once, to see that it is text, and all there.

    Raises:
        UserError: It is empty, no CSV, cut off or damaged.
    """
    zipped = file.suffix.lower() == ".gz"
    with file.open("rb") as raw:
        begin = raw.read(8)
    if not begin:
        raise UserError(f"{file} is empty: it has 0 bytes.", _COPY_AGAIN)
    if zipped != begin.startswith(b"\x1f\x8b"[: len(begin)]):
        kind, cure = ("no gzip file", "Name it .csv.") if zipped else ("gzip", "Name it .csv.gz.")
        raise UserError(f"{file} is {kind}, though its name says otherwise.", cure)
    lines, last, ended = 0, b"", b"\n"
    try:
        with _open_binary(file) as stream:
            while block := stream.read(_BLOCK):
                if not last:
                    _check_kind(file, block)
                    ended = b"\n" if b"\n" in block or b"\r" not in block else b"\r"
                if (at := block.find(b"\0")) >= 0:
                    line = lines + block.count(ended, 0, at) + 1
                    raise UserError(
                        f"{file}, line {line}: there is a NUL byte in the text.",
                        "The file is damaged, or not UTF-8: export or copy it again.",
                    )
                lines += block.count(ended)
                last = block[-1:]
    except EOFError as error:
        raise UserError(f"{file} is cut off: its gzip data has no end.", _COPY_AGAIN) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{file} is damaged: {error}.", _COPY_AGAIN) from error
    if not last:
        raise UserError(f"{file} is empty: nothing is in it.", _COPY_AGAIN)
    if last not in (b"\n", ended):
        raise UserError(
            f"{file} may be cut off: line {lines + 1}, its last, has no end.",
            "Export or copy it again; if it is whole, add a line end: echo >> FILE.",
        )


def _check_kind(file: Path, block: bytes) -> None:
    for begin, (kind, cure) in _OTHER_KINDS.items():
        if block.startswith(begin):
            raise UserError(f"{file} is no CSV file but {kind}.", cure)


def _open_binary(file: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb")


@contextmanager
def _open_text(file: Path) -> Iterator[TextIO]:
    # The limit is Python's own, for the whole process.
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with _open_binary(file) as stream:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")  # pyright: ignore[reportArgumentType]
    finally:
        csv.field_size_limit(limit)


def header(file: Path) -> list[str]:
    """The names in the first line.

    Raises:
        UserError: It is not UTF-8, empty or too long, or has cells without a name or repeated ones.
    """
    try:
        with _open_text(file) as stream:
            first = stream.readline(MAX_CELL + 1)
            rest = [] if first.count('"') % 2 == 0 else itertools.islice(stream, 100)
            names = next(csv.reader([first, *rest]), [])
    except UnicodeDecodeError as error:
        raise _not_utf8(file) from error
    except csv.Error as error:
        raise UserError(f"{file}, line 1: {error}.", "Correct the header.") from error
    if len(first) > MAX_CELL or len(names) > MAX_COLUMNS:
        raise UserError(
            f"{file}: its first line has {len(first):,} characters and {len(names):,} cells;"
            " a header it is not.",
            f"Put the names of the columns there, {MAX_COLUMNS:,} at most.",
        )
    blank = [index for index, name in enumerate(names) if not name.strip()]
    if len(blank) == len(names):
        raise UserError(f"{file}: its first line, the header, is empty.", "Put the names there.")
    if blank == [0]:
        raise UserError(
            f"{file}: its first column has no name; it may be the index of a pandas data frame.",
            "Write it with to_csv(..., index=False), or name the column.",
        )
    if blank and blank[-1] == len(names) - 1 and blank == list(range(blank[0], len(names))):
        raise UserError(
            f"{file}: its header ends with a comma, after the name {names[blank[0] - 1]}.",
            "Remove the commas at the ends of lines.",
        )
    if blank:
        raise UserError(f"{file}: cell {blank[0] + 1} of its header is empty.", "Name the column.")
    folded = [name.casefold() for name in names]
    for index, name in enumerate(folded):
        if name in folded[:index]:
            raise UserError(
                f"{file}: column {names[index]} is there twice, in cells"
                f" {folded.index(name) + 1} and {index + 1} of the header.",
                "Rename or remove one: names of columns have no case.",
            )
    return names


def explain_names(file: Path, names: Sequence[str], columns: Sequence[Column]) -> None:
    """Says why a header has none of the columns, where that can be told.

    Raises:
        UserError: It is separated by something else than commas, or holds values.
    """
    known = {column.name.casefold() for column in columns}
    line = ",".join(names)
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        parts = {part.strip(' "').casefold() for part in line.split(separator)}
        if len(parts) > 1 and len(parts & known) > len({n.casefold() for n in names} & known):
            raise UserError(
                f"{file}: its cells are separated by {name}.",
                "Save it with commas between cells (and a point in decimals).",
            )
    if not {name.casefold() for name in names} & known and any(_is_number(name) for name in names):
        raise UserError(
            f"{file}: its first line holds values, {', '.join(names[:3])}..., instead of names.",
            "Put a line with the names of the columns first.",
        )


def _is_number(text: str) -> bool:
    return text.strip().lstrip("+-").replace(".", "", 1).isdigit()


def relation(file: Path) -> str:
    """DuckDB SQL for a file's cells as text, empty ones as NULL; nothing is guessed."""
    names = ", ".join(f"{quote(name)}: 'VARCHAR'" for name in header(file))
    return (
        f"SELECT * FROM read_csv({quote(str(file))}, columns = {{{names}}}, auto_detect = false,"
        " header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '')"
    )


_CELLS = {
    "BOOL": "TRY_CAST({0} AS BOOLEAN) IS NULL",
    # 28.0 is what data frames write for a whole number in a column with gaps. 28.5 would be
    # rounded: refuse it.
    "INT64": r"NOT regexp_full_match({0}, '\s*[+-]?\d{{1,18}}(\.0*)?\s*')",
    "FLOAT64": "TRY_CAST({0} AS DOUBLE) IS NULL",
    "STRING": "false",
    "NUMERIC": r"NOT regexp_full_match({0}, '[+-]?\d{{1,29}}(\.\d{{0,9}}0*)?')",
    **{
        kind: f"NOT regexp_full_match({{0}}, '{TEXTS[kind].replace('{', '{{').replace('}', '}}')}')"
        f" OR TRY_CAST({{0}} AS {kind if kind == 'DATE' else 'TIMESTAMPTZ'}) IS NULL"
        for kind in ("DATE", "DATETIME", "TIMESTAMP")
    },
}
"""For each type, DuckDB SQL that is true of a cell that is not of it."""

_EXAMPLES = {
    "DATE": ", such as 2001-12-31",
    "DATETIME": ", such as 2001-12-31 23:59:59",
    "TIMESTAMP": ", such as 2001-12-31 23:59:59 UTC",
    "NUMERIC": " of 29 digits and 9 decimals at most",
}


def check_cells(file: Path, columns: Sequence[Column]) -> None:
    """Checks that each line has its cells, and each cell its type.

    Raises:
        UserError: With the line and the column of the first that does not.
    """
    cells = [(identifier(c.name), _CELLS[c.type].format(identifier(c.name))) for c in columns]
    firsts = ", ".join(f"first({name}) FILTER (WHERE {wrong})" for name, wrong in cells)
    repeated = " AND ".join(
        f"lower({identifier(c.name)}) = {quote(c.name.lower())}" for c in columns
    )
    try:
        with connect() as connection:
            (again, *bad) = connection.execute(
                f"SELECT bool_or({repeated}), {firsts} FROM ({relation(file)})"
            ).fetchone() or (None,)
    except duckdb.Error as error:
        raise _explain(file, error) from error
    if again:
        line = _line(file, columns[0].name, columns[0].name)
        raise UserError(f"{file}, line {line}, repeats the header.", "Remove the line.")
    for column, cell in zip(columns, bad, strict=True):
        if cell is not None:
            line = _line(file, column.name, cell)
            if cell.casefold() == column.name.casefold():
                raise UserError(f"{file}, line {line}, repeats the header.", "Remove the line.")
            example = _EXAMPLES.get(column.type, "")
            raise UserError(
                f"{file}, line {line}, column {column.name}: {_shown(cell)} is not"
                f" {column.type}{example}.",
                "Correct it, or leave the cell empty for NULL.",
            )


def _shown(cell: str) -> str:
    return repr(cell) if len(cell) <= 60 else f"{cell[:60]!r}... ({len(cell):,} characters)"


def _line(file: Path, column: str, cell: str) -> int | str:
    """The number of the first line with this cell. Slow, and only called to report an error."""
    with _open_text(file) as stream:
        reader = csv.reader(stream)
        index = [name.casefold() for name in next(reader)].index(column.casefold())
        same = (reader.line_num for row in reader if row[index : index + 1] == [cell])
        folded = cell.casefold() == column.casefold()
        if not folded:
            return next(same, "?")
        return next(
            (reader.line_num for row in reader if row[index].casefold() == cell.casefold()), "?"
        )


def _explain(file: Path, error: duckdb.Error) -> UserError:
    """What keeps DuckDB from reading a file, found by reading it slowly."""
    width = len(header(file))
    start = 1
    try:
        with _open_text(file) as stream:
            reader = csv.reader(stream, strict=True)
            for row in reader:
                if long := [cell for cell in row if len(cell) >= MAX_CELL]:
                    return UserError(
                        f"{file}, line {start}: a cell has {len(long[0]):,} characters;"
                        f" a line may have {MAX_CELL:,}.",
                        "Shorten it, or leave the column out; or look for a quote that is missing.",
                    )
                if row and len(row) != width:
                    return _wrong_width(file, start, row, width)
                start = reader.line_num + 1
    except UnicodeDecodeError:
        return _not_utf8(file)
    except csv.Error as found:
        if "end of data" in str(found):
            return UserError(
                f"{file}, line {start}: a quote opens a cell and is never closed.",
                'Close it; a quote within a cell is written twice, as in "5"" disk".',
            )
        return UserError(
            f"{file}, line {start}: {found}.",
            'Put cells that hold quotes in quotes, and double these: "5"" disk".',
        )
    with _open_binary(file) as stream:
        ends = {line.endswith(b"\r\n") for line in stream}
    if len(ends) > 1:
        return UserError(f"{file}: some lines end with \\r\\n, others with \\n.", "Unify them.")
    return UserError(
        f"{file} cannot be read as CSV: {str(error).splitlines()[0]}.",
        "Give every line as many cells as the header, separated by commas.",
    )


def _wrong_width(file: Path, line: int, row: Sequence[str], width: int) -> UserError:
    said = f"{file}, line {line}, has {len(row)} cells, the header {width}"
    if any("\n" in cell for cell in row):
        return UserError(
            f"{said}; one of them goes over several lines.", "Look for a quote that is missing."
        )
    if len(row) > width and not any(row[width:]):
        return UserError(
            f"{said}: it ends with a comma.", "Remove the commas at the ends of lines."
        )
    return UserError(
        f"{said}.",
        "Give every line as many cells as the header; a cell with a comma in it needs quotes.",
    )


def _not_utf8(file: Path) -> UserError:
    with _open_binary(file) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return UserError(
                    f"{file}, line {number}: byte {line[error.start]:#04x} is not UTF-8.",
                    "Save it as UTF-8 CSV; it may be in Latin-1 or Windows-1252.",
                )
    return UserError(f"{file} is not UTF-8.", "Save it as UTF-8 CSV.")


def connect() -> duckdb.DuckDBPyConnection:
    """A connection that reads times without a zone as UTC, as BigQuery does."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quote(text: str) -> str:
    """Text as a literal of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as DuckDB's SQL has it."""
    return '"' + name.replace('"', '""') + '"'
