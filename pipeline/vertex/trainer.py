"""The Trainer that trains as a custom job of Vertex AI; and where it and the Tuner's trials run."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.extensions.google_cloud_ai_platform.trainer import executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import json_utils

from data.table import TABLE
from pipeline.vertex.scales import worker_pools
from pipeline.vertex.vertex_settings import VertexSettings

X = tfx.extensions.google_cloud_ai_platform

ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}
"""What must be set before Python loads TensorFlow in a training container, whose command is TFX's.

`pipeline/vertex/entry_point.py` sees to it for all other tasks.
"""


class Executor(executor.GenericExecutor):
    """Starts the custom job with the folder of the model run as its output directory.

    Vertex AI tells the job a folder below it, `AIP_TENSORBOARD_LOG_DIR`, and shows what is written
    there in the TensorBoard instance. The folder is of the run, so that curves of runs don't mix,
    and is not known when the pipeline is compiled.
    """

    def Do(  # noqa: N802, TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Starts the job and waits for its end.

        Raises:
            RuntimeError: If the job failed or was cancelled.
        """
        run = artifact_utils.get_single_uri(output_dict[standard_component_specs.MODEL_RUN_KEY])
        config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        job = config[X.TRAINING_ARGS_KEY]["job_spec"]
        job["base_output_directory"] = {"output_uri_prefix": run}
        changed = {standard_component_specs.CUSTOM_CONFIG_KEY: json_utils.dumps(config)}
        super().Do(input_dict, output_dict, exec_properties | changed)


class Trainer(X.Trainer):
    """TFX's Trainer on Vertex AI, with the executor above."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


def training_config(settings: VertexSettings) -> dict[str, Any]:
    """What the Trainer's executor must know.

    Returns:
        Entries of the Trainer's `custom_config`: the CustomJob, and where it runs.
    """
    return _config(settings, "training", settings.training_timeout)


def tuning_config(settings: VertexSettings) -> dict[str, Any]:
    """What the Tuner must know, in the form of `training_config`: the CustomJob is a trial's."""
    rounds = -(-settings.tune_trials // settings.tune_processes) or 1
    # All trials together may take no longer than the task that waits for them.
    minutes = min(settings.training_timeout, max(1, settings.task_timeout // rounds))
    return _config(settings, "tuning", minutes)


def _config(settings: VertexSettings, purpose: str, minutes: int) -> dict[str, Any]:
    return {
        X.ENABLE_VERTEX_KEY: True,
        X.VERTEX_REGION_KEY: settings.region,
        X.TRAINING_ARGS_KEY: {
            "project": settings.project,
            "display_name": f"{TABLE.pipeline}-{purpose}",
            "labels": settings.labels,
            "job_spec": _job_spec(settings, minutes),
        },
    }


def _job_spec(settings: VertexSettings, minutes: int) -> dict[str, Any]:
    job: dict[str, Any] = {
        "worker_pool_specs": worker_pools(
            settings.all_scales[settings.scale], settings.image, ENVIRONMENT
        ),
        "scheduling": {
            "timeout": {"seconds": 60 * minutes},
            # Workers wait for each other: one that is lost takes all back to the last checkpoint.
            "restart_job_on_worker_restart": True,
        },
        "service_account": settings.service_account,
    }
    return job | {
        name: value
        for name in ("network", "tensorboard")
        if (value := getattr(settings, name)) is not None
    }
