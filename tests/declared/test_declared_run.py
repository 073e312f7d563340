"""A short run, from the sample to a prediction of the pushed model and a report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from data.table import TABLE
from models.features import LABEL
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTED

PROJECT = Path(__file__).parents[2]
BOUNDS = ("max-rmse", "max-slice-rmse", "max-rmse-rise", "max-slice-rmse-rise")
SHARE = min(1.0, 10_000 / pq.read_metadata(TABLE.sample).num_rows)


def run(folder: Path, *arguments: str) -> str:
    ours = (f"{TABLE.pipeline.upper()}_", "PYTEST_")
    done = subprocess.run(
        [sys.executable, PROJECT / "local_runner.py", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_ends_in_a_model_that_predicts(tmp_path: Path):
    # Bounds that any model keeps: how good one is after so few steps says nothing.
    bounds = [f"--{bound}={1e6 * (LABEL.maximum - LABEL.minimum):.0f}" for bound in BOUNDS]
    steps = ["--train-steps=40", "--checkpoint-interval=20"]
    (tmp_path / "rows.jsonl").write_text(json.dumps({**EXAMPLE_REQUEST, "key": "a"}))
    scoring = ["--score-input=rows.jsonl", "--score-output=scored.jsonl"]
    out = run(tmp_path, f"--sample={SHARE:.3f}", *steps, *bounds, *scoring)
    assert re.search(r"^  Verdict +blessed$", out, re.MULTILINE)
    (report,) = re.findall(r"^  Report +(.*)$", out, re.MULTILINE)
    page = (tmp_path / report).read_text(encoding="utf-8")
    assert LABEL.noun in page

    answer = run(tmp_path, "predict", json.dumps(EXAMPLE_REQUEST))
    amount, _, interval = answer.strip().partition(", ")
    value, _, unit = amount.partition(" ")
    assert unit == LABEL.unit
    assert LABEL.minimum <= float(value.replace(",", "")) <= LABEL.maximum
    assert interval.startswith("80% between ")

    (scored,) = map(json.loads, (tmp_path / "scored.jsonl").read_text().splitlines())
    assert scored["key"] == "a"
    assert f"{scored[PREDICTED]:,.{len(value.partition('.')[2])}f}" == value
