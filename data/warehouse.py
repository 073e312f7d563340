"""The embedded stand-in for BigQuery: its SQL, over local files, in this process."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import duckdb
import pyarrow as pa

from common.errors import UserError
from data.dialect import prepare, to_duckdb
from data.source import Source

BATCH_ROWS = 1 << 14
"""Rows per record batch: 4 MB of Examples, and long enough that the cost per batch is nothing."""

_OUTPUT = {
    "BOOLEAN": "BOOLEAN",
    "DOUBLE": "DOUBLE",
    "VARCHAR": "VARCHAR",
    # Sums and bare literals: INT64 in BigQuery, which also fails when a sum does not fit.
    **dict.fromkeys(("BIGINT", "HUGEINT", "INTEGER", '"NULL"'), "BIGINT"),
}


class Warehouse:
    """Answers BigQuery SQL from local sources, streaming; what does not fit in memory spills.

    Use it in a `with` statement, or call `close`.

    Args:
        tables: For each BigQuery table name, the source that stands for it.
        memory: What DuckDB may hold, as it writes sizes; the rows in flight come on top.
        threads: Threads of DuckDB; None for one per core.
    """

    def __init__(
        self, tables: Mapping[str, Source], *, memory: str = "768MB", threads: int | None = None
    ) -> None:
        self._tables = dict(tables)
        self._spill = tempfile.TemporaryDirectory(prefix="warehouse-")
        settings: dict[str, Any] = {"memory_limit": memory, "temp_directory": self._spill.name}
        if threads is not None:
            settings["threads"] = threads
        self._connection = duckdb.connect(config=settings)
        prepare(self._connection)
        for name, source in self._tables.items():
            self._connection.execute(f'CREATE VIEW "{name}" AS {source.relation()}')

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and removes what it spilled."""
        self._connection.close()
        self._spill.cleanup()

    def query(self, sql: str, shuffle_seed: int | None = None) -> Iterator[pa.RecordBatch]:
        """Runs a query.

        Args:
            sql: One query in BigQuery's dialect, within what `data/dialect.py` translates.
            shuffle_seed: None for the query's own order. A number for one that looks random, yet
                depends on nothing but the rows and the number: they are sorted by their hash.

        Yields:
            Batches of at most `BATCH_ROWS` rows; columns of type bool, int64, double and string.

        Raises:
            UserError: The query cannot be translated or run; also while batches are read.
        """
        translated = to_duckdb(sql, {name: name for name in self._tables})
        # A connection has one result at a time: with cursors, queries can be read side by side.
        with self._explained(), self._connection.cursor() as cursor:
            columns = cursor.execute(f"DESCRIBE {translated}").fetchall()
            names = [name for name, *_ in columns]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise UserError(
                    f"The query returns {', '.join(twice)} twice.", "Name each column once."
                )
            typed = ", ".join(
                f'CAST(r."{name}" AS {_output_type(name, kind)}) AS "{name}"'
                for name, kind, *_ in columns
            )
            order = "" if shuffle_seed is None else f" ORDER BY hash(r, {int(shuffle_seed)})"
            result = cursor.execute(f"SELECT {typed} FROM ({translated}) AS r{order}")
            yield from result.to_arrow_reader(BATCH_ROWS)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise UserError(
                f"The query ran out of memory or of room to spill: {_first_line(error)}",
                "Free disk space in the temporary folder (TMPDIR), or sample fewer rows.",
            ) from error
        except duckdb.BinderException as error:
            raise self._explain_column(error) from error
        # After the first batch, Arrow reports DuckDB's errors as its own.
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if "No space left" in str(error):
                raise UserError(
                    f"The disk is full: {_first_line(error)}",
                    "Free disk space in the temporary folder (TMPDIR), or sample fewer rows.",
                ) from error
            cause, _, cure = _first_line(error).partition("\t")
            raise UserError(cause, cure or "Correct the query or the data it names.") from error

    def _explain_column(self, error: duckdb.BinderException) -> UserError:
        said = str(error)
        missing = re.search(r'[Cc]olumn (?:named |with name )?"([^"]+)"', said)
        if not missing or ("not found" not in said and "does not" not in said):
            return _explain_types(_first_line(error))
        known = sorted(
            {column.name for source in self._tables.values() for column in source.columns}
        )
        close = get_close_matches(missing[1], known, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"The tables have {', '.join(known)}."
        return UserError(f"The query names a column {missing[1]} that is not there.", hint)


def _explain_types(said: str) -> UserError:
    said = _in_bigquery(said)
    if macro := re.search(r"Macro bq_(\w+)\(\) does not support", said):
        name = macro[1].upper().replace("_", " ")
        return UserError(
            f"The query is not valid: {name} is given another type than it takes here.",
            "CAST its argument: a literal of text to DATE or TIMESTAMP, for example.",
        )
    if "NUMERIC" in said:
        return UserError(
            f"The query is not valid: a NUMERIC is translated within CAST alone: {said}",
            "Compute with CAST(... AS FLOAT64) of the column.",
        )
    return UserError(f"The query is not valid: {said}", "Correct the query.")


_CURES = {
    "DATE": "EXTRACT(DAYOFWEEK FROM {0}) or UNIX_DATE({0})",
    "DATETIME": "EXTRACT(HOUR FROM {0}) or FORMAT_DATETIME('%F', {0})",
    "TIMESTAMP": "EXTRACT(HOUR FROM {0}) or UNIX_SECONDS({0})",
    "NUMERIC": "CAST({0} AS FLOAT64)",
}


def _output_type(name: str, kind: str) -> str:
    if kind not in _OUTPUT:
        said = _in_bigquery(kind)
        cure = f": {_CURES[said].format(name)}, for example" if said in _CURES else ""
        raise UserError(
            f"The query's column {name} is a {said}, which an Example can't hold.",
            f"Return a BOOL, INT64, FLOAT64 or STRING in the query{cure}.",
        )
    return _OUTPUT[kind]


def _in_bigquery(said: str) -> str:
    """DuckDB's names of types in a text, as BigQuery calls them."""
    said = re.sub(r'STRUCT\("?numeric"? DECIMAL\(38, ?9\)\)', "NUMERIC", said)
    said = re.sub(r"\bTIMESTAMP\b(?! WITH TIME ZONE)", "DATETIME", said)
    said = said.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMP").replace("BIGINT", "INT64")
    return said.replace("BOOLEAN", "BOOL").replace("VARCHAR", "STRING").replace("DOUBLE", "FLOAT64")


def _first_line(error: Exception) -> str:
    """DuckDB's message without the name of its class and without the excerpt of translated SQL."""
    return re.sub(r"^[A-Za-z ]+ Error: ", "", str(error).splitlines()[0])
