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


@pytest.mark.parametrize("gap", GAPS, ids=str)
def test_a_gap_is_left_out_or_told(client: bigquery.Client, gap: Gap):
    table = f"p.gaps.t{GAPS.index(gap)}"
    schema = [bigquery.SchemaField(column.name, column.type) for column in TABLE.columns]
    created = client.create_table(bigquery.Table(table, schema=schema))
    assert client.insert_rows_json(created, gap.births()) == []

    def found(sample: float) -> list[dict[str, Any]]:
        answers = (client.query(query).result() for query in queries(table, sample))
        return [dict(row.items()) for answer in answers for row in answer]

    check(gap, found)
