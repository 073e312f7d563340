"""A trial of a search: a training like any other, whose result is its RMSE on the eval split.

`python -m models.search_trial --search=JSON --NAME=VALUE...` is one trial of a
hyperparameter-tuning job of Vertex AI, which adds the hyperparameters to the arguments, and reads
the result from a file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from models.declaration import Hyperparameters
from models.history import FILE, parse
from models.hyperparameters import from_tuning
from models.search import Search
from models.search_space import SPACE, to_keras_tuner, typed
from models.task import run_fn

METRIC = "val_rmse"
"""What a trial is judged by: the least RMSE on the eval split."""

METRIC_FILE = "/tmp/hypertune/output.metrics"
"""Where Vertex AI reads a trial's result, unless CLOUD_ML_HP_METRIC_FILE names another file."""


def told(
    search: Search, shared: Mapping[str, Any], values: Mapping[str, Any], folder: str
) -> dict[str, Any]:
    """The Trainer's arguments for a trial.

    Args:
        search: How to search.
        shared: What all trials are told, by name.
        values: Hyperparameters by name, as KerasTuner has them; others are as set.
        folder: Of the trial.
    """
    options = dataclasses.asdict(search.training.hyperparameters) | from_tuning(values)
    training = dataclasses.replace(
        search.training,
        hyperparameters=Hyperparameters(**options),
        chosen=tuple(options),
        checkpoint_root=os.path.join(folder, "checkpoints"),
    )
    return {
        **shared,
        "custom_config": training.to_config(),
        "serving_model_dir": os.path.join(folder, "model", "Format-Serving"),
        "model_run_dir": os.path.join(folder, "run"),
    }


def is_done(args: Mapping[str, Any]) -> bool:
    """Whether a trial came to its end, even if whoever started it did not get to know."""
    return tf.io.gfile.exists(os.path.join(args["model_run_dir"], FILE))


def result(args: Mapping[str, Any]) -> float:
    """The RMSE of a trial that is done, in units of the label."""
    with tf.io.gfile.GFile(os.path.join(args["model_run_dir"], FILE)) as file:
        return parse(file.read()).best.val_rmse


def to_argument(search: Search, shared: Mapping[str, Any]) -> str:
    """What a trial's process must know besides its hyperparameters."""
    return "--search=" + json.dumps({"search": search.to_config(), "shared": shared})


def main(arguments: Sequence[str]) -> None:
    """Trains, and reports the result if this process is the chief.

    Args:
        arguments: `--search=`, then a hyperparameter each.

    Raises:
        ArithmeticError: If training diverged.
    """
    given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    known = json.loads(given.pop("search"))
    search = Search.from_config(known["search"])
    space = to_keras_tuner(SPACE, search.training.hyperparameters, search.training.chosen)
    folder = os.path.dirname(os.environ["AIP_MODEL_DIR"].rstrip("/"))
    args = told(search, known["shared"], typed(space, given), folder)
    if not is_done(args):
        run_fn(FnArgs(**args))
    task = json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {})
    if task.get("type", "chief") == "chief":
        report(result(args))


def report(rmse: float) -> None:
    """Writes a trial's result as Vertex AI reads it, a JSON object to a line, numbers as text."""
    if not math.isfinite(rmse):
        raise ArithmeticError(f"training diverged: {METRIC} is {rmse}")
    file = os.environ.get("CLOUD_ML_HP_METRIC_FILE", METRIC_FILE)
    result = {
        "timestamp": time.time(),
        "trial": os.environ.get("CLOUD_ML_TRIAL_ID", "0"),
        METRIC: str(rmse),
        "global_step": "1",
    }
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
