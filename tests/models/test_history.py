"""The record of a training: what is written is what is read."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from models.history import FILE, History, Parameters, Record, parse, read

ROOT = Path(__file__).parents[2]
HISTORY = History(
    steps=25,
    batch_size=32,
    seed=1,
    examples_per_second=1000.5,
    resumed_from=(10, 20),
    best_step=10,
    records=(
        Record(10, 1.44, 1.2, 1.21, 1.1, 0.4, 800.0),
        Record(20, 1.44, 1.2, math.nan, math.nan, 0.3, 1066.7),
        Record(25, math.inf, math.inf, math.nan, math.nan, 0.1, 1600.0),
    ),
    parameters=Parameters(wide=5000, deep=3000),
    hyperparameters={"hidden_units": [64, 32], "wide_l2": 10.0},
)


def test_it_is_read_as_it_was_written(tmp_path):
    (tmp_path / FILE).write_text(HISTORY.to_json())
    found = read(tmp_path)
    assert str(found) == str(parse(HISTORY.to_json()))  # As text: NaN is equal to nothing.
    assert (found.steps, found.resumed_from, found.parameters, found.hyperparameters) == (
        25,
        (10, 20),
        Parameters(wide=5000, deep=3000),
        {"hidden_units": [64, 32], "wide_l2": 10.0},
    )
    assert found.best == found.records[0] == HISTORY.records[0]


def test_an_error_that_diverged_is_no_number_though_json_has_none(tmp_path):
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    json.loads(HISTORY.to_json(), parse_constant=refuse)
    _, second, third = parse(HISTORY.to_json()).records
    assert second.rmse == 1.2
    assert math.isnan(second.val_rmse)
    assert math.isnan(third.rmse)


def test_a_training_that_did_not_end_has_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path)


def test_reading_it_takes_no_tensorflow():
    program = "import sys, models.history; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
