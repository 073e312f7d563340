"""How the model was trained."""

from __future__ import annotations

import posixpath

from tfx.dsl.io import fileio

from models import history
from report.facts import Stretch, Trained


def describe_training(uri: str) -> Trained:
    """Describes a training.

    Args:
        uri: Of a ModelRun.
    """
    with fileio.open(posixpath.join(uri, history.FILE), "r") as file:
        told = history.parse(file.read())
    return Trained(
        stretches=tuple(
            Stretch(
                step=record.step,
                loss=record.loss,
                rmse=record.rmse,
                eval_loss=record.val_loss,
                eval_rmse=record.val_rmse,
                examples_per_second=record.examples_per_second,
            )
            for record in told.records
        ),
        best_step=told.best_step,
        resumed_from=told.resumed_from,
        examples_per_second=told.examples_per_second,
        settings={
            "steps": f"{told.steps:,}",
            "batch size": f"{told.batch_size:,}",
            "seed": str(told.seed),
            "weights of the wide half": f"{told.parameters.wide:,}",
            "weights of the deep half": f"{told.parameters.deep:,}",
        }
        | {name.replace("_", " "): str(value) for name, value in told.hyperparameters.items()},
    )
