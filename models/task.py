"""The Trainer's entry point: `run_fn` trains the network of `models/model.py` for some steps.

A run that is killed continues from its last checkpoint when it is started again with the same
examples, transform graph, code and settings. The checkpoint that did best on the eval split is what
is exported.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from absl import logging
from tfx.components.trainer.fn_args_utils import FnArgs

from data.errors import UserError
from models import signatures
from models.inputs import training_dataset, transformed_chunks
from models.model import Hyperparameters, input_sizes, wide_and_deep


@dataclass(frozen=True)
class Training:
    """How long and how to train; carried by the Trainer's `custom_config`.

    Attributes:
        batch_size: Rows per step, over all workers.
        checkpoint_every: Steps between checkpoints; also between two looks at the eval split.
        checkpoint_root: Folder under which checkpoints live until the model is exported.
        cache_examples: Whether to keep the transformed examples in memory.
        seed: Seed of weights and shuffling.
        code: Fingerprint of the code that trains; a change of it starts afresh.
    """

    batch_size: int
    checkpoint_every: int
    checkpoint_root: str
    cache_examples: bool
    seed: int
    code: str

    def to_config(self) -> dict[str, Any]:
        """The form TFX carries: JSON values by name."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Training:
        """Reads what `to_config` wrote; ignores what TFX adds."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports a model; called by the TFX Trainer.

    Args:
        fn_args: Files, transform graph, steps and folders, as the TFX Trainer gives them.
    """
    training = Training.from_config(fn_args.custom_config)
    keras.utils.set_random_seed(training.seed)
    strategy = choose_strategy()
    chief = is_chief(strategy)
    transform = tft.TFTransformOutput(fn_args.transform_output)

    train_chunks = transformed_chunks(fn_args.train_files, transform)
    train = training_dataset(
        train_chunks, training.batch_size, cache=training.cache_examples, seed=training.seed
    )
    evaluate = transformed_chunks(fn_args.eval_files, transform).cache()

    network = (
        input_sizes(transform),
        mean_label(train_chunks),
        fn_args.train_steps,
        Hyperparameters(),
    )
    with strategy.scope():
        model = wide_and_deep(*network)
    checkpoints = checkpoint_folder(fn_args, training)
    best = BestWeights(os.path.join(checkpoints, "best"), write=chief)
    fit(model, train, evaluate, fn_args, training, checkpoints, best)
    if chief:
        # A copy outside the strategy: to save one that is inside, all workers would have to.
        exported = wide_and_deep(*network)
        best.load_into(exported)
        signatures.save(exported, transform, fn_args.serving_model_dir)
        tf.io.gfile.rmtree(checkpoints)


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    evaluate: tf.data.Dataset,
    fn_args: FnArgs,
    training: Training,
    checkpoints: str,
    best: BestWeights,
) -> None:
    """Trains in place, from the last checkpoint if there is one.

    Keras counts epochs; here an "epoch" is the stretch of steps from one checkpoint to the next.

    Args:
        model: A compiled model.
        train: Endless batches.
        evaluate: The eval split, once.
        fn_args: `train_steps` and `model_run_dir` (for TensorBoard) are read.
        training: Batch size and checkpoint distance.
        checkpoints: Folder for the last checkpoint.
        best: Keeps the weights that do best on the eval split.
    """
    every = min(training.checkpoint_every, fn_args.train_steps)
    model.fit(
        train,
        steps_per_epoch=every,
        epochs=-(-fn_args.train_steps // every),
        validation_data=evaluate,
        verbose=0,
        callbacks=[
            _StopAt(fn_args.train_steps, every),
            # Before the checkpoint: a kill between the two repeats some steps, but loses no best.
            best,
            # Kept to the end, so that a kill while the model is exported repeats no training.
            keras.callbacks.BackupAndRestore(
                os.path.join(checkpoints, "backup"), delete_checkpoint=False
            ),
            keras.callbacks.TensorBoard(log_folder(fn_args), write_graph=False),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda i, logs: _report(
                    min((i + 1) * every, fn_args.train_steps), logs
                )
            ),
        ],
    )


def log_folder(fn_args: FnArgs) -> str:
    """Where TensorBoard looks: in the model run, or where a job of Vertex AI is told to write."""
    return os.environ.get("AIP_TENSORBOARD_LOG_DIR") or fn_args.model_run_dir


class _StopAt(keras.callbacks.Callback):
    """Stops after a number of steps, where the last stretch between checkpoints is shorter."""

    def __init__(self, steps: int, every: int) -> None:
        super().__init__()
        self._supports_tf_logs = True  # Else Keras would wait for the metrics of every step.
        self._steps = steps
        self._every = every
        self._done = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._done = epoch * self._every

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._done += 1
        if self._done >= self._steps:
            self.model.stop_training = True


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights that did best on the eval split, also across restarts.

    Args:
        folder: Where to keep them.
        write: Whether this process writes; the chief alone does.
    """

    def __init__(self, folder: str, *, write: bool) -> None:
        super().__init__()
        self._folder = folder
        self._write = write
        self._record = os.path.join(folder, "best.json")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Saves the weights if they are the best so far."""
        rmse = float(logs["val_rmse"])
        # No number is less than NaN, nor NaN than any: weights that diverged are never the best.
        if not self._write or not rmse < self._read().get("rmse", float("inf")):
            return
        tf.io.gfile.makedirs(self._folder)
        weights = os.path.join(self._folder, f"weights-{epoch}")
        self.model.save_weights(weights)
        # The record is renamed into place last, so that a kill leaves the previous best whole.
        with tf.io.gfile.GFile(self._record + ".partial", "w") as file:
            file.write(json.dumps({"rmse": rmse, "weights": weights}))
        tf.io.gfile.rename(self._record + ".partial", self._record, overwrite=True)

    def load_into(self, model: keras.Model) -> None:
        """Puts the best weights into `model`.

        Raises:
            UserError: If no weights were ever good enough to keep.
        """
        record = self._read()
        if not record:
            raise UserError(
                "Training diverged: the error on the eval split was never a number.",
                "Lower the learning rates in models/model.py, or look for extreme weights.",
            )
        model.load_weights(record["weights"]).expect_partial()

    def _read(self) -> dict[str, Any]:
        if not tf.io.gfile.exists(self._record):
            return {}
        with tf.io.gfile.GFile(self._record) as file:
            return json.loads(file.read())


def mean_label(chunks: tf.data.Dataset) -> float:
    """Mean label of the first chunk, in pounds; thousands of rows are enough to start from."""
    return float(np.mean(next(label.numpy() for _, label in chunks.take(1))))


def choose_strategy() -> tf.distribute.Strategy:
    """The distribution strategy that the machine asks for.

    Returns:
        Several workers where `TF_CONFIG` names them, several GPUs where there are, else the
        default.
    """
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if sum(len(tasks) for tasks in cluster.values()) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the model: the chief, or worker 0 where no chief is named."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    named = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "chief" or (
        not named and resolver.task_type == "worker" and resolver.task_id == 0
    )


def checkpoint_folder(fn_args: FnArgs, training: Training) -> str:
    """A folder that the same training finds again, and no other training does."""
    identity = [
        sorted(fn_args.train_files),
        sorted(fn_args.eval_files),
        fn_args.transform_output,
        fn_args.train_steps,
        training.to_config(),
    ]
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return os.path.join(training.checkpoint_root, key)


def _report(step: int, logs: Mapping[str, float]) -> None:
    logging.info(
        "step %d: rmse %.4f lb on train, %.4f lb on eval",
        step,
        logs["rmse"],
        logs["val_rmse"],
    )
