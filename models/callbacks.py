"""What happens between the checkpoints of a training: keep the best, record, stop where it ends.

Keras counts epochs; here an "epoch" is the steps from one checkpoint to the next.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras as keras
from absl import logging

from common.errors import UserError
from models.history import Record, records_from_json, records_to_json

CLEARING = "clearing"
"""Name of a file that is there while checkpoints are removed."""


@dataclass(frozen=True)
class CheckpointSchedule:
    """How a training is divided.

    Attributes:
        steps: Steps of the whole training.
        checkpoint_interval: Steps between checkpoints; the last interval may be shorter.
    """

    steps: int
    checkpoint_interval: int

    @property
    def length(self) -> int:
        """Steps of an interval."""
        return min(self.checkpoint_interval, self.steps)

    @property
    def count(self) -> int:
        """How many there are."""
        return -(-self.steps // self.length)

    def begin(self, epoch: int) -> int:
        """Steps made before an interval."""
        return epoch * self.length

    def end(self, epoch: int) -> int:
        """Steps made after it."""
        return min(self.begin(epoch + 1), self.steps)


class StopAt(keras.callbacks.Callback):
    """Stops after the last step, where the last interval is shorter than the others.

    Args:
        schedule: How the training is divided.
    """

    def __init__(self, schedule: CheckpointSchedule) -> None:
        super().__init__()
        self._supports_tf_logs = True  # Else Keras would wait for the metrics of every step.
        self._schedule = schedule
        self._done = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Counts from where the interval begins."""
        self._done = self._schedule.begin(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Counts the step."""
        self._done += 1
        if self._done >= self._schedule.steps:
            self.model.stop_training = True


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights that did best on the eval split, also across restarts.

    Args:
        folder: Where to keep them.
        schedule: How the training is divided.
        write: Whether this process writes; the chief alone does.
    """

    def __init__(self, folder: str, schedule: CheckpointSchedule, *, write: bool) -> None:
        super().__init__()
        self._folder = folder
        self._schedule = schedule
        self._write = write
        self._record = os.path.join(folder, "best.json")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Saves the weights if they are the best so far."""
        self.keep(self._schedule.end(epoch), float(logs["val_rmse"]))

    def keep(self, step: int, rmse: float) -> None:
        """Saves the weights of a step if their error on the eval split is the least so far."""
        # No number is less than NaN, nor NaN than any: weights that diverged are never the best.
        if not self._write or not rmse < _read(self._record).get("rmse", float("inf")):
            return
        weights = os.path.join(self._folder, f"weights-{step}")
        self.model.save_weights(weights)
        # The record comes last, so that a kill leaves the previous best whole.
        write_atomically(self._record, json.dumps({"step": step, "rmse": rmse, "weights": weights}))

    def load_into(self, model: keras.Model) -> int:
        """Puts the best weights into `model`.

        Returns:
            The step at which they were kept.

        Raises:
            UserError: If no weights were ever good enough to keep.
        """
        record = _read(self._record)
        if not record:
            raise UserError(
                "Training diverged: the error on the eval split was never a number.",
                "Lower deep_learning_rate and wide_learning_rate, or look for extreme labels.",
            )
        model.load_weights(record["weights"]).expect_partial()
        return record["step"]


class Recorder(keras.callbacks.Callback):
    """Records every interval, also across restarts: in a file and for TensorBoard.

    Args:
        file: Where the record is kept until the training ends.
        log_dir: Folder of TensorBoard's log.
        schedule: How the training is divided.
        batch_size: Examples per step, over all workers.
        base_step: Steps that the base model had made; TensorBoard's curves go on from there.
        write: Whether this process writes files; the chief alone does.
    """

    def __init__(
        self,
        file: str,
        log_dir: str,
        schedule: CheckpointSchedule,
        batch_size: int,
        *,
        base_step: int = 0,
        write: bool,
    ) -> None:
        super().__init__()
        self._file = file
        self._log_dir = log_dir
        self._schedule = schedule
        self._batch_size = batch_size
        self._base_step = base_step
        self._write = write
        self._started = False
        self._clock = 0.0
        self._seconds = 0.0
        self._curves: dict[str, tf.summary.SummaryWriter] = {}
        self.records: tuple[Record, ...] = ()
        self.resumed_from: tuple[int, ...] = ()

    @property
    def examples_per_second(self) -> float:
        """Over all intervals, without evaluation; 0 where there are none."""
        trained = [record for record in self.records if record.step]
        examples = sum(record.examples_per_second * record.seconds for record in trained)
        return examples / sum(record.seconds for record in trained) if trained else 0.0

    def start_from(self, loss: float, rmse: float) -> None:
        """Records the error on the eval split of weights that were taken over, as of step 0."""
        unknown = float("nan")
        self.records = (Record(0, unknown, unknown, loss, rmse, 0.0, unknown),)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Starts the clock."""
        self._start(self._schedule.begin(epoch))
        self._clock = time.monotonic()

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Stops the clock: what follows is the look at the eval split."""
        self._seconds = time.monotonic() - self._clock

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Records the interval."""
        step = self._schedule.end(epoch)
        examples = (step - self._schedule.begin(epoch)) * self._batch_size
        record = Record(
            step=step,
            **{name: float(logs[name]) for name in ("loss", "rmse", "val_loss", "val_rmse")},
            seconds=self._seconds,
            examples_per_second=examples / self._seconds,
        )
        self.records += (record,)
        self._save()
        self._draw(record)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Closes TensorBoard's log; where all had been done before, this is all there is to do."""
        self._start(self._schedule.steps)
        for curve in self._curves.values():
            curve.close()

    def _start(self, step: int) -> None:
        """Takes up the record of a training that goes on from this step; once."""
        if self._started or not self._write:
            return
        self._started = True
        kept = _read(self._file)
        if kept:
            # An interval that was recorded, but killed before its checkpoint, is made again.
            records = records_from_json(kept["records"])
            self.records = tuple(record for record in records if record.step <= step)
            self.resumed_from = (*kept["resumed_from"], step)
            self._save()
        for split in ("train", "validation"):
            folder = os.path.join(self._log_dir, split)
            # What a killed attempt drew is drawn again: its last points may be missing.
            if tf.io.gfile.exists(folder):
                tf.io.gfile.rmtree(folder)
            self._curves[split] = tf.summary.create_file_writer(folder)
        for record in self.records:
            self._draw(record)

    def _save(self) -> None:
        if self._write:
            record = {"resumed_from": self.resumed_from, "records": records_to_json(self.records)}
            write_atomically(self._file, json.dumps(record))

    def _draw(self, record: Record) -> None:
        values = {
            "train": {"loss": record.loss, "rmse": record.rmse},
            "validation": {"loss": record.val_loss, "rmse": record.val_rmse},
        }
        for split, curve in self._curves.items():
            with curve.as_default():
                for name, value in values[split].items():
                    if record.step or split == "validation":  # Of step 0 no more is known.
                        tf.summary.scalar(name, value, step=self._base_step + record.step)
            curve.flush()


class Report(keras.callbacks.Callback):
    """Tells the log of each interval; after its checkpoint, so that what is told is never lost.

    Args:
        schedule: How the training is divided.
    """

    def __init__(self, schedule: CheckpointSchedule) -> None:
        super().__init__()
        self._schedule = schedule

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Logs the step and the errors."""
        logging.info(
            "step %d: rmse %.4f on train, %.4f on eval",
            self._schedule.end(epoch),
            logs["rmse"],
            logs["val_rmse"],
        )


def write_atomically(file: str, text: str) -> None:
    """Writes a file, and its folder, so that a kill leaves it as it was or as it shall be.

    Args:
        file: Its name, on any file system that TensorFlow knows.
        text: What it shall hold.
    """
    tf.io.gfile.makedirs(os.path.dirname(file))
    with tf.io.gfile.GFile(file + ".partial", "w") as partial:
        partial.write(text)
    tf.io.gfile.rename(file + ".partial", file, overwrite=True)


def clear_checkpoints(folder: str) -> None:
    """Removes the checkpoints of a training, so that a kill in between leaves a valid state.

    Either all are there, and the training goes on from them; or a mark says that some are gone,
    and `clear_rest` removes the rest.
    """
    mark = os.path.join(folder, CLEARING)
    write_atomically(mark, "")
    for name in tf.io.gfile.listdir(folder):
        place = os.path.join(folder, name.rstrip("/"))
        if tf.io.gfile.isdir(place):
            tf.io.gfile.rmtree(place)
        elif place != mark:
            tf.io.gfile.remove(place)
    tf.io.gfile.rmtree(folder)


def clear_rest(folder: str) -> None:
    """Removes what a kill in `clear_checkpoints` has left, if there was one."""
    if tf.io.gfile.exists(os.path.join(folder, CLEARING)):
        clear_checkpoints(folder)


def _read(file: str) -> dict[str, Any]:
    if not tf.io.gfile.exists(file):
        return {}
    with tf.io.gfile.GFile(file) as text:
        return json.loads(text.read())
