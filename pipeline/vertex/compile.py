"""`compile`: the pipeline as the spec that Vertex AI runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text
from tfx import v1 as tfx

from common.errors import UserError
from pipeline.components.accepted_statistics import ACCEPTED
from pipeline.pipeline import create_pipeline
from pipeline.vertex.engines import vertex_engines
from pipeline.vertex.entry_point import ENVIRONMENT
from pipeline.vertex.notification import Notification
from pipeline.vertex.options import Compile
from pipeline.vertex.task_order import all_tasks, tasks_in_order
from pipeline.vertex.vertex_settings import VertexSettings

TRIED_ONCE = frozenset({"AnomalyGate", "Watch"})
"""They fail for what the data is."""

INGESTION = "BigQueryExampleGen"
"""The task that reads the table."""

Job = dict[str, Any]
"""A PipelineJob of Vertex AI, as JSON: `pipelineSpec`, `runtimeConfig`, `displayName`, `labels`."""


def compile_job(settings: VertexSettings, table_state: str = "") -> Job:
    """Compiles the pipeline.

    Args:
        settings: What the user chose.
        table_state: A line that changes with the rows of the table. Without one, as for a schedule,
            whose runs come later, the rows are read anew in every run.

    Returns:
        The job; the same for the same settings and code.

    Raises:
        UserError: If the schema can't be read.
    """
    pipeline = create_pipeline(settings, vertex_engines(settings, table_state))
    at_exit = None
    if settings.notify_webhook:
        at_exit = Notification(
            final_status=tfx.orchestration.experimental.FinalStatusStr(),
            webhook=settings.notify_webhook,
            pipeline=pipeline.pipeline_info.pipeline_name,
        )
    job = to_job(settings, pipeline, at_exit)
    if not table_state:
        all_tasks(job["pipelineSpec"])[INGESTION].pop("cachingOptions", None)
    return job


def to_job(settings: VertexSettings, pipeline: tfx.dsl.Pipeline, at_exit: Any = None) -> Job:
    """Compiles a pipeline of ours.

    Args:
        settings: What the user chose.
        pipeline: Its tasks run in the settings' image.
        at_exit: What runs whatever becomes of them, if anything does.
    """
    config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        default_image=settings.image,
        default_commands=[
            *("python", "-m", "pipeline.vertex.entry_point"),
            f"--task-timeout={60 * settings.task_timeout}",
            f"--environment={settings.environment}",
        ],
        use_pipeline_spec_2_1=True,
    )
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(config=config)
    if at_exit:
        runner.set_exit_handler(at_exit)
    job = runner.run(pipeline, write_out=False)
    job["labels"] = job["labels"] | settings.labels
    _restrict_resolvers(job["pipelineSpec"], settings.environment)
    _retry_tasks(job["pipelineSpec"], settings.task_retries)
    # A YAML file holds the spec alone, without the job's `runtimeConfig`.
    job["pipelineSpec"]["defaultPipelineRoot"] = settings.artifact_root
    return job


def _restrict_resolvers(spec: Job, environment: str) -> None:
    """Has resolvers find artifacts of the environment only, and only statistics that were accepted.

    TFX compiles the stock strategies alone, whose filters know an artifact's type and no more.
    """
    for executor in spec["deploymentSpec"]["executors"].values():
        for query in executor.get("resolver", {}).get("outputArtifactQueries", {}).values():
            if "name=" in query["filter"]:  # The model that a blessing names.
                continue
            if 'schema_title="tfx.ExampleStatistics"' in query["filter"]:
                query["filter"] += f" AND metadata.{ACCEPTED}.number_value=1"
            query["filter"] += f' AND metadata.{ENVIRONMENT}.string_value="{environment}"'


def _retry_tasks(spec: Job, retries: int) -> None:
    """Has tasks tried again, each time after a longer pause, so that one outage ends no run."""
    executors = spec["deploymentSpec"]["executors"]
    for name, task in all_tasks(spec).items():
        component = spec["components"][task["componentRef"]["name"]]
        is_resolver = "container" not in executors[component["executorLabel"]]
        if retries and not is_resolver and name not in TRIED_ONCE:
            task["retryPolicy"] = {
                "maxRetryCount": retries,
                "backoffDuration": "60s",
                "backoffFactor": 2.0,
                "backoffMaxDuration": "900s",
            }


def to_text(job: Job, file: Path) -> str:
    """Writes a job out.

    Returns:
        The whole job as JSON, or its spec alone as YAML: what the clients of Vertex AI and of
        Kubeflow Pipelines expect of each.
    """
    if file.suffix == ".json":
        return json.dumps(job, indent=2, sort_keys=True) + "\n"
    return yaml.safe_dump(job["pipelineSpec"], sort_keys=True)


def run(settings: VertexSettings, options: Compile, console: Console) -> int:
    """Writes the spec, and shows what is in it.

    Raises:
        UserError: If the file can't be written, or the schema can't be read.
    """
    write(compile_job(settings), options.output, console)
    return 0


def write(job: Job, output: Path, console: Console) -> None:
    """Writes a job out, and shows what is in it.

    Raises:
        UserError: If the file can't be written.
    """
    text = to_text(job, output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{output} can't be written: {error.strerror}.",
            "Name another file with --output.",
        ) from error
    tasks = tasks_in_order(job["pipelineSpec"])
    size = f"{len(text.encode()) / 1000:,.0f} kB, {len(tasks)} tasks"
    console.print(Text(str(output), "bold").append(f"  {size}", "none"))
    for name, waits in tasks.items():
        upstream = f" after {', '.join(waits)}" if waits else ""
        console.print(Text(f"  {name}").append(upstream, "dim"))
