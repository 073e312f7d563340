"""Rows are predicted anew by what was pushed, and by nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from small_model import expected, write_model
from tfx.types import standard_artifacts

from common.errors import UserError
from models.names import PREDICTED
from pipeline.beam import in_process
from pipeline.components.batch_scorer import FILE, BatchScorer
from pipeline.settings import ROOT

GOOD = {"is_male": "True", "mother_age": 28.0, "plurality": "Single(1)", "gestation_weeks": 39.0}
BEFORE = "what was scored before\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two rows, one of which no model takes; beside them, the output of a push before."""
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, [GOOD, GOOD | {"mother_age": 300}])))
    (tmp_path / "scored.jsonl").write_text(BEFORE)
    return file


def score(rows: Path, output: str = "scored.jsonl", **properties: Any) -> Any:
    """Runs the component behind a Pusher that has left such properties; its output."""
    folder = rows.parent
    model, pushed = standard_artifacts.Model(), standard_artifacts.PushedModel()
    model.uri = str(folder / "model")
    shutil.move(write_model(folder, 1, offset=0.2), folder / "model" / "Format-Serving")
    for name, value in properties.items():
        pushed.mlmd_artifact.custom_properties[name].CopyFrom(_value(value))
    outcome = standard_artifacts.InferenceResult()
    outcome.uri = str(folder / "outcome")
    BatchScorer.test_call(
        model=model,
        pushed_model=pushed,
        outcome=outcome,
        score_input=str(rows),
        score_output=str(folder / output),
        staging=str(folder / "staging"),
        beam_pipeline=beam.Pipeline(options=PipelineOptions(in_process(ROOT / "setup.py"))),
    )
    return outcome


def _value(value: str | float) -> Any:
    from ml_metadata.proto import metadata_store_pb2

    kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
    return metadata_store_pb2.Value(**{kind: value})


@pytest.mark.parametrize("mark", [1, 1.0], ids=["laptop", "Vertex AI"])
def test_what_was_pushed_predicts(rows: Path, mark: float):
    outcome = score(rows, pushed=mark, pushed_version="1795725096")
    (row,) = map(json.loads, (rows.parent / "scored.jsonl").read_text().splitlines())
    assert row[PREDICTED] == pytest.approx(expected(GOOD, 0.2), rel=1e-5)
    assert row["model_version"] == "1795725096"
    told = json.loads(Path(outcome.uri, FILE).read_text())
    assert (told["answered"], told["dead"], told["version"]) == (1, 1, "1795725096")
    (letter,) = Path(outcome.uri).glob("*.dead.jsonl")
    assert "mother_age is 300" in letter.read_text()
    assert "1 not, and told with their causes in" in outcome.get_string_custom_property("summary")


def test_the_outputs_folder_need_not_be_there(rows: Path):
    score(rows, "new/scored.jsonl", pushed=1, pushed_version="1")
    assert (rows.parent / "new" / "scored.jsonl").exists()


def test_where_nothing_was_pushed_the_output_stays(rows: Path):
    outcome = score(rows, pushed=0)
    assert (rows.parent / "scored.jsonl").read_text() == BEFORE
    assert not list(Path(outcome.uri).iterdir())


def test_where_it_fails_the_output_stays(rows: Path):
    rows.write_text("")
    rows.rename(rows.with_suffix(".csv"))
    with pytest.raises(UserError, match=r"has no column is_male|nothing to read"):
        score(rows, pushed=1, pushed_version="1")
    assert (rows.parent / "scored.jsonl").read_text() == BEFORE
