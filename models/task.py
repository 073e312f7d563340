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
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tfx.components.trainer.fn_args_utils import FnArgs

from models import interpretation, signatures
from models.callbacks import (
    BestWeights,
    CheckpointSchedule,
    Recorder,
    Report,
    StopAt,
    clear_checkpoints,
    clear_rest,
    write_atomically,
)
from models.dataset import named_rows, training_dataset, transformed_chunks
from models.declaration import Hyperparameters
from models.history import FILE, History, Parameters
from models.interpretation import MOST_ROWS, interpret
from models.model import input_sizes, wide_and_deep


@dataclass(frozen=True)
class Training:
    """How long and how to train; carried by the Trainer's `custom_config`.

    Attributes:
        batch_size: Rows per step, over all workers.
        checkpoint_interval: Steps between checkpoints; also between two looks at the eval split.
        checkpoint_root: Folder under which checkpoints live until the model is exported.
        cache_examples: Whether to keep the transformed examples in memory.
        seed: Seed of weights and shuffling.
        code: Fingerprint of the code that trains; a change of it starts afresh.
        hyperparameters: What shapes the network and how it learns.
    """

    batch_size: int
    checkpoint_interval: int
    checkpoint_root: str
    cache_examples: bool
    seed: int
    code: str
    hyperparameters: Hyperparameters

    def to_config(self) -> dict[str, Any]:
        """The form TFX carries: JSON values by name."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Training:
        """Reads what `to_config` wrote; ignores what TFX adds."""
        given = {name: config[name] for name in cls.__dataclass_fields__}
        options = given["hyperparameters"]
        units = {"hidden_units": tuple(options["hidden_units"])}  # JSON has lists alone.
        return cls(**given | {"hyperparameters": Hyperparameters(**options | units)})


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

    options = training.hyperparameters
    network = (input_sizes(transform), mean_label(train_chunks), fn_args.train_steps, options)
    with strategy.scope():
        model = wide_and_deep(*network)
    checkpoints = checkpoint_folder(fn_args, training)
    if chief:
        clear_rest(checkpoints)
    schedule = CheckpointSchedule(fn_args.train_steps, training.checkpoint_interval)
    best = BestWeights(os.path.join(checkpoints, "best"), schedule, write=chief)
    recorder = Recorder(
        os.path.join(checkpoints, "history.json"),
        log_folder(fn_args),
        schedule,
        training.batch_size,
        write=chief,
    )
    fit(model, train, evaluate, schedule, checkpoints, best, recorder)
    if chief:
        # A copy outside the strategy: to save one that is inside, all workers would have to.
        exported = wide_and_deep(*network)
        best_step = best.load_into(exported)
        history = History(
            steps=fn_args.train_steps,
            batch_size=training.batch_size,
            seed=training.seed,
            examples_per_second=recorder.examples_per_second,
            resumed_from=recorder.resumed_from,
            best_step=best_step,
            records=recorder.records,
            parameters=Parameters(
                wide=exported.linear_model.count_params(), deep=exported.dnn_model.count_params()
            ),
            hyperparameters=asdict(options),
        )
        write_atomically(os.path.join(fn_args.model_run_dir, FILE), history.to_json())
        answer = signatures.save(exported, transform, fn_args.serving_model_dir)
        # Not the train split: there, answers are nearer the labels than they will be.
        unseen = named_rows(fn_args.eval_files, transform, MOST_ROWS)
        interpretation.write(interpret(answer, unseen), fn_args.serving_model_dir)
        clear_checkpoints(checkpoints)
    else:
        # The chief is still writing, and TFX takes a worker that leaves no model for failed.
        tf.io.gfile.makedirs(fn_args.serving_model_dir)


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    evaluate: tf.data.Dataset,
    schedule: CheckpointSchedule,
    checkpoints: str,
    best: BestWeights,
    recorder: Recorder,
) -> None:
    """Trains in place, from the last checkpoint if there is one.

    Args:
        model: A compiled model.
        train: Endless batches.
        evaluate: The eval split, once.
        schedule: How many steps, and how many from one checkpoint to the next.
        checkpoints: Folder for the last checkpoint.
        best: Keeps the weights that do best on the eval split.
        recorder: Records the intervals.
    """
    model.fit(
        train,
        steps_per_epoch=schedule.length,
        epochs=schedule.count,
        validation_data=evaluate,
        verbose=0,
        callbacks=[
            StopAt(schedule),
            # Before the checkpoint: a kill between repeats some steps, but loses neither the best
            # nor the record of an interval.
            best,
            recorder,
            # Kept to the end, so that a kill while the model is exported repeats no training.
            keras.callbacks.BackupAndRestore(
                os.path.join(checkpoints, "backup"), delete_checkpoint=False
            ),
            Report(schedule),
        ],
    )


def log_folder(fn_args: FnArgs) -> str:
    """Where TensorBoard looks: in the model run, or where a job of Vertex AI is told to write."""
    return os.environ.get("AIP_TENSORBOARD_LOG_DIR") or fn_args.model_run_dir


def mean_label(chunks: tf.data.Dataset) -> float:
    """Mean label of the first chunk; thousands of rows are enough to start from."""
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
