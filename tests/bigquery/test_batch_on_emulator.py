"""A batch from a table of BigQuery to another, as Google's client does both with an emulator."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated import connect
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from small_model import expected, write_model

from models.names import PREDICTION
from serving.batch.launch_batch import DEAD_LETTERS, main

ROWS = [
    {"id": f"b{age}", "is_male": sex, "mother_age": age, "plurality": "Single(1)"}
    for age in range(18, 45)
    for sex in ("True", None)
]
BAD = {"id": "bad", "is_male": "True", "mother_age": 300.0, "plurality": "Single(1)"}
ENDS = ("low", "high")
ASKED, SCORED = "my-project.births.asked", "my-project.births.scored"


@pytest.fixture
def client(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[bigquery.Client]:
    """Of the emulator, which has the table of what is asked."""
    connect(monkeypatch, emulator, "my-project")
    with bigquery.Client("my-project", credentials=AnonymousCredentials()) as client:
        client.create_dataset("births", exists_ok=True)
        types = {"id": "STRING", "is_male": "STRING", "mother_age": "FLOAT64"}
        types |= {"plurality": "STRING", "gestation_weeks": "FLOAT64"}
        schema = [bigquery.SchemaField(name, kind) for name, kind in types.items()]
        table = client.create_table(bigquery.Table(ASKED, schema=schema))
        rows = [row | {"gestation_weeks": 39.0} for row in [*ROWS, BAD]]
        assert client.insert_rows_json(table, rows) == []
        # BigQuery makes a table that a job loads into; the emulator only replaces its rows.
        types = {f"predicted_{PREDICTION}": "FLOAT64"}
        types |= {f"{PREDICTION}_{level}_{end}": "FLOAT64" for level in (80, 95) for end in ENDS}
        types |= {"model_version": "STRING", "batch_run": "STRING"}
        schema += [bigquery.SchemaField(name, kind) for name, kind in types.items()]
        scored = client.create_table(bigquery.Table(SCORED, schema=schema))
        assert client.insert_rows_json(scored, [{"id": "of yesterday"}]) == []
        yield client
        for name in (ASKED, SCORED):
            client.delete_table(name)


@pytest.mark.parametrize(
    "given", [f"bq:{ASKED}", f"bq:SELECT * FROM `{ASKED}`"], ids=["table", "query"]
)
def test_from_a_table_to_another(client: bigquery.Client, tmp_path: Path, given: str):
    write_model(tmp_path / "models", 3, offset=0.2)
    letters = tmp_path / "dead.jsonl"
    flags = ["--input", given, "--output", f"bq:{SCORED}", "--dead-letters", str(letters)]
    assert main([*flags, "--model-folder", str(tmp_path / "models")]) == DEAD_LETTERS

    answered = [dict(row) for row in client.list_rows(SCORED)]
    assert Counter((row["id"], row["is_male"]) for row in answered) == Counter(
        (row["id"], row["is_male"]) for row in ROWS
    )
    for row in answered:
        assert row["model_version"] == "3"
        asked = {name: row[name] for name in ("is_male", "mother_age", "plurality")}
        asked |= {"gestation_weeks": row["gestation_weeks"]}
        assert row[f"predicted_{PREDICTION}"] == pytest.approx(expected(asked, 0.2), rel=1e-5)
    (letter,) = map(json.loads, letters.read_text().splitlines())
    assert json.loads(letter["raw"])["id"] == "bad"
