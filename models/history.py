"""The record of a training, as an artifact: how the error fell, how fast, from where it resumed.

It is written as `training.json` into the ModelRun artifact, beside TensorBoard's log. Reading it
takes no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "training.json"
"""Name of the record in the ModelRun artifact."""


@dataclass(frozen=True)
class Record:
    """An interval of training, from one checkpoint to the next.

    Attributes:
        step: Steps made at its end.
        loss: Mean squared error on the examples trained on, while training, in squares of the
            label's unit.
        rmse: Its root, in the label's unit.
        val_loss: Mean squared error on the eval split at its end, in the same.
        val_rmse: Its root. Any of the four is NaN where training diverged.
        seconds: How long it took, without the evaluation.
        examples_per_second: Examples trained on in a second.
    """

    step: int
    loss: float
    rmse: float
    val_loss: float
    val_rmse: float
    seconds: float
    examples_per_second: float


@dataclass(frozen=True)
class Parameters:
    """Weights of each half of the network."""

    wide: int
    deep: int


@dataclass(frozen=True)
class Worker:
    """A process that had its share in a training.

    Attributes:
        name: `chief`, or `worker 1` and so on.
        files: Files of the train split that it read.
        rows: Rows it read of them, each time they were read, since it was last started.
        examples_per_second: Examples it trained on in a second.
    """

    name: str
    files: int
    rows: int
    examples_per_second: float


@dataclass(frozen=True)
class Ancestor:
    """A training that others went on from.

    Attributes:
        model: Folder of its model.
        steps: Steps it made before its weights were exported.
        rmse: RMSE on its own eval split then, in the label's unit; None where it is not known.
    """

    model: str
    steps: int
    rmse: float | None


@dataclass(frozen=True)
class Carried:
    """What was taken over of one input of the network.

    Attributes:
        name: Of the input.
        kept: Indices, or columns, whose weights were taken over.
        size: How many there are; the others started at zero.
    """

    name: str
    kept: int
    size: int


@dataclass(frozen=True)
class Base:
    """The model that a training was to go on from.

    Attributes:
        lineage: The trainings behind it, itself last.
        carried: What was taken over, by input.
        differences: Why it did not fit, so that training started cold; empty where it did.
    """

    lineage: tuple[Ancestor, ...]
    carried: tuple[Carried, ...] = ()
    differences: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """Steps behind the weights that training started with."""
        return 0 if self.differences else sum(ancestor.steps for ancestor in self.lineage)


@dataclass(frozen=True)
class History:
    """A training that is done.

    Attributes:
        steps: Steps made.
        batch_size: Examples per step, over all workers.
        seed: Seed of weights and shuffling.
        examples_per_second: Over the whole training, without evaluation.
        resumed_from: Steps of the checkpoints from which it went on after it was killed.
        best_step: Step of the checkpoint that was exported.
        records: Every interval, in order; also those made before it was killed.
        parameters: Size of the network.
        hyperparameters: What shaped the network and how it learned, by name.
        sources: Where each of these came from, in words, by name.
        base: The model it was to go on from, if there was one. Steps are counted from there; the
            record of step 0 is of the weights taken over, before any was trained.
        workers: The processes that trained, the chief first.
    """

    steps: int
    batch_size: int
    seed: int
    examples_per_second: float
    resumed_from: tuple[int, ...]
    best_step: int
    records: tuple[Record, ...]
    parameters: Parameters
    hyperparameters: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict)
    base: Base | None = None
    workers: tuple[Worker, ...] = ()

    @property
    def best(self) -> Record:
        """The interval after which the exported weights were kept."""
        return next(record for record in self.records if record.step == self.best_step)

    def to_json(self) -> str:
        """What `parse` reads."""
        fields = dataclasses.asdict(self) | {"records": records_to_json(self.records)}
        return json.dumps(fields, indent=2, allow_nan=False) + "\n"


def records_to_json(records: Sequence[Record]) -> list[dict[str, float | None]]:
    """Records as JSON values; JSON has no NaN, so it becomes null."""
    return [
        {
            name: None if math.isnan(value) or math.isinf(value) else value
            for name, value in dataclasses.asdict(record).items()
        }
        for record in records
    ]


def records_from_json(values: Sequence[Mapping[str, float | None]]) -> tuple[Record, ...]:
    """Reads what `records_to_json` made."""
    return tuple(
        Record(**{name: math.nan if value is None else value for name, value in given.items()})  # type: ignore[arg-type]
        for given in values
    )


def parse(text: str) -> History:
    """Reads the text of a `training.json`.

    Args:
        text: What `History.to_json` wrote.

    Returns:
        The history.
    """
    fields = json.loads(text)
    return History(
        **fields
        | {
            "resumed_from": tuple(fields["resumed_from"]),
            "records": records_from_json(fields["records"]),
            "parameters": Parameters(**fields["parameters"]),
            "base": _base(fields.get("base")),
            "workers": tuple(Worker(**given) for given in fields.get("workers", ())),
        }
    )


def _base(fields: Mapping[str, Any] | None) -> Base | None:
    if fields is None:
        return None
    return Base(
        tuple(Ancestor(**given) for given in fields["lineage"]),
        tuple(Carried(**given) for given in fields["carried"]),
        tuple(fields["differences"]),
    )


def read(folder: str | Path) -> History:
    """Reads the history of a training.

    Args:
        folder: Of a ModelRun artifact, on a file system of this machine; of others, hand the text
            to `parse`.

    Returns:
        The history.

    Raises:
        FileNotFoundError: If the training did not end, or is older than this record.
    """
    return parse(Path(folder, FILE).read_text(encoding="utf-8"))
