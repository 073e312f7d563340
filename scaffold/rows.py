"""The rows that a project is drafted from: a file's or a BigQuery table's, in BigQuery's types."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import UserError
from data.columns import Column

MOST_ROWS = 200_000
"""Rows of a larger table are drawn at random: enough to draft from, and small enough to commit."""

SEED = 1

_READERS = {
    ".parquet": "read_parquet({0})",
    ".csv": "read_csv({0}, sample_size = -1)",
    ".csv.gz": "read_csv({0}, sample_size = -1)",
}


@dataclass(frozen=True)
class Rows:
    """Rows with the names and types they have in BigQuery.

    Attributes:
        name: The table's name in BigQuery, or a placeholder for it.
        stem: What people call the rows, such as `trips`.
        data: At most `MOST_ROWS` rows.
        columns: Of `data`, in order.
        total: How many rows the source has.
        notes: What was changed or left out in reading, one sentence each.
    """

    name: str
    stem: str
    data: pa.Table
    columns: tuple[Column, ...]
    total: int
    notes: tuple[str, ...] = ()


def read_file(path: Path) -> Rows:
    """Reads a Parquet or CSV file; the types of CSV cells are found by looking at all of them.

    Raises:
        UserError: If there is no such file, it cannot be read, or it has no rows.
    """
    suffix = next((s for s in _READERS if path.name.lower().endswith(s)), None)
    if suffix is None or not path.is_file():
        raise UserError(
            f"There is no table at {path}.", f"Name a file ending in {', '.join(_READERS)}."
        )
    quoted = "'" + str(path).replace("'", "''") + "'"
    table = f"(SELECT * FROM {_READERS[suffix].format(quoted)})"
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            (total,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() or (0,)
            drawn = f" USING SAMPLE reservoir({MOST_ROWS} ROWS) REPEATABLE ({SEED})"
            data = connection.execute(
                f"SELECT * FROM {table}{drawn if total > MOST_ROWS else ''}"
            ).to_arrow_table()
    except duckdb.Error as error:
        raise UserError(
            f"{path} cannot be read: {str(error).splitlines()[0]}", "Export or save it again."
        ) from error
    stem = identifier(path.name[: -len(suffix)]).lower()
    return typed_rows(data, f"my-project.my_dataset.{stem}", stem, total)


def typed_rows(data: pa.Table, name: str, stem: str, total: int) -> Rows:
    """Gives rows the names and types of BigQuery.

    Raises:
        UserError: If there are no rows.
    """
    if not data.num_rows:
        raise UserError(f"{name} has no rows.", "Name a table with rows in it.")
    notes: list[str] = []
    columns: list[Column] = []
    arrays: list[pa.ChunkedArray] = []
    for field, array in zip(data.schema, data.columns, strict=True):
        new = identifier(field.name)
        # Names of columns have no case in BigQuery.
        if new.casefold() in (column.name.casefold() for column in columns):
            notes.append(f"{field.name!r} is left out: there is a column {new} already.")
            continue
        found = next((found for is_it, found in _TYPES if is_it(field.type)), None)
        if found is None:
            notes.append(f"{field.name!r} is left out: it holds {field.type}, not single values.")
            continue
        kind, arrow = found
        if new != field.name:
            notes.append(f"{field.name!r} is called {new}, a name BigQuery allows.")
        values = array.cast(arrow)
        if kind == "FLOAT64":
            finite = pc.fill_null(pc.is_finite(values), True)
            if bad := len(values) - pc.sum(finite).as_py():
                notes.append(f"{new} was NaN or infinite in {bad:,} rows; NULL in the sample.")
                values = pc.if_else(finite, values, None)
        columns.append(Column(new, kind))
        arrays.append(values)
    return Rows(
        name,
        stem,
        pa.table(arrays, names=[c.name for c in columns]),
        tuple(columns),
        total,
        tuple(notes),
    )


def identifier(text: str) -> str:
    """The name that BigQuery allows nearest to a text: letters, digits and underscores."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return f"_{name}" if not name or name[0].isdigit() else name


def read_bigquery(table: str, project: str | None) -> Rows:
    """Reads a BigQuery table; of a larger one, about `MOST_ROWS` rows in blocks drawn at random.

    Args:
        table: Its name, as project.dataset.table.
        project: Who pays for the query; None for the project of the credentials.

    Raises:
        UserError: If BigQuery refuses.
    """
    import google.api_core.exceptions
    import google.auth.exceptions
    from google.cloud import bigquery

    try:
        client = bigquery.Client(project=project)
        total = client.get_table(table).num_rows or 0
        # Blocks are read, and paid for, in proportion; twice as many, since they differ in size.
        percent = min(100.0, 200.0 * MOST_ROWS / max(total, 1))
        drawn = f" TABLESAMPLE SYSTEM ({percent:.6f} PERCENT)" if total > MOST_ROWS else ""
        data = client.query_and_wait(f"SELECT * FROM `{table}`{drawn} LIMIT {MOST_ROWS}").to_arrow(
            create_bqstorage_client=False
        )
    except (
        google.api_core.exceptions.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
    ) as error:
        raise UserError(
            f"BigQuery does not give rows of {table}: {error}",
            "Check the table's name, `gcloud auth application-default login` and --project.",
        ) from error
    return typed_rows(data, table, identifier(table.rpartition(".")[2]).lower(), total)


def _is_string(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(value) or pa.types.is_large_string(value)


_TYPES: Sequence[tuple[Callable[[pa.DataType], bool], tuple]] = (
    (pa.types.is_boolean, ("BOOL", pa.bool_())),
    (pa.types.is_uint64, ("NUMERIC", pa.decimal128(38, 9))),
    (pa.types.is_integer, ("INT64", pa.int64())),
    (pa.types.is_floating, ("FLOAT64", pa.float64())),
    (pa.types.is_decimal, ("NUMERIC", pa.decimal128(38, 9))),
    (_is_string, ("STRING", pa.string())),
    (pa.types.is_date, ("DATE", pa.date32())),
    (
        lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
        ("TIMESTAMP", pa.timestamp("us", "UTC")),
    ),
    (pa.types.is_timestamp, ("DATETIME", pa.timestamp("us"))),
)
