"""The Tuner's entry point on Vertex AI: trials as a hyperparameter-tuning job, each a container.

The service chooses what to try, and has no way to be told what to try first. A task that is tried
again goes on with the job that it finds running.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping
from typing import Any

import keras_tuner
import tensorflow as tf
from absl import logging
from google.api_core.retry import Retry
from google.cloud.aiplatform import gapic
from keras_tuner.engine import base_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.extensions.google_cloud_ai_platform import runner

from models.search import Search
from models.search_space import SPACE, to_keras_tuner, typed
from models.search_trial import METRIC, to_argument
from models.tuning import OBJECTIVE, check_any_done, read_search

X = tfx.extensions.google_cloud_ai_platform

SEARCH = "search"
"""Label of the job, by which a search finds its own again."""

ENDED = (
    gapic.JobState.JOB_STATE_SUCCEEDED,
    gapic.JobState.JOB_STATE_FAILED,
    gapic.JobState.JOB_STATE_CANCELLED,
    gapic.JobState.JOB_STATE_EXPIRED,
)
"""States that a job does not leave."""

COMMAND = ["python", "-m", "models.search_trial"]


def tuner_fn(fn_args: FnArgs) -> tfx.components.TunerFnResult:
    """Makes a search; called by the TFX Tuner."""
    search, shared, folder = read_search(fn_args)
    space = to_keras_tuner(SPACE, search.training.hyperparameters, search.training.chosen)
    config = fn_args.custom_config
    region, args = config[X.VERTEX_REGION_KEY], config[X.TRAINING_ARGS_KEY]
    parent = f"projects/{args['project']}/locations/{region}"
    client = gapic.JobServiceClient(
        client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    )
    job = tuning_job(args, search, shared, space, folder)
    tuner = JobTuner(client, parent, job, space, folder)
    return tfx.components.TunerFnResult(tuner=tuner, fit_kwargs={})


def tuning_job(
    args: Mapping[str, Any],
    search: Search,
    shared: Mapping[str, Any],
    space: keras_tuner.HyperParameters,
    folder: str,
) -> dict[str, Any]:
    """The HyperparameterTuningJob of a search.

    Args:
        args: Name, labels and CustomJobSpec, as in `pipeline/vertex/trainer.py`.
        search: How to search.
        shared: What all trials are told, by name.
        space: What is searched.
        folder: Of the trials; each has one of its own in it, named by its id.
    """
    spec = copy.deepcopy(args["job_spec"])
    spec["base_output_directory"] = {"output_uri_prefix": folder}
    for pool in spec["worker_pool_specs"]:
        # Vertex AI adds --NAME=VALUE for each hyperparameter.
        pool["container_spec"] |= {"command": COMMAND, "args": [to_argument(search, shared)]}
    return {
        "display_name": args["display_name"],
        "labels": args["labels"] | {SEARCH: os.path.basename(folder)},
        "max_trial_count": search.trials,
        "parallel_trial_count": min(search.processes, search.trials),
        "max_failed_trial_count": search.trials,  # One that diverged is known now to be bad.
        "study_spec": {
            "metrics": [{"metric_id": METRIC, "goal": "MINIMIZE"}],
            "parameters": [parameter for each in space.space for parameter in _parameter(each)],
        },
        "trial_job_spec": spec,
    }


def _parameter(each: Any) -> list[dict[str, Any]]:
    """One of KerasTuner's hyperparameters as Vertex AI declares it; none if there is no choice."""
    if isinstance(each, keras_tuner.engine.hyperparameters.Fixed):
        return []
    if isinstance(each, keras_tuner.engine.hyperparameters.Float):
        interval = {"min_value": each.min_value, "max_value": each.max_value}
        kind: dict[str, Any] = {
            "double_value_spec": interval,
            "scale_type": "UNIT_LOG_SCALE",
        }
    elif isinstance(each.default, str):
        kind = {"categorical_value_spec": {"values": list(each.values)}}
    else:
        kind = {"discrete_value_spec": {"values": sorted(each.values)}}
    return [{"parameter_id": each.name, **kind}]


class JobTuner(base_tuner.BaseTuner):
    """Has Vertex AI run the trials, and knows as a KerasTuner what came of them."""

    def __init__(
        self,
        client: gapic.JobServiceClient,
        parent: str,
        job: dict[str, Any],
        space: keras_tuner.HyperParameters,
        folder: str,
    ) -> None:
        self._client = client
        self._parent = parent
        self._job = job
        self._folder = folder
        oracle = keras_tuner.Oracle(OBJECTIVE, job["max_trial_count"], space)
        super().__init__(oracle, directory=folder, project_name="found")

    def search(self) -> None:
        """Runs the job, or goes on waiting for it; called by the TFX Tuner.

        Raises:
            RuntimeError: If it failed or was cancelled.
            UserError: If no trial came to a good end.
        """
        job = self._running() or self._client.create_hyperparameter_tuning_job(
            parent=self._parent, hyperparameter_tuning_job=gapic.HyperparameterTuningJob(self._job)
        )
        logging.info("Hyperparameter-tuning job %s", job.name)
        while job.state not in ENDED:
            time.sleep(runner._POLLING_INTERVAL_IN_SECONDS)  # As the Trainer does.
            job = self._client.get_hyperparameter_tuning_job(name=job.name, retry=Retry())
        for trial in job.trials:
            self.oracle.trials[trial.id] = self._read(trial)
        if job.state != gapic.JobState.JOB_STATE_SUCCEEDED:
            raise RuntimeError(f"Job {job.name} ended as {job.state.name}: {job.error.message}")
        check_any_done(self.oracle)

    def clear(self) -> None:
        """Removes what the trials have written, once the results are kept elsewhere."""
        tf.io.gfile.rmtree(self._folder)

    def _running(self) -> Any:
        """The job of an earlier try of this task."""
        request = {
            "parent": self._parent,
            "filter": f'labels.{SEARCH}="{self._job["labels"][SEARCH]}"',
        }
        jobs = self._client.list_hyperparameter_tuning_jobs(request=request)
        return next((job for job in jobs if job.state not in ENDED), None)

    def _read(self, told: gapic.Trial) -> Trial:
        space = self.oracle.get_space()
        given = {parameter.parameter_id: parameter.value for parameter in told.parameters}
        space.values = typed(space, given)
        trial = Trial(space, trial_id=told.id, status=TrialStatus.FAILED)
        found = {each.metric_id: each.value for each in told.final_measurement.metrics}
        if told.state == gapic.Trial.State.SUCCEEDED and METRIC in found:
            trial.status, trial.score = TrialStatus.COMPLETED, found[METRIC]
        return trial
