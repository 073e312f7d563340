"""The same gaps in the table, in BigQuery's emulator."""

from __future__ import annotations

from typing import Any

import pytest
from gaps import GAPS, Gap, check, queries
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from data.table import TABLE


@pytest.fixture(scope="module")
def client(emulator: str) -> bigquery.Client:
    client = bigquery.Client(
        "p", credentials=AnonymousCredentials(), client_options={"api_endpoint": emulator}
    )
    client.create_dataset("gaps")
    return client


def literal(value: Any, kind: str) -> str:
    return f"CAST({'NULL' if value is None else str(value).upper()} AS {kind})"


@pytest.mark.parametrize("gap", GAPS, ids=str)
def test_a_gap_is_left_out_or_told(client: bigquery.Client, gap: Gap):
    table = f"p.gaps.t{GAPS.index(gap)}"
    births = (
        ", ".join(f"{literal(birth[c.name], c.type)} AS {c.name}" for c in TABLE.columns)
        for birth in gap.births()
    )
    rows = " UNION ALL ".join(f"SELECT {birth}" for birth in births)
    client.query(f"CREATE TABLE `{table}` AS {rows}").result()

    def found(sample: float) -> list[dict[str, Any]]:
        answers = (client.query(query).result() for query in queries(table, sample))
        return [dict(row.items()) for answer in answers for row in answer]

    check(gap, found)
