"""What the Trainer asks of Vertex AI when it runs, and where a training job writes its curves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.extensions.google_cloud_ai_platform import runner
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from models.task import log_folder
from pipeline.vertex.trainer import Executor, training_config
from pipeline.vertex.vertex_settings import VertexSettings


def test_curves_of_a_job_go_to_the_model_run(
    vertex_settings: Callable[..., VertexSettings], monkeypatch: pytest.MonkeyPatch
):
    started: list[Any] = []
    monkeypatch.setattr(runner, "start_cloud_training", lambda *args: started.append(args))
    run = standard_artifacts.ModelRun()
    run.uri = "gs://my-bucket/natality/pipeline/1/model_run"

    properties = {"custom_config": json_utils.dumps(training_config(vertex_settings()))}
    Executor().Do({}, {"model_run": [run]}, properties)

    ((_, _, _, _, job, _, _, enabled, region),) = started
    assert job["job_spec"]["base_output_directory"] == {"output_uri_prefix": run.uri}
    assert job["job_spec"]["worker_pool_specs"]
    assert (enabled, region) == (True, "us-central1")


def test_curves_are_written_where_the_job_is_told(monkeypatch: pytest.MonkeyPatch):
    arguments = FnArgs(model_run_dir="runs/model_run")  # type: ignore[call-arg]
    monkeypatch.delenv("AIP_TENSORBOARD_LOG_DIR", raising=False)
    assert log_folder(arguments) == "runs/model_run"
    monkeypatch.setenv("AIP_TENSORBOARD_LOG_DIR", "gs://my-bucket/model_run/logs")
    assert log_folder(arguments) == "gs://my-bucket/model_run/logs"
