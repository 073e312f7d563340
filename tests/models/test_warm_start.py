"""A warm start: what is taken over of the last blessed model, and what training makes of it."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tfx.components.trainer.fn_args_utils import FnArgs

from models import history
from models.callbacks import Report
from models.dataset import transformed_chunks
from models.features import HYPERPARAMETERS, LABEL
from models.model import input_sizes, wide_and_deep
from models.task import run_fn
from models.training_state import Meaning, TrainingState, load_state, read_inputs
from models.warm_start import carry_over, carry_rows, differences

STEPS = 60


@pytest.fixture(scope="module")
def base(trained: FnArgs) -> TrainingState:
    """What a training of 150 steps left."""
    state = load_state(trained.serving_model_dir)
    assert state is not None
    return state


@pytest.fixture
def fresh(transform: tft.TFTransformOutput, base: TrainingState) -> keras.Model:
    """A network for the same data, with weights of its own."""
    keras.utils.set_random_seed(7)
    return wide_and_deep(input_sizes(transform), base.mean_label, STEPS, HYPERPARAMETERS)


@pytest.fixture(scope="module")
def chunk(example_files: dict[str, str], transform: tft.TFTransformOutput) -> Any:
    """The eval split: features and labels."""
    return next(iter(transformed_chunks([example_files["eval"]], transform)))


def error(model: keras.Model, chunk: Any) -> float:
    features, label = chunk
    return float(np.sqrt(np.mean((model(features)[:, 0] - label) ** 2)))


class TestRows:
    rows = np.array([[1.0], [2.0], [3.0]])

    def test_words_keep_their_weights_in_any_order_and_a_new_one_starts_at_zero(self):
        there = Meaning(3, words=("a", "b"))
        taken, kept = carry_rows(self.rows, there, Meaning(5, words=("c", "b", "d", "a")))
        assert taken.ravel().tolist() == [0, 2, 0, 1, 3]  # The last is for all unseen words.
        assert kept == 3
        otherwise, _ = carry_rows(self.rows, there, Meaning(2, words=("c",)), 9)
        assert otherwise.ravel().tolist() == [9, 3]

    def test_a_range_that_moved_has_the_mean_of_those_it_covers(self):
        there = Meaning(3, edges=(0, 10, 20, 30))
        taken, kept = carry_rows(self.rows, there, Meaning(3, edges=(0, 10, 15, 30)))
        assert taken.ravel() == pytest.approx([1, 2, (2 * 5 + 3 * 10) / 15])
        assert kept == 1
        wider, kept = carry_rows(self.rows, there, Meaning(4, edges=(-10, 0, 0, 25, 40)))
        assert wider.ravel() == pytest.approx([1, 1, (10 + 20 + 15) / 25, 3])
        assert kept == 0

    def test_a_cross_is_the_same_or_new(self):
        there = Meaning(3, identity="a x b")
        same, kept = carry_rows(self.rows, there, Meaning(3, identity="a x b"))
        assert (same.tolist(), kept) == (self.rows.tolist(), 3)
        other, kept = carry_rows(self.rows, there, Meaning(4, identity="a x c"))
        assert (other.ravel().tolist(), kept) == ([0] * 4, 0)


def test_a_state_says_what_the_weights_stand_for(
    base: TrainingState, transform: tft.TFTransformOutput, transformed: dict[str, Any]
):
    assert base.inputs == read_inputs(transform, HYPERPARAMETERS)
    assert base.label == (LABEL.name, LABEL.unit)
    assert base.hyperparameters == HYPERPARAMETERS
    sparse = base.inputs.sparse
    words = [word.decode() for word in transform.vocabulary_by_name("plurality")]
    assert list(sparse["plurality"].words) == words
    # The mean behind a z-score, and the boundaries of quantiles, are those of the train split.
    mean, deviation = base.inputs.scales["mother_age_z"]
    ages = transformed["mother_age_z"] * deviation + mean
    np.testing.assert_allclose(ages, np.round(ages), atol=1e-3)
    edges = sparse["mother_age_quantile"].edges
    found = np.searchsorted(edges[1:-1], np.round(ages), side="right")
    np.testing.assert_array_equal(found, transformed["mother_age_quantile"])


def test_the_same_data_gives_the_same_model(
    base: TrainingState, fresh: keras.Model, chunk: Any, model: Any, trained: FnArgs
):
    carried = carry_over(base, fresh, base.inputs, HYPERPARAMETERS)
    assert all(input_.kept == input_.size for input_ in carried)
    assert error(fresh, chunk) == pytest.approx(
        history.read(trained.model_run_dir).best.val_rmse, abs=1e-4
    )


def test_what_ftrl_has_learned_is_not_forgotten_at_the_next_step(
    base: TrainingState, fresh: keras.Model, chunk: Any
):
    carry_over(base, fresh, base.inputs, HYPERPARAMETERS)
    (before,) = fresh.linear_model.get_weights()
    features, label = chunk
    fresh.train_on_batch({name: v[:256] for name, v in features.items()}, label[:256])
    (after,) = fresh.linear_model.get_weights()
    assert 0 < np.abs(after - before).max() < 0.1 * np.abs(before).max()


def test_other_words_and_scales_change_no_prediction(
    base: TrainingState, transform: tft.TFTransformOutput, chunk: Any
):
    sparse = dict(base.inputs.sparse)
    words = ("A new word", *reversed(sparse["plurality"].words))
    sparse["plurality"] = Meaning(len(words) + 1, words=words)
    mean, deviation = base.inputs.scales["mother_age_z"]
    scales = {**base.inputs.scales, "mother_age_z": (mean - 3, deviation * 2)}
    inputs = replace(base.inputs, sparse=sparse, scales=scales)
    sizes = input_sizes(transform) | {"plurality": len(words) + 1}
    model = wide_and_deep(sizes, base.mean_label, STEPS, HYPERPARAMETERS)
    carried = carry_over(base, model, inputs, HYPERPARAMETERS)
    assert {c.name: c.size - c.kept for c in carried if c.kept < c.size} == {"plurality": 1}

    same = wide_and_deep(input_sizes(transform), base.mean_label, STEPS, HYPERPARAMETERS)
    carry_over(base, same, base.inputs, HYPERPARAMETERS)
    features, _ = chunk
    age = features["mother_age_z"] * deviation + mean
    moved = {
        "plurality": len(words) - 1 - features["plurality"],
        "mother_age_z": (age - (mean - 3)) / (deviation * 2),
    }
    np.testing.assert_allclose(model({**features, **moved}), same(features), atol=1e-4)


def test_what_does_not_fit_is_named(base: TrainingState):
    assert differences(base, LABEL, HYPERPARAMETERS) == ()
    wider = replace(HYPERPARAMETERS, hidden_units=(128,), wide_l2=1.0)
    assert differences(base, LABEL, wider) == ("its hidden_units is 64,32, not 128",)
    grams = replace(LABEL, unit="g")
    assert differences(base, grams, HYPERPARAMETERS) == (
        "it predicts weight_pounds in lb, not weight_pounds in g",
    )


class Killed(BaseException):
    """As a kill, nothing catches it."""


@pytest.fixture(scope="module")
def warm(
    trained: FnArgs,
    make_fn_args: Callable[..., FnArgs],
    tmp_path_factory: pytest.TempPathFactory,
) -> FnArgs:
    """A training that went on from another, and was killed on its way."""
    args = make_fn_args(tmp_path_factory.mktemp("warm"), steps=STEPS, checkpoint_interval=20)
    args.base_model = trained.serving_model_dir
    with pytest.MonkeyPatch.context() as patch:
        told = Report.on_epoch_end

        def killed(self: Report, epoch: int, logs: Any) -> None:
            told(self, epoch, logs)
            if epoch == 1:
                raise Killed

        patch.setattr(Report, "on_epoch_end", killed)
        with pytest.raises(Killed):
            run_fn(args)
    run_fn(args)
    return args


def test_a_warm_start_begins_where_the_base_model_ended(warm: FnArgs, trained: FnArgs):
    before, after = (history.read(args.model_run_dir) for args in (trained, warm))
    assert after.base.step == before.best_step
    assert after.base.differences == ()
    assert [record.step for record in after.records] == [0, 20, 40, 60]
    assert after.records[0].val_rmse == pytest.approx(before.best.val_rmse, abs=1e-4)
    assert after.best.val_rmse <= before.best.val_rmse + 1e-4
    # From the start it is better than the cold one was after as many steps.
    assert after.records[1].val_rmse < before.records[0].val_rmse
    assert set(after.sources.values()) == {"of the base model"}


def test_a_warm_start_that_was_killed_goes_on(warm: FnArgs):
    assert history.read(warm.model_run_dir).resumed_from == (40,)
    assert not list(Path(warm.custom_config["checkpoint_root"]).iterdir())


def test_steps_are_counted_over_all_trainings(warm: FnArgs, trained: FnArgs):
    first, second = (history.read(args.model_run_dir) for args in (trained, warm))
    state = load_state(warm.serving_model_dir)
    assert [a.model for a in state.lineage] == [trained.serving_model_dir, warm.serving_model_dir]
    assert state.step == first.best_step + second.best_step
    folder = str(Path(warm.model_run_dir, "validation"))
    steps = [e.step for e in EventAccumulator(folder).Reload().Tensors("rmse")]
    assert steps == [first.best_step + step for step in (0, 20, 40, 60)]


def test_a_base_model_that_does_not_fit_says_so_and_training_starts_cold(
    make_fn_args: Callable[..., FnArgs],
    trained: FnArgs,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    options = replace(HYPERPARAMETERS, hidden_units=(8,))
    args = make_fn_args(tmp_path, steps=5, hyperparameters=options, chosen=("hidden_units",))
    args.base_model = trained.serving_model_dir
    with caplog.at_level(logging.WARNING, "absl"):
        run_fn(args)
    found = history.read(args.model_run_dir)
    assert found.base.differences == ("its hidden_units is 64,32, not 8",)
    assert (found.base.step, [r.step for r in found.records]) == (0, [5])
    assert found.sources["hidden_units"] == "chosen"
    assert found.sources["wide_l2"] == "declared"
    assert "its hidden_units is 64,32, not 8" in caplog.text


def test_a_model_without_a_state_is_none_to_go_on_from(tmp_path: Path):
    assert load_state(str(tmp_path / "Format-Serving")) is None


def test_the_pushed_model_has_no_state_in_it(trained: FnArgs):
    assert tf.io.gfile.exists(str(Path(trained.serving_model_dir).parent / "Format-Training"))
    names = [file.name for file in Path(trained.serving_model_dir).rglob("*")]
    assert "state.json" not in names
