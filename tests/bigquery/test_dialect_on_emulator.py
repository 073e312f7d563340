"""What `tests/support/dialect_cases.py` says of BigQuery, the emulator says, too."""

from __future__ import annotations

from typing import Any

import pytest
from dialect_cases import QUERIES, ROWS, VALUES
from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

EMULATOR_IS_WRONG = {
    # Whole numbers are INT32 to it.
    "2147483647 + 1",
    "3000000 * 3000000",
    # DIV and MOD lose their parentheses.
    "DIV(1 + 6, 2)",
    "10 * MOD(7, 4)",
    # It rounds halves to even.
    "CAST(2.5 AS INT64)",
    "CAST(-2.5 AS INT64)",
    "CAST(0.5 AS INT64)",
    "SAFE_CAST(2.5 AS INT64)",
    # It reads more as a number or a BOOL.
    "SAFE_CAST('1.5' AS INT64)",
    "SAFE_CAST('yes' AS BOOL)",
    "SAFE_CAST('t' AS BOOL)",
    "SAFE_CAST('1' AS BOOL)",
    # Its weeks begin on Monday, and there are no ISO weeks.
    "EXTRACT(WEEK FROM DATE '2017-01-01')",
    "DATE_DIFF(DATE '2017-10-15', DATE '2017-10-14', ISOWEEK)",
    "DATE_DIFF(DATE '2017-10-16', DATE '2017-10-15', ISOWEEK)",
    "DATETIME_DIFF(DATETIME '2017-10-15 00:00:00', DATETIME '2017-10-14 00:00:00', WEEK)",
    "DATE_TRUNC(DATE '2017-11-05', ISOWEEK)",
    "TIMESTAMP_TRUNC(TIMESTAMP '2008-12-25 15:30:45', WEEK)",
    # It counts boundaries, against the reference's own examples.
    "TIMESTAMP_DIFF(TIMESTAMP '2010-07-07 10:20:00', TIMESTAMP '2008-12-25 15:30:00', HOUR)",
    "TIMESTAMP_DIFF(TIMESTAMP '2001-02-01 01:00:00', TIMESTAMP '2001-02-01 00:00:01', HOUR)",
    # It rounds towards 1970.
    "UNIX_SECONDS(TIMESTAMP '1969-12-31 23:59:59.5')",
    # It counts what is before the text.
    "SUBSTR('apple', 0, 2)",
    "SUBSTR('apple', -10, 2)",
    # It removes spaces alone.
    "TRIM('\\t\\n apple\\u00a0')",
    # It knows no escapes in a pattern.
    "'a%b' LIKE 'a\\\\%b'",
    "'a_b' LIKE 'a\\\\_b'",
    "'a\\\\b' LIKE 'a\\\\\\\\b'",
}
"""Where the emulator (1.4.0) gives DuckDB's answer, and BigQuery's reference another."""


@pytest.fixture(scope="module")
def client(emulator: str) -> bigquery.Client:
    client = bigquery.Client(
        "p", credentials=AnonymousCredentials(), client_options={"api_endpoint": emulator}
    )
    client.create_dataset("d")
    client.query(f"CREATE TABLE `p.d.t` AS {ROWS}").result()
    return client


def rows(client: bigquery.Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in client.query(sql).result()]


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_value(client: bigquery.Client, expression: str, expected: object):
    if expression in EMULATOR_IS_WRONG:
        with pytest.raises((AssertionError, GoogleAPIError)):
            assert rows(client, f"SELECT {expression}") == [(expected,)]
    else:
        assert rows(client, f"SELECT {expression}") == [(expected,)]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_query(client: bigquery.Client, query: str, expected: list[tuple]):
    assert rows(client, query.replace(" FROM t)", " FROM `p.d.t`)")) == expected
