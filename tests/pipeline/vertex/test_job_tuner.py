"""What the Tuner asks of Vertex AI, asked by its own client; trials are processes all the same."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud.aiplatform import gapic
from google.oauth2.credentials import Credentials
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.extensions.google_cloud_ai_platform import runner

from models.features import HYPERPARAMETERS
from models.search import Search
from models.task import Training
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.vertex_service import Vertex
from pipeline.vertex import job_tuner
from pipeline.vertex.trainer import tuning_config
from pipeline.vertex.vertex_settings import VertexSettings

REPORT = """
import json, os, sys, time
while not os.path.exists("go"):
    time.sleep(0.02)
told = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
assert json.loads(told.pop("search"))["shared"]["train_files"] == ["train-*"]
assert os.environ["AIP_MODEL_DIR"].endswith(f"/{os.environ['CLOUD_ML_TRIAL_ID']}/model/")
if os.environ["CLOUD_ML_TRIAL_ID"] in FAILS.split(","):
    sys.exit(3)
with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w") as file:
    print(json.dumps({"val_rmse": told["wide_l2"]}), file=file)
"""
"""A trial whose RMSE is one of its hyperparameters."""


@pytest.fixture
def vertex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vertex]:
    """Vertex AI on loopback, where the Tuner's client is led to."""
    (tmp_path / "logs").mkdir()
    processes = Processes({"PATH": "/usr/bin:/bin"}, tmp_path)
    buckets = Buckets(tmp_path / "buckets")
    with Vertex(processes, buckets, tmp_path / "endpoints", tmp_path / "logs") as service:
        service.task = "Tuner"
        access, real = service.access(), gapic.JobServiceClient

        def client(**_: Any) -> gapic.JobServiceClient:
            options = {"api_endpoint": access["address"]}
            credentials = Credentials(access["token"])
            return real(credentials=credentials, transport="rest", client_options=options)

        monkeypatch.setattr(gapic, "JobServiceClient", client)
        monkeypatch.setattr(runner, "_POLLING_INTERVAL_IN_SECONDS", 0.02)
        yield service
    processes.stop()


@pytest.fixture
def search(
    vertex: Vertex,
    vertex_settings: Callable[..., VertexSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Makes the search of three trials that the TFX Tuner would make; some of which fail."""
    flags = ("--tune-trials", "3", "--tune-processes", "2", "--labels", "team=births")
    settings = vertex_settings(*flags)

    def make(fails: str = "") -> Any:
        script = REPORT.replace("FAILS", repr(fails))
        monkeypatch.setattr(job_tuner, "COMMAND", ["python3", "-c", script])
        training = Training(
            *(512, 500, str(tmp_path / "checkpoints"), True, 1, "code", HYPERPARAMETERS),
            chosen=("deep_learning_rate",),
        )
        config = Search(3, 2, training).to_config() | tuning_config(settings)
        args: dict[str, Any] = {
            **{"train_files": ["train-*"], "eval_files": ["eval-*"], "train_steps": 9},
            **{"transform_graph_path": "graph", "custom_config": config},
        }
        return job_tuner.tuner_fn(FnArgs(**args)).tuner

    return make


def test_the_request_is_the_job_that_vertex_documents(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    search().search()
    (kept,) = map(json.loads, (tmp_path / "logs" / "requests.jsonl").read_text().splitlines())
    assert kept["path"].startswith(
        "/v1/projects/my-project/locations/us-central1/hyperparameterTuningJobs?"
    )
    body = kept["body"]
    pool = body["trialJobSpec"]["workerPoolSpecs"][0]
    container = pool.pop("containerSpec")
    assert container.pop("command")[:2] == ["python3", "-c"]
    (told,) = container.pop("args")
    assert json.loads(told.removeprefix("--search="))["search"]["trials"] == 3
    folder = body["trialJobSpec"].pop("baseOutputDirectory")["outputUriPrefix"]
    assert container == {
        "imageUri": "us-central1-docker.pkg.dev/my-project/natality/natality:1",
        "env": [{"name": "TF_USE_LEGACY_KERAS", "value": "1"}],
    }
    assert body == {
        "displayName": "natality-tuning",
        "labels": {"team": "births", "search": folder.rpartition("/")[2]},
        "maxTrialCount": 3,
        "parallelTrialCount": 2,
        "maxFailedTrialCount": 3,
        "studySpec": {
            "metrics": [
                {"metricId": "val_rmse", "goal": gapic.StudySpec.MetricSpec.GoalType.MINIMIZE}
            ],
            "parameters": [
                {
                    "parameterId": "hidden_units",
                    "categoricalValueSpec": {
                        "values": ["64,32", "32", "64", "128,64", "128,64,32", "256,128"]
                    },
                },
                {
                    "parameterId": "category_embedding",
                    "discreteValueSpec": {"values": [2.0, 4.0, 8.0, 16.0]},
                },
                logarithmic("wide_learning_rate", 0.01, 0.3),
                logarithmic("wide_l2", 0.3, 100.0),
                {
                    "parameterId": "cross_share",
                    "discreteValueSpec": {"values": [0.1, 0.25, 0.5, 1.0]},
                },
            ],
        },
        "trialJobSpec": {
            "workerPoolSpecs": [
                {"machineSpec": {"machineType": "n2-standard-8"}, "replicaCount": "1"}
            ],
            # Two rounds of trials, in the six hours that the task has.
            "scheduling": {"timeout": "10800s", "restartJobOnWorkerRestart": True},
            "serviceAccount": "runner@my-project.iam.gserviceaccount.com",
        },
    }


def logarithmic(name: str, low: float, high: float) -> dict[str, Any]:
    return {
        "parameterId": name,
        "doubleValueSpec": {"minValue": low, "maxValue": high},
        "scaleType": gapic.StudySpec.ParameterSpec.ScaleType.UNIT_LOG_SCALE,
    }


def test_the_best_of_the_trials_is_known_as_kerastuner_knows_it(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    made = search(fails="2")
    made.search()
    trials = made.oracle.get_best_trials(3)
    assert [trial.status for trial in trials] == ["COMPLETED", "COMPLETED", "FAILED"]
    assert trials[2].trial_id == "2"
    for trial in trials[:2]:
        assert trial.score == pytest.approx(trial.hyperparameters.values["wide_l2"])
    assert trials[0].score < trials[1].score
    best = made.get_best_hyperparameters()[0].get_config()["values"]
    assert set(best) == {field.name for field in dataclasses.fields(HYPERPARAMETERS)} - {
        "label_scale"
    }
    assert best["deep_learning_rate"] == HYPERPARAMETERS.deep_learning_rate
    assert isinstance(best["category_embedding"], int)
    made.clear()
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_job_in_which_every_trial_fails_says_why(
    search: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    with pytest.raises(RuntimeError, match=r"3 trials failed.*ended with status 3"):
        search(fails="1,2,3").search()


def test_a_task_that_is_tried_again_goes_on_with_the_job_it_finds(
    search: Callable[..., Any], vertex: Vertex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(time, "sleep", killed)
        search().search()
    again = search()
    (tmp_path / "go").touch()
    again.search()
    assert len(vertex.jobs) == 1
    assert len(again.oracle.trials) == 3
