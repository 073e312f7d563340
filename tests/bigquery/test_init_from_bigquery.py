"""`init` from a table in BigQuery, as Google's client reads it from an emulator of the API."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import storage
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google_cloud import GoogleCloud
from trips import make_trips

from common.environment import set_environment
from pipeline.local.commands import main

TABLE = "my-project.rides.trips"
TYPES = {"string": "STRING", "double": "FLOAT64", "int64": "INT64", "bool": "BOOL"}


@pytest.fixture
def trips(emulator: str) -> pa.Table:
    """Trips in a table of the emulator."""
    project, dataset, _ = TABLE.split(".")
    client = bigquery.Client(
        project, credentials=AnonymousCredentials(), client_options={"api_endpoint": emulator}
    )
    client.create_dataset(dataset, exists_ok=True)
    table = make_trips(2_000)
    schema = [
        bigquery.SchemaField(field.name, TYPES.get(str(field.type), "TIMESTAMP"))
        for field in table.schema
    ]
    created = client.create_table(bigquery.Table(TABLE, schema=schema))
    rows = [row | {"pickup_time": row["pickup_time"].isoformat()} for row in table.to_pylist()]
    for start in range(0, len(rows), 500):
        assert client.insert_rows_json(created, rows[start : start + 500]) == []
    return table


def test_a_project_is_drafted_from_a_table(trips, emulator, tmp_path, monkeypatch, capfd):
    set_environment()
    folder = tmp_path / "rides"
    with GoogleCloud() as google:
        key = tmp_path / "key.json"
        storage.write_credentials(key, f"{google.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", emulator)
        source = ["--source", "bigquery", "--table", TABLE, "--project", "my-project"]
        status = main(["init", *source, "--label", "fare", "--unit", "dollars", str(folder)])

    printed = capfd.readouterr()
    assert status == 0, printed.err
    assert "total, left out" in printed.out
    declared = (folder / "data" / "table.py").read_text(encoding="utf-8")
    assert f'name="{TABLE}"' in declared
    assert 'Column("pickup_time", "TIMESTAMP")' in declared
    assert len(pq.read_table(folder / "data" / "sample.parquet")) == len(trips)
