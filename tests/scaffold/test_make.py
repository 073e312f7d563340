"""A project is written whole: what knows the table is drafted, the rest is copied."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from common.errors import UserError
from scaffold import identifiers, make
from scaffold.rows import Rows, typed_rows


@pytest.fixture(scope="module")
def made(trips: Rows, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, make.Made]:
    folder = tmp_path_factory.mktemp("made") / "taxi"
    return folder, make.make(trips, "fare", "dollars", None, folder)


def test_it_is_in_the_shape_of_this_project(made):
    folder, _ = made
    for room in ("common", "data", "models", "pipeline", "report", "schema", "tests"):
        assert (folder / room).is_dir(), room
    assert (folder / "data" / "taxi.sql").exists() and (folder / ".git").exists()
    assert not list((folder / "data").glob("*synthetic*"))
    assert [path.name for path in folder.parent.iterdir()] == ["taxi"]


def test_the_drafts_are_formatted_python(made):
    folder, _ = made
    drafts = [
        folder / path for path in ("data/table.py", "models/features.py", "models/judging.py")
    ]
    for draft in drafts:
        ast.parse(draft.read_text())
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", *map(str, drafts)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_driver_is_whole_in_one_split(made):
    _, found = made
    assert found.plan.key == "driver_id"
    assert sum(found.trial.examples.values()) == 6_000


def test_bounds_lie_between_the_trees_and_the_mean(made):
    trial = made[1].trial
    assert trial.tree_rmse < trial.bounds.max_rmse < trial.mean_rmse
    assert trial.bounds.max_rmse <= trial.bounds.max_slice_rmse
    assert set(trial.bounds.judged_slices) <= set(trial.slices)


def test_the_label_has_bounds_that_another_unit_breaks(made):
    folder, found = made
    text = (folder / "models" / "features.py").read_text()
    (declared,) = re.findall(r"plausible_mean=\((.*), (.*)\),", text)
    low, high = map(float, declared)
    mean, spread = found.trial.mean, found.trial.spread
    assert (low, high) == pytest.approx((mean - spread, mean + spread), rel=0.01)
    (declared,) = re.findall(r"plausible_spread=\((.*), (.*)\),", text)
    assert float(declared[0]) < spread < float(declared[1])
    assert not float(declared[0]) < 1.6 * spread < float(declared[1]), "miles instead of km"


def test_a_cross_that_matters_is_found(made):
    # Rush hours in the centre cost half as much again.
    crossed = {name for cross in made[1].trial.crosses for name in cross.parents}
    assert {"pickup_area", "pickup_time_hour"} <= crossed


def test_a_label_that_nothing_predicts_is_said_to_be_so(tmp_path: Path):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(0, 1, 2_000), "y": random.normal(0, 1, 2_000)})
    rows = typed_rows(pa.table(frame), "p.d.points", "points", 2_000)
    found = make.make(rows, "y", "", None, tmp_path / "new")
    assert found.trial.bounds.max_rmse > found.trial.mean_rmse
    page = (tmp_path / "new" / "docs" / "decisions.md").read_text()
    assert "**The features hardly predict `y`**" in page


def test_a_failure_leaves_nothing(trips: Rows, tmp_path: Path):
    few = typed_rows(trips.data.slice(0, 300), trips.name, trips.stem, 300)
    with pytest.raises(UserError, match="too few to judge a model by"):
        make.make(few, "fare", "", None, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(trips: Rows, tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="Name a new folder"):
        make.make(trips, "fare", "", None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("folder", "stem", "expected"),
    [
        ("taxi", "trips", ("taxi", "trip", "trips")),
        ("My Taxi-2", "deliveries", ("my_taxi_2", "delivery", "deliveries")),
        ("2024", "house_sales", ("p_2024", "house sale", "house sales")),
        ("x", "data", ("x", "row", "rows")),
        ("x", "class", ("x", "row", "rows")),
    ],
)
def test_names_follow_from_folder_and_table(folder: str, stem: str, expected: tuple):
    found = identifiers.names(folder, stem)
    assert (found.pipeline, found.row, found.rows) == expected
