"""Training: as many steps as told, resumed after a kill, the best kept, alone or with others."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tfx.components.trainer.fn_args_utils import FnArgs

from common.errors import UserError
from models import history
from models.callbacks import (
    CLEARING,
    BestWeights,
    CheckpointSchedule,
    Recorder,
    clear_checkpoints,
    clear_rest,
)
from models.dataset import training_dataset, transformed_chunks
from models.features import HYPERPARAMETERS, LABEL
from models.model import input_sizes, wide_and_deep
from models.names import EXAMPLES, PREDICTION
from models.task import (
    Training,
    checkpoint_folder,
    fit,
    mean_label,
    run_fn,
)
from models.workers import Share, check_batch_size, choose_strategy, share_of

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from absl import logging
from tfx.components.trainer.fn_args_utils import FnArgs
from models.task import run_fn
logging.set_verbosity(logging.INFO)
run_fn(FnArgs(**json.loads(sys.argv[1])))
"""


def start(args: FnArgs, log: Path, **environment: str) -> subprocess.Popen:
    """Runs `run_fn` in a process of its own."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(given)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def reports(text: str) -> dict[int, str]:
    """What was logged, by step."""
    return {int(m[1]): m[2] for m in re.finditer(r"step (\d+): (rmse .*)", text)}


def predictions(args: FnArgs) -> np.ndarray:
    """Of the exported model, on the eval split."""
    model = tf.saved_model.load(args.serving_model_dir)
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(args.eval_files), "GZIP")
    examples = tf.constant(list(records.as_numpy_iterator()))
    return model.signatures[EXAMPLES](examples)[PREDICTION].numpy()


def labels(births: dict[str, list[dict]]) -> np.ndarray:
    return np.array([birth[LABEL.name] for birth in births["eval"]], np.float32)


class Run:
    """One call of `fit` on a new network, with what `run_fn` hands to it."""

    def __init__(self, args: FnArgs, transform: Any) -> None:
        training = Training.from_config(args.custom_config)
        keras.utils.set_random_seed(training.seed)
        chunks = transformed_chunks(args.train_files, transform)
        batches = training_dataset(chunks, training.batch_size, cache=True, seed=1)
        evaluate = transformed_chunks(args.eval_files, transform)
        self.model = wide_and_deep(input_sizes(transform), 7.2, args.train_steps, HYPERPARAMETERS)
        folder = checkpoint_folder(args, training)
        schedule = CheckpointSchedule(args.train_steps, training.checkpoint_interval)
        best = BestWeights(os.path.join(folder, "best"), schedule, write=True)
        self.recorder = Recorder(
            os.path.join(folder, "history.json"),
            args.model_run_dir,
            schedule,
            training.batch_size,
            write=True,
        )
        fit(self.model, batches, evaluate, schedule, folder, best, self.recorder)

    @property
    def steps(self) -> list[int]:
        """Steps that each optimizer has made."""
        return [int(optimizer.iterations) for optimizer in self.model.optimizer]


def test_training_makes_exactly_the_steps_told_and_depends_on_its_seed(
    make_fn_args, transform, tmp_path
):
    one, other = (
        Run(make_fn_args(tmp_path, steps=7, checkpoint_interval=10, seed=seed), transform)
        for seed in (1, 2)
    )
    assert one.steps == other.steps == [7, 7]
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    assert all(not np.allclose(a, b) for a, b in pairs if a.size > 100)


def test_what_is_done_is_not_done_again_after_a_kill_during_the_export(
    make_fn_args, transform, tmp_path
):
    args = make_fn_args(tmp_path, steps=25, checkpoint_interval=10, batch_size=32)
    first, second = Run(args, transform), Run(args, transform)
    # The last interval is shorter than the others.
    assert first.steps == second.steps == [25, 25]
    for one, other in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [record.step for record in first.recorder.records] == [10, 20, 25]
    assert second.recorder.records == first.recorder.records
    assert (first.recorder.resumed_from, second.recorder.resumed_from) == ((), (25,))


def test_an_interval_that_was_killed_before_its_checkpoint_is_recorded_once(
    make_fn_args, transform, tmp_path
):
    args = make_fn_args(tmp_path, steps=20, checkpoint_interval=10, batch_size=32)
    first = Run(args, transform)
    shutil.rmtree(next(tmp_path.glob("checkpoints/*/backup")))
    second = Run(args, transform)
    assert [record.step for record in second.recorder.records] == [10, 20]
    assert second.recorder.records[0].seconds != first.recorder.records[0].seconds
    assert second.recorder.resumed_from == (0,)
    assert list(curve(args, "train")) == [10, 20]


def saved_steps(checkpoints: Path) -> int:
    """Steps in the last checkpoint of the only training there."""
    latest = tf.train.latest_checkpoint(str(next(checkpoints.glob("*/backup/chief"))))
    reader = tf.train.load_checkpoint(latest)
    (name,) = (n for n in reader.get_variable_to_shape_map() if re.search(r"optimizer.*0.*iter", n))
    return int(reader.get_tensor(name))


def test_a_killed_training_continues_from_its_last_checkpoint_and_keeps_its_best(
    make_fn_args, transform, tmp_path, caplog
):
    args = make_fn_args(tmp_path, steps=400, checkpoint_interval=50, batch_size=64)
    checkpoints = tmp_path / "checkpoints"
    child = start(args, tmp_path / "log")
    try:
        until = time.monotonic() + 900
        while not list(checkpoints.glob("*/backup/chief/checkpoint")):
            assert child.poll() is None, (tmp_path / "log").read_text()[-3000:]
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not Path(args.serving_model_dir, "saved_model.pb").exists()
    done = saved_steps(checkpoints)
    assert 50 <= done < 400
    # As if the first run had done better than the second ever will.
    (record,) = checkpoints.glob("*/best/best.json")
    best = json.loads(record.read_text())
    assert best["rmse"] > 0.5
    record.write_text(json.dumps(best | {"rmse": 0.0}))
    keras.utils.set_random_seed(5)
    expected = wide_and_deep(
        input_sizes(transform),
        mean_label(args.train_files, transform),
        400,
        HYPERPARAMETERS,
    )
    expected.load_weights(best["weights"]).expect_partial()

    with caplog.at_level(logging.INFO, "absl"):
        run_fn(args)
    assert list(reports(caplog.text)) == list(range(done + 50, 401, 50))
    assert not list(checkpoints.iterdir())
    (features, _), *_ = transformed_chunks(args.eval_files, transform)
    np.testing.assert_allclose(predictions(args), expected(features)[:, 0], rtol=1e-5)
    # The record and the curves are whole, though two processes made them.
    record = history.read(args.model_run_dir)
    assert record.resumed_from == (done,)
    assert [interval.step for interval in record.records] == list(range(50, 401, 50))
    assert record.best_step == best["step"]
    for split in ("train", "validation"):
        assert list(curve(args, split)) == list(range(50, 401, 50))


def curve(args: FnArgs, split: str) -> dict[int, float]:
    """RMSE by step, as TensorBoard draws it; no step may be there twice."""
    events = EventAccumulator(str(Path(args.model_run_dir, split))).Reload().Tensors("rmse")
    values = {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in events}
    assert len(values) == len(events)
    return values


def test_tensorboard_has_the_error_of_both_splits_by_step(trained):
    records = history.read(trained.model_run_dir).records
    assert curve(trained, "train") == pytest.approx({r.step: r.rmse for r in records})
    assert curve(trained, "validation") == pytest.approx({r.step: r.val_rmse for r in records})


def test_the_record_of_a_training_is_that_of_its_model(trained, births):
    record = history.read(trained.model_run_dir)
    assert [interval.step for interval in record.records] == [50, 100, 150]
    assert (record.steps, record.batch_size, record.seed) == (150, 256, 1)
    assert record.resumed_from == ()
    assert record.best_step == min(record.records, key=lambda r: r.val_rmse).step
    error = float(np.sqrt(np.mean((predictions(trained) - labels(births)) ** 2)))
    assert record.best.val_rmse == pytest.approx(error, abs=1e-4)
    for interval in record.records:
        assert interval.val_loss == pytest.approx(interval.val_rmse**2, rel=1e-4)
        assert interval.examples_per_second == pytest.approx(50 * 256 / interval.seconds)
    seconds = sum(interval.seconds for interval in record.records)
    assert record.examples_per_second == pytest.approx(150 * 256 / seconds)
    assert record.hyperparameters["hidden_units"] == list(HYPERPARAMETERS.hidden_units)


def test_the_record_counts_the_weights_of_each_half(trained, transform):
    sizes = input_sizes(transform)
    found = history.read(trained.model_run_dir).parameters
    assert found.wide == sum(sizes.values())
    model = wide_and_deep(sizes, 7.2, 1, HYPERPARAMETERS)
    assert found.wide + found.deep == model.count_params()


def test_the_checkpoints_are_gone_once_the_model_is_there(trained):
    assert Path(trained.serving_model_dir, "saved_model.pb").is_file()
    assert not list(Path(trained.custom_config["checkpoint_root"]).iterdir())


class TestBestWeights:
    @pytest.fixture
    def model(self) -> keras.Model:
        return keras.Sequential([keras.layers.Dense(1, use_bias=False, input_shape=(1,))])

    def told(self, folder: Path, model: keras.Model, weight: float, rmse: float, **kw: Any) -> None:
        """A training, perhaps another one, that has a weight and sees an error on eval."""
        best = BestWeights(str(folder), CheckpointSchedule(40, 10), **({"write": True} | kw))
        best.set_model(model)
        model.set_weights([np.array([[weight]])])
        best.on_epoch_end(int(weight) - 1, {"val_rmse": rmse})

    def best(self, folder: Path, model: keras.Model) -> float:
        step = BestWeights(str(folder), CheckpointSchedule(40, 10), write=False).load_into(model)
        weight = float(model.get_weights()[0][0, 0])
        assert step == 10 * weight
        return weight

    def test_the_least_error_wins_also_across_restarts(self, tmp_path, model):
        for weight, rmse in [(1, 1.3), (2, 1.1), (3, 1.2), (4, 1.1)]:
            self.told(tmp_path, model, weight, rmse)
        assert self.best(tmp_path, model) == 2

    def test_weights_that_diverged_are_never_best(self, tmp_path, model):
        for weight, rmse in [(1, float("nan")), (2, 1.1), (3, float("nan"))]:
            self.told(tmp_path, model, weight, rmse)
        assert self.best(tmp_path, model) == 2

    def test_a_training_that_only_diverged_says_so(self, tmp_path, model):
        self.told(tmp_path, model, 1, float("nan"))
        with pytest.raises(UserError, match="diverged"):
            self.best(tmp_path, model)

    def test_only_the_chief_writes(self, tmp_path, model):
        self.told(tmp_path, model, 1, 1.3)
        self.told(tmp_path, model, 2, 1.1, write=False)
        assert self.best(tmp_path, model) == 1


def test_the_same_seed_trains_the_same_model_also_when_examples_are_streamed(
    make_fn_args, trained, tmp_path
):
    run_fn(again := make_fn_args(tmp_path, cache_examples=False))
    np.testing.assert_allclose(predictions(again), predictions(trained), rtol=1e-5)


def test_mixed_precision_trains_and_exports_a_model_in_full_precision(mixed, trained, births):
    found, full = (history.read(a.model_run_dir).best.val_rmse for a in (mixed, trained))
    assert found == pytest.approx(full, rel=0.02)
    error = float(np.sqrt(np.mean((predictions(mixed) - labels(births)) ** 2)))
    assert error == pytest.approx(found, rel=0.005)


@pytest.mark.parametrize(
    "change",
    [{"steps": 7}, {"seed": 2}, {"batch_size": 64}, {"checkpoint_interval": 9}, {"code": "new"}],
    ids=str,
)
def test_another_training_does_not_find_the_checkpoints_of_this_one(make_fn_args, tmp_path, change):
    def folder(args: FnArgs) -> str:
        return checkpoint_folder(args, Training.from_config(args.custom_config))

    args = make_fn_args(tmp_path)
    again = make_fn_args(tmp_path)
    # TFX gives a second attempt other folders for what it writes.
    again.serving_model_dir, again.model_run_dir = "elsewhere", "there"
    assert folder(again) == folder(args)
    assert folder(make_fn_args(tmp_path, **change)) != folder(args)
    for name in ("train_files", "eval_files", "transform_output"):
        other = make_fn_args(tmp_path)
        setattr(other, name, ["other"] if name.endswith("files") else "other")
        assert folder(other) != folder(args)


def test_settings_come_through_what_tfx_carries(make_fn_args, tmp_path):
    config = make_fn_args(tmp_path).custom_config
    carried = json.loads(json.dumps(config)) | {"what_tfx_adds": 1}
    assert Training.from_config(carried).to_config() == config


def cluster(task: str, index: int = 0, **jobs: int) -> str:
    addresses = {job: [f"127.0.0.1:{2000 + i}" for i in range(n)] for job, n in jobs.items()}
    return json.dumps({"cluster": addresses, "task": {"type": task, "index": index}})


@pytest.mark.parametrize("config", [None, "", "{}", cluster("chief", chief=1)])
def test_a_machine_alone_uses_no_distribution(monkeypatch, config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    strategy = choose_strategy()
    assert strategy is tf.distribute.get_strategy()
    assert share_of(strategy) == Share()


@pytest.mark.parametrize(
    ("config", "share"),
    [
        (cluster("chief", chief=1, worker=2), Share(0, 3)),
        (cluster("worker", 0, chief=1, worker=2), Share(1, 3)),
        (cluster("worker", 1, chief=1, worker=2), Share(2, 3)),
        (cluster("worker", 0, worker=2), Share(0, 2)),
        (cluster("worker", 1, worker=2), Share(1, 2)),
    ],
)
def test_each_process_of_several_knows_its_share(monkeypatch, config, share):
    monkeypatch.setenv("TF_CONFIG", config)
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    assert share_of(SimpleNamespace(cluster_resolver=resolver)) == share


def test_a_batch_that_can_t_be_divided_is_refused():
    with pytest.raises(UserError) as caught:
        check_batch_size(512, SimpleNamespace(num_replicas_in_sync=3))
    assert "512 examples can't be divided evenly among 3 replicas" in caught.value.cause
    assert "such as 513" in caught.value.cure


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def start_cluster(args: FnArgs, folder: Path) -> dict[str, subprocess.Popen]:
    """A chief and a worker, each with a folder of its own for a model."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    jobs = {"chief": addresses[:1], "worker": addresses[1:]}
    processes = {}
    for job in jobs:
        args.serving_model_dir = str(folder / job / "model")
        task = {"cluster": jobs, "task": {"type": job, "index": 0}}
        processes[job] = start(args, folder / f"{job}.log", TF_CONFIG=json.dumps(task))
    return processes


@pytest.fixture
def end() -> Iterator[list[subprocess.Popen]]:
    """Processes that do not outlive the test."""
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_two_workers_share_the_work_and_go_on_after_one_was_lost(
    make_fn_args: Callable[..., FnArgs],
    tmp_path: Path,
    births: dict[str, list[dict]],
    end: list[subprocess.Popen],
) -> None:
    # The eval split is one file, which both read; the train split is one for each.
    args = make_fn_args(tmp_path, steps=320, checkpoint_interval=50)
    cluster = start_cluster(args, tmp_path)
    end.extend(cluster.values())
    until = time.monotonic() + 900
    while not list(tmp_path.glob("checkpoints/*/backup/chief/checkpoint")):
        assert time.monotonic() < until
        for job, worker in cluster.items():
            assert worker.poll() is None, (tmp_path / f"{job}.log").read_text()[-3000:]
        time.sleep(0.02)
    cluster["worker"].kill()
    # The chief can't go on alone: it ends, and says so by its status.
    assert cluster["chief"].wait(timeout=900) != 0
    assert not (tmp_path / "chief" / "model" / "saved_model.pb").exists()
    done = saved_steps(tmp_path / "checkpoints")
    assert 50 <= done < 320

    # As Vertex AI does, all are started again.
    cluster = start_cluster(args, tmp_path)
    end.extend(cluster.values())
    for job, worker in cluster.items():
        assert worker.wait(timeout=900) == 0, (tmp_path / f"{job}.log").read_text()[-3000:]
    chief, other = (reports((tmp_path / f"{job}.log").read_text()) for job in cluster)
    # Both made every step, of the same network, from the last checkpoint on.
    steps = [*range(50, 320, 50), 320]
    assert list(chief) == [step for step in steps if step > done]
    assert other == chief
    record = history.read(args.model_run_dir)
    assert record.resumed_from == (done,)
    assert [interval.step for interval in record.records] == steps
    assert list(curve(args, "validation")) == steps
    # Every row was read by one of them.
    assert [(worker.name, worker.files) for worker in record.workers] == [
        ("chief", 1),
        ("worker 1", 1),
    ]
    rows = [worker.rows for worker in record.workers]
    assert sum(rows) == len(births["train"])
    assert abs(rows[0] - rows[1]) <= 1
    # The other left an empty folder: TFX asks for one.
    assert not list((tmp_path / "worker" / "model").iterdir())
    args.serving_model_dir = str(tmp_path / "chief" / "model")
    error = float(np.sqrt(np.mean((predictions(args) - labels(births)) ** 2)))
    assert error == pytest.approx(record.best.val_rmse, abs=1e-3)
    assert not list((tmp_path / "checkpoints").iterdir())


class Killed(BaseException):
    """As a kill, nothing catches it."""


def test_checkpoints_are_cleared_so_that_any_prefix_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = {"best.json", "history.json", "backup/checkpoint", "backup/1.index", "best/weights-1"}
    for allowed in range(20):
        folder = tmp_path / str(allowed)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        left = iter(range(allowed))

        def remove(file: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed
            os.remove(file)

        def rmtree(place: str, remove: Callable[[str], None] = remove) -> None:
            for file in sorted(Path(place).rglob("*")):
                if file.is_file():
                    remove(str(file))
            shutil.rmtree(place)

        with monkeypatch.context() as patch:
            patch.setattr(tf.io.gfile, "remove", remove)
            patch.setattr(tf.io.gfile, "rmtree", rmtree)
            try:
                clear_checkpoints(str(folder))
            except Killed:
                pass
            else:
                assert not folder.exists()
                break
        there = {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}
        assert names <= there or CLEARING in there
        clear_rest(str(folder))
        assert not folder.exists()
    assert allowed == len(names) + 1


def test_whole_checkpoints_are_not_cleared(tmp_path: Path):
    (tmp_path / "best.json").touch()
    clear_rest(str(tmp_path))
    assert (tmp_path / "best.json").exists()
