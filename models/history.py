"""The record of a training, as an artifact: how the error fell, how fast, from where it resumed.

It is written as `training.json` into the ModelRun artifact, beside TensorBoard's log. Reading it
takes no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        }
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
