"""The Tuner's entry point: `tuner_fn` searches for hyperparameters, trials side by side.

KerasTuner chooses what to try next and remembers what came of it; it can't train a tf_keras model
itself. So each trial is a training like any other, `models/task.py`'s, in a process of its own. A
search that is killed goes on with what it has tried, and its unfinished trials with their
checkpoints.
"""

from __future__ import annotations

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
from keras_tuner.engine.trial import TrialStatus
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import FnArgs

from common.errors import UserError
from models.callbacks import write_atomically
from models.search import Search
from models.search_space import SPACE, to_keras_tuner
from models.search_trial import METRIC, is_done, result, told

OBJECTIVE = keras_tuner.Objective(METRIC, "min")


def tuner_fn(fn_args: FnArgs) -> tfx.components.TunerFnResult:
    """Makes a search; called by the TFX Tuner.

    Args:
        fn_args: Files, transform graph and steps, as the TFX Tuner gives them.

    Returns:
        The search, with what it knows of one that was killed.
    """
    search, shared, folder = read_search(fn_args)
    return tfx.components.TunerFnResult(tuner=ProcessTuner(search, shared, folder), fit_kwargs={})


def read_search(fn_args: FnArgs) -> tuple[Search, dict[str, Any], str]:
    """What the TFX Tuner is told.

    Args:
        fn_args: As it gives them.

    Returns:
        How to search; what all trials are told, by name; and a folder that the same search finds
        again, and no other search does.
    """
    search = Search.from_config(fn_args.custom_config)
    shared = {
        "train_files": fn_args.train_files,
        "eval_files": fn_args.eval_files,
        "train_steps": fn_args.train_steps,
        "transform_output": fn_args.transform_graph_path,  # The Trainer has it by both names.
    }
    identity = json.dumps([shared, search.to_config()], sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return search, shared, os.path.join(search.training.checkpoint_root, f"search-{key}")


class FirstAsSet(keras_tuner.oracles.BayesianOptimizationOracle):
    """Tries what is set first, so that nothing worse is ever the best; survives a kill anywhere."""

    def save(self) -> None:
        """Writes what is known of all trials together, whole or not at all."""
        write_atomically(self._get_oracle_fname(), json.dumps(self.get_state()))

    def _save_trial(self, trial: Any) -> None:
        file = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        write_atomically(file, json.dumps(trial.get_state()))

    def reload(self) -> None:
        """Reads what is known, and has trials done again that began and did not end."""
        super().reload()
        for name, trial in self.trials.items():
            # A trial is written before it is in the list of those that run.
            if trial.status == TrialStatus.RUNNING and name not in self._retry_queue:
                self._retry_queue.append(name)
                self.start_order.append(name)
                self._record_values(trial)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What to try next.

        Args:
            trial_id: Of the trial to be.
        """
        if self.trials:
            return super().populate_space(trial_id)
        defaults = {each.name: each.default for each in self.get_space().space}
        return {"status": TrialStatus.RUNNING, "values": defaults}


def check_any_done(oracle: Any) -> None:
    """Checks that a search which is over found something.

    Raises:
        UserError: If no trial came to an end that is a number.
    """
    if all(trial.status != TrialStatus.COMPLETED for trial in oracle.trials.values()):
        raise UserError(
            "No trial of the search came to a good end.",
            "Look above in the log for what each of them said.",
        )


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
            max_consecutive_failed_trials=search.trials + 1,
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
        check_any_done(self.oracle)

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
        args = told(self._search, self._shared, trial.hyperparameters.values, folder)
        if not is_done(args):
            self._run(json.dumps(args), trial.trial_id)
        return {METRIC: result(args)}

    def save(self) -> None:
        """Lets a search that is killed be found again; all else the oracle writes as it comes."""
        self.oracle.save()
        write_atomically(self._get_tuner_fname(), json.dumps(self.get_state()))

    def clear(self) -> None:
        """Forgets the search, once its results are kept elsewhere."""
        tf.io.gfile.rmtree(self._folder)

    def _work(self, tuner_id: str) -> None:
        while not self._stopped.is_set():
            trial = self.oracle.create_trial(tuner_id)
            if trial.status == TrialStatus.STOPPED:
                return
            if trial.status == TrialStatus.IDLE:
                self._stopped.wait(0.5)
                continue
            self.on_trial_begin(trial)
            self._try_run_and_update_trial(trial)
            self.oracle.end_trial(trial)
            ended = self.oracle.get_trial(trial.trial_id)
            logging.info("trial %s: %s, rmse %s on eval", ended.trial_id, ended.status, ended.score)

    def _run(self, args: str, trial_id: str) -> None:
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
        said, _ = process.communicate(args)
        if self._stopped.is_set():
            raise Stopped
        if process.returncode:
            logging.error("Trial %s failed:\n%s", trial_id, said[-4000:])
            raise keras_tuner.errors.FailedTrialError(f"status {process.returncode}")
