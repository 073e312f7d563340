"""The Tuner's entry point: `tuner_fn` searches for hyperparameters, trials side by side.

KerasTuner chooses what to try next and remembers what came of it; it can't train a tf_keras model
itself. So each trial is a training like any other, `models/task.py`'s, in a process of its own. A
search that is killed goes on with what it has tried, and its unfinished trials with their
checkpoints.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras_tuner
import tensorflow as tf
from absl import logging
from keras_tuner.engine import base_tuner
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import FnArgs

from common.errors import UserError
from models.declaration import Hyperparameters
from models.history import FILE, parse
from models.hyperparameters import from_tuning
from models.search import Search
from models.search_space import SPACE, to_keras_tuner

OBJECTIVE = keras_tuner.Objective("val_rmse", "min")


def tuner_fn(fn_args: FnArgs) -> tfx.components.TunerFnResult:
    """Makes a search; called by the TFX Tuner.

    Args:
        fn_args: Files, transform graph and steps, as the TFX Tuner gives them.

    Returns:
        The search, with what it knows of one that was killed.
    """
    search = Search.from_config(fn_args.custom_config)
    shared = {
        "train_files": fn_args.train_files,
        "eval_files": fn_args.eval_files,
        "train_steps": fn_args.train_steps,
        "transform_output": fn_args.transform_graph_path,  # The Trainer has it by both names.
    }
    tuner = ProcessTuner(search, shared, search_folder(shared, search))
    return tfx.components.TunerFnResult(tuner=tuner, fit_kwargs={})


def search_folder(shared: Mapping[str, Any], search: Search) -> str:
    """A folder that the same search finds again, and no other search does."""
    identity = json.dumps([shared, search.to_config()], sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return os.path.join(search.training.checkpoint_root, f"search-{key}")


class FirstAsSet(keras_tuner.oracles.BayesianOptimizationOracle):
    """Tries what is set first, so that nothing worse is ever the best."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What to try next.

        Args:
            trial_id: Of the trial to be.
        """
        if self.trials:
            return super().populate_space(trial_id)
        defaults = {each.name: each.default for each in self.get_space().space}
        return {"status": keras_tuner.engine.trial.TrialStatus.RUNNING, "values": defaults}


class Stopped(BaseException):
    """Ends the thread of a trial; KerasTuner takes any other exception for the trial's result."""


class ProcessTuner(base_tuner.BaseTuner):
    """Runs trials as processes of this machine.

    Args:
        search: How to search.
        shared: What all trials are told, by name.
        folder: Of the search and its trials; must be the same for one that is to be resumed.
    """

    def __init__(self, search: Search, shared: Mapping[str, Any], folder: str) -> None:
        self._search = search
        self._shared = dict(shared)
        self._folder = folder
        self._running: list[subprocess.Popen] = []
        self._stopped = threading.Event()
        oracle = FirstAsSet(
            objective=OBJECTIVE,
            max_trials=search.trials,
            num_initial_points=max(4, search.trials // 3),
            seed=search.training.seed,
            hyperparameters=to_keras_tuner(
                SPACE, search.training.hyperparameters, search.training.chosen
            ),
            allow_new_entries=False,
            tune_new_entries=False,
            # A trial that diverged, or died, is one that is known now to be bad.
            max_retries_per_trial=0,
            max_consecutive_failed_trials=search.trials,
        )
        oracle.verbose = 0
        super().__init__(oracle, directory=folder, project_name="search")

    def search(self) -> None:
        """Runs trials until all are done; called by the TFX Tuner.

        Raises:
            UserError: If none came to an end that is a number.
        """
        self.save()  # What is known of a first trial that is killed is read again only then.
        count = min(self._search.processes, self._search.trials)
        threads = ThreadPoolExecutor(count, thread_name_prefix="trial")
        try:
            for done in [threads.submit(self._work, f"tuner{i}") for i in range(count)]:
                done.result()
        except BaseException:
            self._stopped.set()
            for process in self._running:
                process.kill()
            raise
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
        if not self.oracle.get_best_trials():
            raise UserError(
                "No trial of the search came to a good end.",
                "Look above in the log for what each of them said.",
            )

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Trains with the hyperparameters of a trial.

        Args:
            trial: With its id and its hyperparameters.

        Returns:
            The least RMSE on the eval split.

        Raises:
            keras_tuner.errors.FailedTrialError: If training failed.
        """
        folder = os.path.join(self._folder, f"training-{trial.trial_id}")
        options = dataclasses.asdict(self._search.training.hyperparameters)
        options |= from_tuning(trial.hyperparameters.values)
        training = dataclasses.replace(
            self._search.training,
            hyperparameters=Hyperparameters(**options),
            chosen=tuple(options),
            checkpoint_root=os.path.join(folder, "checkpoints"),
        )
        told = self._shared | {
            "custom_config": training.to_config(),
            "serving_model_dir": os.path.join(folder, "model", "Format-Serving"),
            "model_run_dir": os.path.join(folder, "run"),
        }
        record = os.path.join(told["model_run_dir"], FILE)
        # It is there already where the search was killed after the trial, before it knew of it.
        if not tf.io.gfile.exists(record):
            self._run(json.dumps(told), trial.trial_id)
        with tf.io.gfile.GFile(record) as file:
            return {OBJECTIVE.name: parse(file.read()).best.val_rmse}

    def clear(self) -> None:
        """Forgets the search, once its results are kept elsewhere."""
        tf.io.gfile.rmtree(self._folder)

    def _work(self, tuner_id: str) -> None:
        while not self._stopped.is_set():
            trial = self.oracle.create_trial(tuner_id)
            if trial.status == keras_tuner.engine.trial.TrialStatus.STOPPED:
                return
            if trial.status == keras_tuner.engine.trial.TrialStatus.IDLE:
                self._stopped.wait(0.5)
                continue
            self.on_trial_begin(trial)
            self._try_run_and_update_trial(trial)
            self.on_trial_end(trial)
            told = self.oracle.get_trial(trial.trial_id)
            logging.info("trial %s: %s, rmse %s on eval", trial.trial_id, told.status, told.score)

    def _run(self, told: str, trial_id: str) -> None:
        """Runs a trial's process to its end.

        Raises:
            keras_tuner.errors.FailedTrialError: If it failed.
            Stopped: If the search is to stop: the trial is not done, and must not count as failed.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "models.training_process", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            text=True,
            errors="replace",
        )
        self._running.append(process)
        said, _ = process.communicate(told)
        if self._stopped.is_set():
            raise Stopped
        if process.returncode:
            logging.error("Trial %s failed:\n%s", trial_id, said[-4000:])
            raise keras_tuner.errors.FailedTrialError(f"status {process.returncode}")
