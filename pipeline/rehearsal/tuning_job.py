"""Vertex AI hyperparameter-tuning jobs: their trials as training jobs on this machine."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.rehearsal.custom_job import RunningJob, TrainingJob
from pipeline.rehearsal.processes import Processes

LOGARITHMIC = (2, "UNIT_LOG_SCALE")
"""A scale's number, which clients send, and its name."""


class TuningJob(RunningJob):
    """A HyperparameterTuningJob.

    What to try is drawn by chance, the same for every job; the service here learns nothing.
    """

    def __init__(self, request: Mapping[str, Any], processes: Processes, logs: Path) -> None:
        parameters = request["studySpec"]["parameters"]
        trials = [
            {"id": str(number), "state": "REQUESTED", "parameters": _chosen(parameters, number)}
            for number in range(1, int(request["maxTrialCount"]) + 1)
        ]
        super().__init__({**request, "trials": trials}, processes, logs)

    def _run(self) -> None:
        with ThreadPoolExecutor(int(self.body["parallelTrialCount"])) as threads:
            list(threads.map(self._try, self.body["trials"]))

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
        failed = sum(each["state"] == "INFEASIBLE" for each in self.body["trials"])
        if failed >= int(self.body["maxFailedTrialCount"]):
            self.error = f"{failed} trials failed; trial {trial['id']}: {reason}"

    def _training(self, trial: Mapping[str, Any], metrics: Path) -> dict[str, Any]:
        """The CustomJob of a trial, told its hyperparameters as Vertex AI does."""
        spec = copy.deepcopy(self.body["trialJobSpec"])
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
        wanted = [metric["metricId"] for metric in self.body["studySpec"]["metrics"]]
        return {"metrics": [{"metricId": name, "value": float(last[name])} for name in wanted]}


def _chosen(parameters: Sequence[Mapping[str, Any]], number: int) -> list[dict[str, Any]]:
    """The hyperparameters of a trial, by its number."""
    chance = random.Random(number)
    return [{"parameterId": p["parameterId"], "value": _draw(p, chance)} for p in parameters]


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
