"""Tuning: trials in processes of their own, resumed after a kill; the best an artifact."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tfx.components.trainer.fn_args_utils import FnArgs

from common.errors import UserError
from models import history, search_trial
from models.features import HYPERPARAMETERS
from models.hyperparameters import from_tuning, resolve
from models.search import Search
from models.search_space import SPACE, to_keras_tuner, typed
from models.task import Training, run_fn
from models.tuning import ProcessTuner, check_any_done

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from tfx.types import standard_artifacts
from pipeline.components.tuner import Executor
told = json.loads(sys.argv[1])
artifacts = {
    "examples": standard_artifacts.Examples(),
    "transform_graph": standard_artifacts.TransformGraph(),
    "best_hyperparameters": standard_artifacts.HyperParameters(),
    "tuner_results": standard_artifacts.TunerResults(),
}
for name, artifact in artifacts.items():
    artifact.uri = told[name]
artifacts["examples"].split_names = '["train", "eval", "test"]'
inputs = {name: [artifacts[name]] for name in ("examples", "transform_graph")}
outputs = {name: [artifacts[name]] for name in ("best_hyperparameters", "tuner_results")}
context = Executor.Context(tmp_dir=told["tmp"], unique_id="1")
Executor(context).Do(inputs, outputs, told["properties"])
"""


class TestSpace:
    def test_what_is_set_is_tried_first_and_what_is_chosen_is_kept(self):
        start = dataclasses.replace(HYPERPARAMETERS, hidden_units=(7, 5), wide_l2=1e4)
        found = to_keras_tuner(SPACE, start, ["category_embedding"])
        assert found.values["hidden_units"] == "7,5"
        assert found.values["wide_l2"] == 1e4
        by_name = {each.name: each for each in found.space}
        assert "64,32" in by_name["hidden_units"].values
        assert by_name["wide_l2"].max_value == 1e4
        assert type(by_name["category_embedding"]).__name__ == "Fixed"
        assert from_tuning(found.values)["hidden_units"] == (7, 5)

    def test_no_regularisation_at_all_is_a_place_to_start(self):
        start = dataclasses.replace(HYPERPARAMETERS, wide_l2=0.0)
        assert 0 < to_keras_tuner(SPACE, start).values["wide_l2"] < 0.01

    def test_what_another_service_chose_is_read_as_what_it_is(self):
        space = to_keras_tuner(SPACE, HYPERPARAMETERS, ["cross_share"])
        given = {"hidden_units": "128,64", "category_embedding": "8.0", "wide_l2": 0.5}
        found = typed(space, given)
        assert (found["hidden_units"], found["wide_l2"]) == ("128,64", 0.5)
        assert repr(found["category_embedding"]) == "8"
        assert found["cross_share"] == HYPERPARAMETERS.cross_share

    def test_chosen_overrules_tuned_and_tuned_what_a_base_model_had(self):
        base = dataclasses.replace(HYPERPARAMETERS, wide_l2=1.0, cross_share=0.5)
        tuned = {"wide_l2": 2.0, "hidden_units": (8,)}
        found, sources = resolve(HYPERPARAMETERS, ["hidden_units"], tuned, base)
        assert (found.hidden_units, found.wide_l2, found.cross_share) == ((64, 32), 2.0, 0.5)
        assert sources["hidden_units"] == "chosen"
        assert sources["wide_l2"] == "tuned"
        assert sources["cross_share"] == "of the base model"


def test_a_container_trains_with_its_arguments_and_reports(
    make_fn_args: Callable[..., FnArgs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    args = make_fn_args(tmp_path, steps=6, checkpoint_interval=3)
    search = Search(3, 1, Training.from_config(args.custom_config))
    names = ("train_files", "eval_files", "train_steps", "transform_output")
    shared = {name: getattr(args, name) for name in names}
    metrics = tmp_path / "hypertune" / "output.metrics"
    monkeypatch.setenv("AIP_MODEL_DIR", f"{tmp_path}/2/model/")
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "2")
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(metrics))
    told = ["--hidden_units=32", "--category_embedding=2.0", "--wide_l2=0.5"]
    search_trial.main([search_trial.to_argument(search, shared), *told])
    record = history.read(tmp_path / "2" / "run")
    tried = record.hyperparameters
    assert (list(tried["hidden_units"]), tried["category_embedding"]) == ([32], 2)
    assert (tried["wide_l2"], tried["cross_share"]) == (0.5, HYPERPARAMETERS.cross_share)
    reported = json.loads(metrics.read_text())
    assert (reported["trial"], reported["val_rmse"]) == ("2", str(record.best.val_rmse))


def test_a_trial_that_diverged_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "output.metrics"))
    with pytest.raises(ArithmeticError, match="val_rmse is nan"):
        search_trial.report(float("nan"))
    assert not list(tmp_path.iterdir())


class Killed(BaseException):
    """Stands for a kill."""


@pytest.fixture
def resume(make_fn_args: Callable[..., FnArgs], tmp_path: Path) -> Callable[[], ProcessTuner]:
    """Starts the same search, or goes on with it."""
    args = make_fn_args(tmp_path)
    search = Search(3, 1, Training.from_config(args.custom_config))
    return lambda: ProcessTuner(search, {}, str(tmp_path / "search"))


@pytest.mark.parametrize("written", range(4))
def test_a_kill_while_a_trial_is_written_loses_none(
    resume: Callable[[], ProcessTuner], written: int, monkeypatch: pytest.MonkeyPatch
):
    first = resume()
    first.save()
    rename, counted = tf.io.gfile.rename, itertools.count()

    def rename_or_be_killed(*args: Any, **kwargs: Any) -> None:
        if next(counted) == written:
            raise Killed
        rename(*args, **kwargs)

    monkeypatch.setattr(tf.io.gfile, "rename", rename_or_be_killed)
    with pytest.raises(Killed):
        trial = first.oracle.create_trial("tuner0")
        trial.status = "COMPLETED"
        trial.metrics.register("val_rmse", direction="min")
        trial.metrics.update("val_rmse", 1.0, step=0)
        first.oracle.end_trial(trial)
    monkeypatch.undo()

    oracle = resume().oracle
    for number in range(3):
        trial = oracle.create_trial("tuner0")
        assert trial.trial_id == str(number)
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert oracle.create_trial("tuner0").status == "STOPPED"
    with pytest.raises(UserError, match="No trial"):
        check_any_done(oracle)


@pytest.fixture(scope="module")
def told(
    make_fn_args: Callable[..., FnArgs], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the executor of the Tuner is told of a search of three trials, two at a time."""
    folder = tmp_path_factory.mktemp("search")
    args = make_fn_args(folder, checkpoint_interval=10)
    search = Search(3, 2, Training.from_config(args.custom_config))
    return {
        "examples": str(Path(args.train_files[0]).parents[1]),
        "transform_graph": args.transform_output,
        "best_hyperparameters": str(folder / "best"),
        "tuner_results": str(folder / "results"),
        "tmp": str(folder / "tmp"),
        "properties": {
            "tuner_fn": "models.tuning.tuner_fn",
            "train_args": json.dumps({"splits": ["train"], "num_steps": 30}),
            "eval_args": json.dumps({"splits": ["eval"]}),
            "custom_config": json.dumps(search.to_config()),
        },
    }


def start(told: dict[str, Any]) -> subprocess.Popen[bytes]:
    folder = Path(told["tmp"]).parent
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(told)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


def trials_of(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the search knows of each trial."""
    (search,) = Path(told["tmp"]).parent.glob("checkpoints/search-*")
    trials = {}
    for file in search.glob("search/trial_*/trial.json"):
        with contextlib.suppress(json.JSONDecodeError):  # KerasTuner is about to write it.
            trials[file.parent.name] = json.loads(file.read_text())
    return trials


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # Nobody may have asked how it ended.


@pytest.fixture(scope="module")
def searched(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A search that was killed after a trial, and was started again; the trials before the kill."""
    folder = Path(told["tmp"]).parent
    process = start(told)
    try:
        until = time.monotonic() + 900
        done: dict[str, dict[str, Any]] = {}
        started: set[int] = set()
        while not done:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < until
            time.sleep(0.05)
            started |= set(children(process.pid))
            if list(folder.glob("checkpoints/search-*")):
                known = trials_of(told)
                done = {name: t for name, t in known.items() if t["status"] == "COMPLETED"}
    finally:
        process.kill()
        process.wait()
    while any(map(alive, started)):
        assert time.monotonic() < until, "a trial outlived the search that was killed"
        time.sleep(0.1)
    again = start(told)
    try:
        assert again.wait(timeout=900) == 0, (folder / "log").read_text()[-3000:]
    finally:
        again.kill()
    return done


@pytest.mark.slow
def test_a_search_that_was_killed_keeps_what_it_has_tried(
    told: dict[str, Any], searched: dict[str, dict[str, Any]]
):
    results = json.loads(Path(told["tuner_results"], "tuner_results.json").read_text())
    assert sorted(trial["trial_id"] for trial in results) == ["0", "1", "2"]
    scores = {f"trial_{trial['trial_id']}": trial["score"] for trial in results}
    for name, trial in searched.items():
        assert scores[name] == trial["score"]
    assert not list((Path(told["tmp"]).parent / "checkpoints").iterdir())


@pytest.mark.slow
def test_the_first_trial_is_what_was_set_so_the_best_is_no_worse(
    told: dict[str, Any], searched: dict[str, dict[str, Any]]
):
    results = json.loads(Path(told["tuner_results"], "tuner_results.json").read_text())
    first = next(trial for trial in results if trial["trial_id"] == "0")
    assert first["hidden_units"] == ",".join(map(str, HYPERPARAMETERS.hidden_units))
    assert first["wide_l2"] == HYPERPARAMETERS.wide_l2
    (file,) = Path(told["best_hyperparameters"]).iterdir()
    best = min(results, key=lambda trial: trial["score"])
    assert json.loads(file.read_text())["values"].items() <= best.items()


@pytest.mark.slow
def test_tensorboard_has_every_trial(told: dict[str, Any], searched: dict[str, dict[str, Any]]):
    for number in range(3):
        events = EventAccumulator(str(Path(told["tuner_results"], f"trial-{number}"))).Reload()
        assert "_hparams_/session_start_info" in events.Tags()["tensors"]


@pytest.mark.slow
def test_training_takes_what_tuning_found(
    told: dict[str, Any],
    searched: dict[str, dict[str, Any]],
    make_fn_args: Callable[..., FnArgs],
    tmp_path: Path,
):
    (file,) = Path(told["best_hyperparameters"]).iterdir()
    args = make_fn_args(tmp_path, steps=30, checkpoint_interval=10)
    args.hyperparameters = json.loads(file.read_text())
    run_fn(args)
    record = history.read(args.model_run_dir)
    results = json.loads(Path(told["tuner_results"], "tuner_results.json").read_text())
    assert record.best.val_rmse == pytest.approx(min(t["score"] for t in results), abs=2e-3)
    assert record.sources["wide_l2"] == "tuned"
    assert record.sources["label_scale"] == "declared"
