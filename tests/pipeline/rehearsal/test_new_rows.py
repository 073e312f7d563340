"""When the table has new rows, a run reads them: cached as the compiled pipeline says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from specs import container, run

from pipeline.cli.status import State
from pipeline.vertex.compile import INGESTION, compile_job
from pipeline.vertex.vertex_settings import load_settings

REQUIRED = (
    *("--project", "my-project", "--run-root", "gs://my-bucket/runs"),
    *("--service-account", "runner@my-project.iam.gserviceaccount.com"),
    *("--image", "us-central1-docker.pkg.dev/my-project/runs/runs:1"),
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Stands in for the table."""
    file = tmp_path / "table"
    file.write_text("old rows")
    return file


@pytest.fixture
def ingestion(table: Path) -> Callable[[str], dict[str, Any]]:
    """The compiled pipeline as far as its first task, whose container copies the table."""
    copy = container(f"print(open({str(table)!r}).read())")

    def compiled(table_state: str) -> dict[str, Any]:
        job = compile_job(load_settings(REQUIRED), table_state)
        spec = job["pipelineSpec"]
        spec["root"]["dag"]["tasks"] = {INGESTION: spec["root"]["dag"]["tasks"][INGESTION]}
        spec["deploymentSpec"]["executors"][f"{INGESTION}_executor"] = copy
        return job

    return compiled


@pytest.fixture
def read(tmp_path: Path) -> Callable[[dict[str, Any]], tuple[State, str]]:
    """Rehearses a job; how its task ended, and the rows it read, if it did."""

    def rehearsed(job: dict[str, Any]) -> tuple[State, str]:
        outcome = run(job, tmp_path / "rehearsal")
        log = outcome.logs / f"{INGESTION}.log"
        return outcome.states[INGESTION], log.read_text().strip() if log.exists() else ""

    return rehearsed


def test_rows_are_read_when_they_have_changed_and_reused_when_not(
    table: Path,
    ingestion: Callable[[str], dict[str, Any]],
    read: Callable[[dict[str, Any]], tuple[State, str]],
):
    submitted = ingestion("last changed 2026-01-01, 400 rows")
    assert read(submitted) == (State.DONE, "old rows")
    assert read(ingestion("last changed 2026-01-01, 400 rows")) == (State.CACHED, "")
    table.write_text("new rows")
    # Vertex AI looks at no table, and so a rehearsal doesn't: the same job again reads nothing new.
    assert read(submitted) == (State.CACHED, "")
    assert read(ingestion("last changed 2026-02-01, 500 rows")) == (State.DONE, "new rows")


def test_a_job_that_comes_again_by_a_schedule_reads_the_rows_each_time(
    table: Path,
    ingestion: Callable[[str], dict[str, Any]],
    read: Callable[[dict[str, Any]], tuple[State, str]],
):
    scheduled = ingestion("")
    assert read(scheduled) == (State.DONE, "old rows")
    table.write_text("new rows")
    assert read(scheduled) == (State.DONE, "new rows")
