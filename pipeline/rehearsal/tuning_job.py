"""Vertex AI hyperparameter-tuning jobs: their trials as training jobs on this machine."""

from __future__ import annotations

import copy
import json
import math
import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.rehearsal.custom_job import TrainingJob
from pipeline.rehearsal.processes import Processes

LOGARITHMIC = (2, "UNIT_LOG_SCALE")
"""A scale's number, which clients send, and its name."""


class TuningJob:
    """A job that runs.

    What to try is drawn by chance, the same for every job; the service here learns nothing.

    Args:
        request: The HyperparameterTuningJob asked for.
        processes: Starts the trials.
        logs: What the names of the trials' logs begin with.

    Attributes:
        state: As Vertex AI names it.
        error: Why it failed, in a sentence.
        failed_log: Log of the trial that failed first.
    """

    def __init__(self, request: Mapping[str, Any], processes: Processes, logs: Path) -> None:
        self.state = "JOB_STATE_RUNNING"
        self.error = ""
        self.failed_log: Path | None = None
        self._request = dict(request)
        self._processes = processes
        self._logs = logs
        self._trials = [
            {"id": str(number), "state": "REQUESTED", "parameters": self._chosen(number)}
            for number in range(1, int(request["maxTrialCount"]) + 1)
        ]
        threading.Thread(target=self._run, name="tuning job", daemon=True).start()

    @property
    def body(self) -> dict[str, Any]:
        """The job as Vertex AI tells of it, but for its name, state and error."""
        return self._request | {"trials": self._trials}

    def _chosen(self, number: int) -> list[dict[str, Any]]:
        chance = random.Random(number)
        parameters = self._request["studySpec"]["parameters"]
        return [{"parameterId": p["parameterId"], "value": _draw(p, chance)} for p in parameters]

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(int(self._request["parallelTrialCount"])) as threads:
                list(threads.map(self._try, self._trials))
        except (KeyError, ValueError, OSError) as error:
            self.error = f"{type(error).__name__}: {error}"
        self.state = "JOB_STATE_FAILED" if self.error else "JOB_STATE_SUCCEEDED"

    def _try(self, trial: dict[str, Any]) -> None:
        if self.error:
            return
        trial["state"] = "ACTIVE"
        logs = self._logs.with_name(f"{self._logs.name}-trial-{trial['id']}")
        metrics = logs.with_name(f"{logs.name}.metrics")
        job = TrainingJob(self._training(trial, metrics), self._processes, logs)
        job.wait()
        if not job.error and metrics.exists():
            trial |= {"state": "SUCCEEDED", "finalMeasurement": self._measured(metrics)}
            return
        reason = job.error or "It reported no metric."
        trial |= {"state": "INFEASIBLE", "infeasibleReason": reason}
        self.failed_log = self.failed_log or job.failed_log
        failed = sum(each["state"] == "INFEASIBLE" for each in self._trials)
        if failed >= int(self._request["maxFailedTrialCount"]):
            self.error = f"{failed} trials failed; trial {trial['id']}: {reason}"

    def _training(self, trial: Mapping[str, Any], metrics: Path) -> dict[str, Any]:
        """The CustomJob of a trial, told its hyperparameters as Vertex AI does."""
        spec = copy.deepcopy(self._request["trialJobSpec"])
        folder = spec["baseOutputDirectory"]["outputUriPrefix"].rstrip("/")
        spec["baseOutputDirectory"]["outputUriPrefix"] = f"{folder}/{trial['id']}"
        variables = {"CLOUD_ML_TRIAL_ID": trial["id"], "CLOUD_ML_HP_METRIC_FILE": str(metrics)}
        for pool in spec["workerPoolSpecs"]:
            container = pool["containerSpec"]
            given = [f"--{p['parameterId']}={p['value']}" for p in trial["parameters"]]
            container["args"] = [*container.get("args", []), *given]
            told = [{"name": name, "value": value} for name, value in variables.items()]
            container["env"] = [*container.get("env", []), *told]
        return {"jobSpec": spec}

    def _measured(self, metrics: Path) -> dict[str, Any]:
        last = json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])
        wanted = [metric["metricId"] for metric in self._request["studySpec"]["metrics"]]
        return {"metrics": [{"metricId": name, "value": float(last[name])} for name in wanted]}


def _draw(parameter: Mapping[str, Any], chance: random.Random) -> Any:
    if "categoricalValueSpec" in parameter:
        return chance.choice(parameter["categoricalValueSpec"]["values"])
    if "discreteValueSpec" in parameter:
        return chance.choice(parameter["discreteValueSpec"]["values"])
    interval = parameter["doubleValueSpec"]
    low, high = float(interval["minValue"]), float(interval["maxValue"])
    if parameter.get("scaleType") in LOGARITHMIC:
        return math.exp(chance.uniform(math.log(low), math.log(high)))
    return chance.uniform(low, high)
