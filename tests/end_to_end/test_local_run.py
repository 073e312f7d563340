"""`python local_runner.py`, as its user sees it: on the console, in files and in ML Metadata."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from answers import (
    as_the_evaluator,
    by_command,
    by_protocol,
    by_request,
    by_stream,
    read_examples,
)
from checkout import Ended, Project

from pipeline.settings import load_settings

COMPONENTS = load_settings().components

LOOK_UPS = {"PreviousStatistics", "TunedHyperparameters", "Baseline"}
"""Not components, so TFX never caches them."""

BIRTH = {"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}


@pytest.fixture(scope="module")
def first(project: Project) -> Ended:
    """The first run on a new root."""
    ended = project.run()
    assert ended.status == 0, ended.out + ended.err
    return ended


def cached(project: Project) -> set[str]:
    return {node for node, state in project.states.items() if state == "CACHED"}


def executed(project: Project) -> set[str]:
    """The components of the latest run that ran."""
    return {n for n, state in project.states.items() if state == "COMPLETE"} - LOOK_UPS


def summary(ended: Ended, name: str) -> str:
    return "\n".join(re.findall(rf"^  {name} +(.*)$", ended.out, re.MULTILINE))


def test_the_first_run_executes_all_and_pushes(project: Project, first: Ended):
    assert project.states == dict.fromkeys(COMPONENTS, "COMPLETE")
    (version,) = project.pushed
    assert summary(first, "Verdict") == "blessed"
    assert summary(first, "Pushed to").endswith(f"/serving/natality/{version}")
    assert summary(first, "Baseline") == "none yet"
    assert summary(first, "Replay").startswith("1,000 requests of the test split: p50 ")
    assert not list((project.root / "checkpoints").iterdir())


def test_the_summary_tells_what_came_of_it(first: Ended):
    assert re.fullmatch(r"[\d,]+ train, [\d,]+ eval, [\d,]+ test", summary(first, "Examples"))
    assert summary(first, "Anomalies") == "none"
    assert re.match(r"RMSE \d\.\d+ lb, MAE \d\.\d+ lb", summary(first, "Eval"))
    assert "tensorboard --logdir" in summary(first, "TensorBoard")


def test_a_thousand_rows_get_the_same_answer_in_every_way(
    project: Project, first: Ended, tmp_path: Path
):
    folder = project.root / "serving" / "natality"
    examples = read_examples(project.root / "pipeline" / "BigQueryExampleGen", 1000)
    expected = pytest.approx(as_the_evaluator(folder, examples), rel=1e-5)
    ways = dict(by_protocol(folder, examples))
    ways["predict --input"] = by_command(project, tmp_path, examples)
    ways["stream --input"] = by_stream(folder, tmp_path, examples)
    assert len(examples) == 1000
    assert len(ways) == 7
    for way, answers in ways.items():
        assert answers == expected, way
    assert by_request(folder, examples[:3]) == pytest.approx(expected.expected[:3], rel=1e-5)


def test_the_console_is_calm_and_the_log_is_not(project: Project, first: Ended):
    assert first.err == ""
    lines = first.out.splitlines()
    assert re.fullmatch(r"natality run \d{8}-\d{6} on sample", lines[0])
    told = [re.fullmatch(r"(\w+): done \d+\.\d s", line) for line in lines[1 : len(COMPONENTS) + 1]]
    assert sorted(m[1] for m in told if m) == sorted(COMPONENTS)
    assert len(lines) < 30
    log = project.log.read_text()
    assert summary(first, "Log") == str(project.log)
    assert "step 60: rmse" in log
    assert "Going to run a new execution" in log


def test_an_unchanged_run_is_cache_and_looks_well_on_a_terminal(project: Project, first: Ended):
    before, first_id = project.pushed, project.log.stem
    ended = project.run_on_terminal()
    assert ended.status == 0
    assert cached(project) == set(COMPONENTS) - LOOK_UPS
    assert project.pushed == before
    # It was told without TFX: nobody else writes this sentence, and TFX writes many.
    (log,) = project.log.read_text().splitlines()
    assert log == f"Nothing has changed since run {first_id}: all that it made is in the cache."

    text = (
        re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", ended.out).replace("\r\n", "\n").replace("\r", "\n")
    )
    assert "loading TensorFlow" not in text
    for line in (
        "Examples",
        "Anomalies",
        "Eval",
        "Baseline",
        "Replay",
        "Verdict",
        "Pushed to",
        "Report",
    ):
        assert re.findall(rf"^  {line} +(.*)$", text, re.MULTILINE) == [summary(first, line)]
    _, newest, before_it = project.run("report").out.splitlines()
    assert newest.split()[0] == project.log.stem
    assert newest.split()[1:4] == before_it.split()[1:4]
    (last_list,) = re.findall(
        rf"((?:^[=✓].*\n){{{len(COMPONENTS)}}})\n  Examples", text, re.MULTILINE
    )
    rows = last_list.splitlines()
    assert [row.split()[1] for row in rows] == list(project.states)
    assert {row.split()[1] for row in rows if row.split()[-1] == "cached"} == cached(project)
    assert {row.rstrip().rindex(" ") for row in rows} == {rows[0].rstrip().rindex(" ")}
    assert "warning" not in text.casefold()
    assert ended.out.rindex("\x1b[?25h") > ended.out.rindex("\x1b[?25l")  # The cursor is back.


@pytest.mark.slow
def test_an_edit_of_comments_re_runs_nothing(project: Project, first: Ended):
    with (
        project.edited("models/model.py", '"""The wide-and-deep network.', '"""The network.'),
        project.edited("models/transform.py", "outputs: dict", "# A comment.\n    outputs: dict"),
    ):
        ended = project.run()
    assert ended.status == 0
    assert cached(project) == set(COMPONENTS) - LOOK_UPS


@pytest.mark.slow
def test_an_edit_of_the_network_re_runs_training_and_is_compared(project: Project, first: Ended):
    before = project.pushed
    with project.edited("models/model.py", 'activation="relu"', 'activation="tanh"'):
        ended = project.run()
    assert ended.status == 0, ended.out
    assert executed(project) == {"Trainer", "Evaluator", "Replay", "Pusher", "Report"}
    assert cached(project) == set(COMPONENTS) - executed(project) - LOOK_UPS
    assert summary(ended, "Baseline") == summary(first, "Eval")
    assert summary(ended, "Eval") != summary(first, "Eval")
    assert "champion" in summary(ended, "Replay")
    assert len(project.pushed - before) == 1


@pytest.mark.slow
def test_a_warm_start_goes_on_from_the_last_blessed_model(project: Project, first: Ended):
    ended = project.run("--warm-start", "--train-steps", "30", "--to", "Trainer")
    assert ended.status == 0, ended.out
    assert "BaseModel: done" in ended.out
    assert re.match(r"warm, from step \d+ of the last blessed model", summary(ended, "Start"))
    assert executed(project) - LOOK_UPS - {"BaseModel"} == {"Trainer"}
    assert re.search(
        r"Training goes on from step \d+ of .*/Format-Serving", project.log.read_text()
    )
    records = project.root.glob("pipeline/Trainer/model_run/*/training.json")
    latest = max(records, key=lambda record: int(record.parent.name))
    base = json.loads(latest.read_text())["base"]
    assert base["carried"]
    assert not base["differences"]


@pytest.mark.slow
def test_an_edit_of_the_query_re_runs_all_and_a_bad_model_is_not_pushed(
    project: Project, first: Ended
):
    before = project.pushed
    with project.edited("data/natality.sql", "mother_age < 99", "mother_age < 44"):
        ended = project.run("--max-rmse", "0.3")
    assert ended.status == 3
    assert executed(project) == set(COMPONENTS) - LOOK_UPS - {"ImportSchemaGen"}
    assert project.pushed == before
    assert summary(ended, "Verdict") == "not blessed"
    assert re.search(r"all examples: RMSE is \d\.\d+ lb; 0\.300 is allowed", ended.out)
    assert "Pushed to" not in ended.out
    assert ended.err == ""


@pytest.mark.slow
def test_from_reuses_what_was_made_before(project: Project, first: Ended):
    ended = project.run("--from", "Trainer", "--train-steps", "40")
    assert ended.status == 0, ended.out
    assert "Transform: reused" in ended.out
    for component in ("Trainer", "Evaluator", "Pusher"):
        assert f"{component}: done" in ended.out
    assert summary(ended, "Verdict") == "blessed"


@pytest.mark.slow
def test_an_edit_of_the_schema_re_runs_what_reads_it(project: Project, first: Ended):
    schema = (project.folder / "schema" / "schema.pbtxt").read_text()
    last_month = re.findall(r'name: "month"[^}]*?max: 12', schema, re.DOTALL)
    assert len(last_month) == 1, "the schema bounds the months"
    wider = last_month[0].replace("max: 12", "max: 13")
    with project.edited("schema/schema.pbtxt", last_month[0], wider):
        ended = project.run("--to", "AnomalyGate")
    assert ended.status == 0, ended.out
    assert executed(project) == {"ImportSchemaGen", "ExampleValidator", "AnomalyGate"}
    # A look-up that waits for nothing is not run either, where nothing that runs asks for it.
    reused = {"BigQueryExampleGen", "StatisticsGen", "SchemaGen", "TunedHyperparameters"}
    assert cached(project) == reused
    assert "Transform: skipped" in ended.out
    assert "Verdict" not in ended.out


@pytest.mark.slow
def test_a_run_that_ends_before_the_evaluation_has_no_verdict(project: Project, first: Ended):
    ended = project.run("--to", "Baseline")
    assert ended.status == 0, ended.out
    assert "Evaluator: skipped" in ended.out
    assert "Verdict" not in ended.out
    assert "Pushed to" not in ended.out


def test_predict_asks_the_newest_pushed_model(project: Project, first: Ended):
    ended = project.run("predict", json.dumps(BIRTH))
    assert ended.status == 0, ended.err
    assert ended.err == ""
    told = re.fullmatch(r"(\d+\.\d\d) lb, 80% between (\d+\.\d) and (\d+\.\d)\n", ended.out)
    assert told
    weight, low, high = map(float, told.groups())
    assert 2 < low < weight < high < 12


def test_predict_refuses_a_wrong_field_at_once(project: Project, first: Ended):
    ended = project.run("predict", json.dumps(BIRTH | {"mother_aeg": 28}))
    assert ended.status == 1
    assert "There is no field 'mother_aeg'.\nDid you mean mother_age?" in ended.err
    assert "Traceback" not in ended.err
