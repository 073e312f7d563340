"""The Trainer's entry point: `run_fn` trains the network of `models/model.py` for some steps.

A run that is killed continues from its last checkpoint when it is started again with the same
examples, transform graph, base model, code and settings. The checkpoint that did best on the eval
split is what is exported; where a base model did better than any, that.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from models.dataset import (
    RowCounter,
    file_names,
    files_of,
    named_rows,
    training_dataset,
    transformed_chunks,
)
from models.declaration import Hyperparameters
from models.features import LABEL
from models.history import FILE, Ancestor, History, Parameters, Worker
from models.hyperparameters import from_tuning
from models.interpretation import MOST_ROWS, interpret
from models.model import Network, input_sizes, wide_accumulators
from models.starting_point import StartingPoint, starting_point
from models.training_state import TrainingState, arrays_of, read_inputs, save_state
from models.warm_start import carry_over
from models.workers import Share, check_batch_size, choose_strategy, gather, share_of


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
        hyperparameters: What shapes the network and how it learns, as the settings have it.
        chosen: Names of those hyperparameters that the user has chosen, so that no others overrule
            them.
        mixed_precision: Whether to compute the deep half in bfloat16.
    """

    batch_size: int
    checkpoint_interval: int
    checkpoint_root: str
    cache_examples: bool
    seed: int
    code: str
    hyperparameters: Hyperparameters
    chosen: tuple[str, ...] = ()
    mixed_precision: bool = False

    def to_config(self) -> dict[str, Any]:
        """The form TFX carries: JSON values by name."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Training:
        """Reads what `to_config` wrote; ignores what TFX adds."""
        given = {name: config[name] for name in cls.__dataclass_fields__}
        options = Hyperparameters.from_json(given["hyperparameters"])
        return cls(**given | {"hyperparameters": options, "chosen": tuple(given["chosen"])})


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports a model; called by the TFX Trainer.

    Args:
        fn_args: Files, transform graph, steps and folders, as the TFX Trainer gives them.
    """
    training = Training.from_config(fn_args.custom_config)
    keras.utils.set_random_seed(training.seed)
    strategy = choose_strategy()
    check_batch_size(training.batch_size, strategy)
    share, counter = share_of(strategy), RowCounter()
    chief = share.index == 0
    transform = tft.TFTransformOutput(fn_args.transform_output)

    def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return training_dataset(
            transformed_chunks(fn_args.train_files, transform, share=share, counter=counter),
            context.get_per_replica_batch_size(training.batch_size),
            cache=training.cache_examples,
            seed=training.seed + share.index,
        )

    train = strategy.distribute_datasets_from_function(batches)
    evaluate = transformed_chunks(fn_args.eval_files, transform, share=share).cache()

    tuned = from_tuning((fn_args.hyperparameters or {}).get("values", {}))
    start = starting_point(fn_args.base_model, training.hyperparameters, training.chosen, tuned)
    mean = start.state.mean_label if start.state else mean_label(fn_args.train_files, transform)
    network = Network(
        input_sizes(transform, start.options.cross_share),
        mean,
        fn_args.train_steps,
        start.options,
        start.rate_share,
        training.mixed_precision,
    )
    with strategy.scope():
        model = network.build()
        if start.state:
            inputs = read_inputs(transform, start.options)
            start = start.carried(carry_over(start.state, model, inputs, start.options))
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
        base_step=start.step,
        write=chief,
    )
    if start.state:
        look_at_start(model, evaluate, best, recorder)
    fit(model, train, evaluate, schedule, checkpoints, best, recorder)
    workers = work_done(strategy, fn_args.train_files, counter.rows, recorder)
    if chief:
        export(fn_args, training, transform, network, start, best, recorder, workers)
        clear_checkpoints(checkpoints)
    else:
        # The chief is still writing, and TFX takes a worker that leaves no model for failed.
        tf.io.gfile.makedirs(fn_args.serving_model_dir)


def export(
    fn_args: FnArgs,
    training: Training,
    transform: tft.TFTransformOutput,
    network: Network,
    start: StartingPoint,
    best: BestWeights,
    recorder: Recorder,
    workers: tuple[Worker, ...],
) -> None:
    """Writes the best model, the record of its training, and what the next one can go on from."""
    # A copy outside the strategy: to save one that is inside, all workers would have to. It
    # computes in float32, which any server is quick at.
    model = replace(network, mixed_precision=False).build()
    wide_accumulators(model)  # Made before the weights are read, they are read with them.
    history = History(
        steps=fn_args.train_steps,
        batch_size=training.batch_size,
        seed=training.seed,
        examples_per_second=recorder.examples_per_second,
        resumed_from=recorder.resumed_from,
        best_step=best.load_into(model),
        records=recorder.records,
        parameters=Parameters(
            wide=model.linear_model.count_params(), deep=model.dnn_model.count_params()
        ),
        hyperparameters=asdict(start.options),
        sources=start.sources,
        base=start.base,
        workers=workers,
    )
    write_atomically(os.path.join(fn_args.model_run_dir, FILE), history.to_json())
    answer = signatures.save(model, transform, fn_args.serving_model_dir)
    # Not the train split: there, answers are nearer the labels than they will be.
    unseen = named_rows(fn_args.eval_files, transform, MOST_ROWS)
    interpretation.write(interpret(answer, unseen), fn_args.serving_model_dir)
    made = Ancestor(fn_args.serving_model_dir, history.best_step, history.best.val_rmse)
    state = TrainingState(
        label=(LABEL.name, LABEL.unit),
        mean_label=network.mean_label,
        hyperparameters=start.options,
        inputs=read_inputs(transform, start.options),
        lineage=(*start.lineage, made),
        arrays=arrays_of(model),
    )
    save_state(state, fn_args.serving_model_dir)


def look_at_start(
    model: keras.Model, evaluate: tf.data.Dataset, best: BestWeights, recorder: Recorder
) -> None:
    """Measures what a base model has brought along, so that nothing worse is exported."""
    seen = model.evaluate(evaluate, verbose=0, return_dict=True)
    best.set_model(model)
    best.keep(0, seen["rmse"])
    recorder.start_from(seen["loss"], seen["rmse"])


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


def mean_label(files: Sequence[str], transform: tft.TFTransformOutput) -> float:
    """Mean label of the first chunk; thousands of rows are enough to start from.

    It is the same for all workers, whatever their share.
    """
    chunks = transformed_chunks(files, transform)
    return float(np.mean(next(label.numpy() for _, label in chunks.take(1))))


def work_done(
    strategy: tf.distribute.Strategy, files: Sequence[str], rows: int, recorder: Recorder
) -> tuple[Worker, ...]:
    """What each worker had to do; all must call it."""
    share = share_of(strategy)
    mine = len(files_of(file_names(files), share))
    rate = recorder.examples_per_second / share.count
    return tuple(
        Worker(Share(i, share.count).worker, int(files), int(rows), float(rate))
        for i, (files, rows, rate) in enumerate(gather(strategy, [mine, rows, rate]))
    )


def checkpoint_folder(fn_args: FnArgs, training: Training) -> str:
    """A folder that the same training finds again, and no other training does."""
    identity = [
        sorted(fn_args.train_files),
        sorted(fn_args.eval_files),
        fn_args.transform_output,
        fn_args.train_steps,
        fn_args.base_model,
        fn_args.hyperparameters,
        training.to_config(),
    ]
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    return os.path.join(training.checkpoint_root, key)
