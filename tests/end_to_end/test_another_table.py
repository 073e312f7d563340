"""`local_runner.py init` on a table of trips, and all that its project is then asked to do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pytest
from trips import make_trips

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
OURS = re.compile(
    r"\b(births?|bab(y|ies)|natality|ultrasound|gestation\w*|pounds?|lb|mothers?|plurality"
    r"|cigarettes?|is_male)\b|weight_pounds|mother_|gestation_",
    re.IGNORECASE,
)
"""Words that are about this project's own table."""

QUICK = ("--train-steps=300", "--checkpoint-interval=100")
VERTEX = """
project = "my-project"
run_root = "gs://my-bucket/taxi"
service_account = "runner@my-project.iam.gserviceaccount.com"
image = "us-central1-docker.pkg.dev/my-project/taxi/taxi:1"
train_steps = 300
checkpoint_interval = 100
"""


def run(folder: Path, *arguments: str | Path, status: int = 0) -> str:
    """Runs Python in a folder, as a user would."""
    ours = ("NATALITY_", "TAXI_", "TF_", "PYTEST_", "PYTHONPATH")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def line(out: str, name: str) -> str:
    """What stands behind a name in what was printed."""
    return "\n".join(re.findall(rf"^  {re.escape(name)} +(.*)$", out, re.MULTILINE))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    pyarrow.csv.write_csv(make_trips(), folder / "trips.csv")
    return folder


@pytest.fixture(scope="module")
def init(home: Path) -> str:
    runner = PROJECT / "local_runner.py"
    source = ("--source", "trips.csv", "--label", "fare", "--unit", "dollars")
    return run(home, runner, "init", *source, "taxi")


@pytest.fixture(scope="module")
def taxi(home: Path, init: str) -> Path:
    return home / "taxi"


@pytest.fixture(scope="module")
def first(taxi: Path) -> str:
    return run(taxi, "local_runner.py", *QUICK)


def test_init_names_what_leaks_and_what_it_decided(init: str):
    leaks = line(init, "Leak?")
    assert "total, left out. It alone explains 97% of the variance of fare." in leaks
    assert "tip, left out." in leaks
    assert "by driver_id: " in line(init, "Splits")
    assert re.match(r"RMSE \d+\.?\d* dollars; the mean has ", line(init, "Bound"))


def test_the_page_says_why(taxi: Path):
    page = (taxi / "docs" / "decisions.md").read_text()
    for column in ("trip_id", "driver_id", "pickup_time", "total", "tip", "company", "fare"):
        assert f"| `{column}` |" in page
    assert "Leak suspects" in page


def test_no_file_of_it_speaks_of_the_table_it_was_copied_from(taxi: Path):
    found = []
    for file in sorted(taxi.rglob("*")):
        inside = file.relative_to(taxi)
        generated = {".git", "runs", "rehearsal", "__pycache__", "sample.parquet"}
        if not file.is_file() or generated & set(inside.parts) or file.name == "requirements.lock":
            continue
        text = file.read_text(encoding="utf-8")
        found += [f"{inside}: {match[0]}" for match in OURS.finditer(f"{inside} {text}")]
    assert found == []


def test_a_run_with_no_edit_trains_judges_pushes_and_reports(taxi: Path, first: str):
    assert line(first, "Anomalies") == "none"
    assert line(first, "Verdict") == "blessed"
    assert re.match(r"RMSE \d+\.\d+ dollars, MAE ", line(first, "Eval"))
    page = (taxi / line(first, "Report")).read_text(encoding="utf-8")
    assert "fare" in page and "dollars" in page
    visible = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", page)
    assert OURS.findall(visible) == []


def test_it_predicts_in_dollars(taxi: Path, first: str):
    trip = {
        **{"miles": 4, "minutes": 20, "pickup_area": "Centre", "shared": "False"},
        **{"pickup_time_hour": 8, "pickup_time_weekday": "Monday", "pickup_time_month": 3},
    }
    answer = run(taxi, "local_runner.py", "predict", json.dumps(trip))
    told = re.fullmatch(r"([\d.]+) dollars, 80% between ([\d.]+) and ([\d.]+)\n", answer)
    assert told
    fare, low, high = map(float, told.groups())
    assert 10 < low < fare < high < 40  # 3.25 + 2.25 * 4 * 1.5 + 0.25 * 20 is 21.75.


def test_its_own_tests_pass(taxi: Path):
    run(taxi, "-m", "pytest", "-q", "-m", "not cloud and not slow")


def test_it_compiles_for_vertex(taxi: Path):
    (taxi / "vertex.toml").write_text(VERTEX)
    run(taxi, "vertex_runner.py", "compile", "--output", "taxi.json")
    assert json.loads((taxi / "taxi.json").read_text())
    assert OURS.findall((taxi / "taxi.json").read_text()) == []


@pytest.mark.cloud
def test_it_is_rehearsed(taxi: Path):
    (taxi / "vertex.toml").write_text(VERTEX)
    out = run(taxi, "vertex_runner.py", "rehearse")
    assert "TunedHyperparameters: done" in out  # Where nothing is tuned, they are looked up.
    assert line(out, "Verdict") == "blessed"
    assert (taxi / line(out, "Pushed to") / "saved_model.pb").exists()
