"""What BigQuery ML makes of the same splits stands beside the model, with what was billed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import storage
from google_cloud import GoogleCloud, Request, refusal

from common.errors import UserError
from models.features import LABEL
from pipeline.local.engines import local_engines
from pipeline.pipeline import create_pipeline
from pipeline.settings import load_settings
from report.collect.bigquery_reference import train_reference
from report.run_info import BigQueryModel, RunInfo

JOBS = "/bigquery/v2/projects/my-project/jobs"
GB = 10**9
MODEL = BigQueryModel("my-project", "LINEAR_REG", "CREATE ...; SELECT ...;")


def job(name: str, kind: str, billed: int, query: str = "SELECT 1") -> dict:
    """A query that is done, as the API tells of it."""
    statistics = {"statementType": kind, "totalBytesBilled": str(billed)}
    return {
        "kind": "bigquery#job",
        "jobReference": {"projectId": "my-project", "jobId": name, "location": "US"},
        "configuration": {"query": {"query": query}, "jobType": "QUERY"},
        "status": {"state": "DONE"},
        "statistics": {"query": statistics, "numChildJobs": "2"},
    }


@pytest.fixture
def bigquery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleCloud]:
    """BigQuery, for which every script ends in an RMSE of 1.03 and an MAE of 0.81."""
    with GoogleCloud() as google:
        key = tmp_path / "key.json"
        storage.write_credentials(key, f"{google.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", google.url)
        steps = [job("t", "CREATE_MODEL", 200 * GB), job("e", "SELECT", 2 * GB)]

        def insert(request: Request) -> dict:
            name = request.body["jobReference"]["jobId"]
            google.on(f"GET {JOBS}/{name}", job(name, "SCRIPT", 202 * GB))
            return job(name, "SCRIPT", 202 * GB)

        google.on(f"POST {JOBS}", insert)
        google.on(f"GET {JOBS}", {"jobs": steps})
        fields = [{"name": name, "type": "FLOAT"} for name in ("rmse", "mae")]
        google.on(
            "GET /bigquery/v2/projects/my-project/queries/.*",
            {
                "jobComplete": True,
                "jobReference": {"projectId": "my-project", "jobId": "e", "location": "US"},
                "schema": {"fields": fields},
                "totalRows": "1",
                "rows": [{"f": [{"v": "1.03"}, {"v": "0.81"}]}],
            },
        )
        yield google


def test_it_runs_the_script_and_tells_errors_bytes_and_dollars(bigquery: GoogleCloud):
    reference = train_reference(MODEL)
    (asked,) = bigquery.asked(f"POST {JOBS}")
    assert asked.body["configuration"] == {"query": {"query": MODEL.script, "useLegacySql": False}}
    assert (reference.rmse, reference.mae, reference.same_rows) == (1.03, 0.81, True)
    assert reference.name == "BigQuery ML, LINEAR_REG"
    # 200 GB at 312.5 a TiB, and 2 at 6.25.
    assert "202.0 GB billed, about 56.85 US$" in reference.source


def test_what_vertex_ai_bills_besides_is_said(bigquery: GoogleCloud):
    reference = train_reference(BigQueryModel("my-project", "BOOSTED_TREE_REGRESSOR", "..."))
    assert reference.source.endswith("about 1.15 US$ and Vertex AI's training")


def test_a_refusal_is_told_with_a_way_out(bigquery: GoogleCloud):
    bigquery.on(f"POST {JOBS}", refusal(403, "no bigquery.models.create", "PERMISSION_DENIED"))
    with pytest.raises(UserError, match=r"no bigquery\.models\.create") as caught:
        train_reference(MODEL)
    assert "--reference local" in caught.value.cure


def test_the_pipeline_hands_the_script_to_the_report(tmp_path: Path):
    settings = load_settings(
        [
            *("--source", "bigquery", "--project", "payer", "--bigquery-temp", "gs://b/temp"),
            *("--reference", "bigquery_ml", "--bigquery-ml-model", "LINEAR_REG"),
            *("--bigquery-ml-dataset", "my-project.references", "--run-root", str(tmp_path)),
        ]
    )
    *_, report = create_pipeline(settings, local_engines(settings)).components
    model = RunInfo.from_json(report.exec_properties["run_info"]).bigquery_model
    assert model is not None
    assert (model.project, model.kind) == ("my-project", "LINEAR_REG")
    name = re.escape("`my-project.references.natality_linear_reg`")
    assert re.search(rf"CREATE OR REPLACE MODEL {name}\n", model.script)
    assert f"input_label_cols = ['{LABEL.name}']" in model.script
