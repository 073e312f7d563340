"""The notebook runs from top to bottom after a run of the pipeline, and shows what that run has."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from real_runs import Runs

from report.facts import Facts
from report.render.formatting import count

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "explore.ipynb"


@pytest.mark.slow
def test_it_runs_and_shows_the_last_run(
    runs: Runs, first: Facts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("NATALITY_RUN_ROOT", str(runs.root))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    executed = NotebookClient(notebook, timeout=900, resources=resources).execute()
    shown = [output for cell in executed.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in shown)
    assert first.data is not None
    assert f"{count(sum(first.data.rows.values()))} examples, RMSE" in text
    pages = "".join(output.get("data", {}).get("text/html", "") for output in shown)
    assert "RMSE by slice" in pages
    assert pages.count("<svg") == 3


def test_its_outputs_are_not_kept():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
