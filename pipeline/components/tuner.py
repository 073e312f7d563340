"""The Tuner, with a record of every trial for TensorBoard."""

from __future__ import annotations

import json
import os
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tfx import types
from tfx import v1 as tfx
from tfx.components.tuner import executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs

RESULTS = "tuner_results.json"
"""Name of TFX's own record of the trials."""


class Executor(executor.Executor):
    """Searches as TFX does; then tells TensorBoard, and clears away what a killed search needs."""

    def Do(  # noqa: N802, TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Searches, and writes the best hyperparameters and the record of all trials."""
        tuner = executor.search(
            input_dict, exec_properties, self._get_tmp_dir(), print_tuning_summary=False
        )
        executor.write_best_hyperparameters(tuner, output_dict)
        _write_hparams(
            artifact_utils.get_single_uri(output_dict[standard_component_specs.TUNER_RESULTS_KEY])
        )
        tuner.clear()


def _write_hparams(folder: str) -> None:
    """Writes TensorBoard's HParams beside TFX's record, a run for each trial."""
    with tf.io.gfile.GFile(os.path.join(folder, RESULTS)) as file:
        trials = json.loads(file.read())
    for trial in trials:
        name, score = trial.pop("trial_id"), trial.pop("score")
        with tf.summary.create_file_writer(os.path.join(folder, f"trial-{name}")).as_default():
            hparams.hparams(trial, trial_id=name)
            tf.summary.scalar("rmse", score, step=0)


class Tuner(tfx.components.Tuner):
    """TFX's Tuner with the executor above."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
