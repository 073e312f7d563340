"""The compiled spec: the same bytes for the same settings, and all that Vertex AI must be told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, WorkerOptions
from google.cloud.aiplatform import gapic
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import (
    kubeflow_v2_entrypoint_utils,
    kubeflow_v2_run_executor,
)

from pipeline.components.shards import read_shards
from pipeline.vertex.commands import main
from pipeline.vertex.compile import Job, compile_job, tasks_in_order, to_text
from pipeline.vertex.entry_point import register_artifacts
from pipeline.vertex.vertex_settings import VertexSettings
from report.artifact import HTML

PROJECT = Path(__file__).parents[3]

Load = Callable[..., VertexSettings]


def executors(job: Job) -> dict[str, Any]:
    found = job["pipelineSpec"]["deploymentSpec"]["executors"]
    return {label.removesuffix("_executor"): executor for label, executor in found.items()}


def containers(job: Job) -> dict[str, Any]:
    return {name: e["container"] for name, e in executors(job).items() if "container" in e}


def parameter(job: Job, task: str, name: str) -> Any:
    inputs = job["pipelineSpec"]["root"]["dag"]["tasks"][task]["inputs"]
    return inputs["parameters"][name]["runtimeValue"]["constant"]


def custom_config(job: Job, task: str) -> dict[str, Any]:
    return json.loads(parameter(job, task, "custom_config"))


def beam_options(job: Job, task: str) -> PipelineOptions:
    """The options of Beam, as TFX's entry point takes them from the command of a container."""
    arguments = ["entry-point", *containers(job)[task]["args"]]
    _, rest = kubeflow_v2_run_executor._parse_flags(arguments)
    return PipelineOptions(rest[1:])


def test_two_processes_write_the_same_bytes(required: tuple[str, ...], empty_folder: Path):
    """This one, and one in which sets are in another order."""
    labels = ["--labels", "team=a", "--labels", "stage=b"]
    command = [*required, *labels, "compile", "--output"]
    assert main([*command, "here.json"]) == 0
    subprocess.run(
        [sys.executable, str(PROJECT / "vertex_runner.py"), *command, "there.json"],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    written = (empty_folder / "here.json").read_bytes()
    assert written == (empty_folder / "there.json").read_bytes()
    assert json.loads(written)["labels"]["stage"] == "b"


def test_the_console_shows_file_size_and_tasks(
    required: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    assert main([*required, "compile", "--output", "specs/natality.yaml"]) == 0
    lines = capfd.readouterr().out.splitlines()
    size = Path("specs/natality.yaml").stat().st_size
    assert lines[0] == f"specs/natality.yaml  {size / 1000:.0f} kB, {len(lines) - 1} tasks"
    assert "  Pusher after Evaluator, Replay, Trainer" in lines


def test_json_holds_the_job_and_yaml_its_spec(vertex_settings: Load):
    job = compile_job(vertex_settings())
    assert json.loads(to_text(job, Path("a.json"))) == job
    assert yaml.safe_load(to_text(job, Path("a.yaml"))) == job["pipelineSpec"]
    assert job["pipelineSpec"]["schemaVersion"] == "2.1.0"
    assert job["pipelineSpec"]["defaultPipelineRoot"] == "gs://my-bucket/natality/pipeline"
    assert job["runtimeConfig"] == {"gcsOutputDirectory": "gs://my-bucket/natality/pipeline"}


def test_tasks_come_after_what_they_wait_for(vertex_settings: Load):
    tasks = tasks_in_order(compile_job(vertex_settings())["pipelineSpec"])
    names = list(tasks)
    for name, waits in tasks.items():
        assert all(names.index(before) < names.index(name) for before in waits)
    assert "AnomalyGate" in tasks["Transform"]


def test_containers_run_our_image_and_entry_point(vertex_settings: Load):
    settings = vertex_settings("--task-timeout", "500")
    for container in containers(compile_job(settings)).values():
        assert container["image"] == settings.image
        assert container["command"][:3] == ["python", "-m", "pipeline.vertex.entry_point"]
        assert container["command"][3:] == ["--task-timeout=30000", "--environment=development"]


@pytest.mark.parametrize("task", ["BigQueryExampleGen", "StatisticsGen", "Transform", "Evaluator"])
def test_beam_steps_run_on_dataflow_within_bounds(vertex_settings: Load, task: str):
    subnetwork = "regions/us-central1/subnetworks/private"
    settings = vertex_settings(
        *("--dataflow-machine-type", "e2-standard-2", "--dataflow-disk", "80"),
        *("--dataflow-workers", "3", "--dataflow-max-workers", "7"),
        *("--dataflow-subnetwork", subnetwork, "--dataflow-timeout", "30"),
        *("--labels", "team=a", "--labels", "stage=b", "--temp", "gs://short-lived/a"),
    )
    options = beam_options(compile_job(settings), task)

    assert options.get_all_options()["runner"] == "DataflowRunner"
    cloud, workers = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region) == ("my-project", "us-central1")
    assert cloud.temp_location == "gs://short-lived/a"
    assert cloud.service_account_email == settings.service_account
    assert cloud.labels == ["stage=b", "team=a"]
    assert cloud.dataflow_service_options == ["max_workflow_runtime_walltime_seconds=1800"]
    assert workers.machine_type == "e2-standard-2"
    assert (workers.num_workers, workers.max_num_workers) == (3, 7)
    assert workers.disk_size_gb == 80
    assert workers.subnetwork == subnetwork
    assert workers.use_public_ips is False
    assert workers.sdk_container_image == settings.workers_image


def test_workers_can_have_addresses_an_identity_and_an_image_of_their_own(vertex_settings: Load):
    account = "dataflow@my-project.iam.gserviceaccount.com"
    settings = vertex_settings(
        *("--dataflow-public-ips", "--dataflow-service-account", account),
        *("--dataflow-image", "gcr.io/p/beam:2"),
    )
    options = beam_options(compile_job(settings), "Transform")
    assert options.view_as(WorkerOptions).use_public_ips is None
    assert options.view_as(WorkerOptions).sdk_container_image == "gcr.io/p/beam:2"
    assert options.view_as(GoogleCloudOptions).service_account_email == account


def test_bigquery_is_asked_by_the_stock_executor(vertex_settings: Load):
    job = compile_job(vertex_settings())
    path = "tfx.extensions.google_cloud_big_query.example_gen.executor.Executor"
    assert path in containers(job)["BigQueryExampleGen"]["args"]
    assert "bigquery-public-data.samples.natality" in parameter(
        job, "BigQueryExampleGen", "input_config"
    )


def test_examples_are_dealt_out_to_as_many_files_as_machines_train(vertex_settings: Load):
    def shards(*flags: str) -> tuple[bool, int]:
        job = compile_job(vertex_settings(*flags))
        arguments = containers(job)["BigQueryExampleGen"]["args"]
        ours = "pipeline.components.sharded_bigquery.Executor" in arguments
        parameters = job["pipelineSpec"]["root"]["dag"]["tasks"]["BigQueryExampleGen"]["inputs"]
        config = parameters["parameters"].get("custom_config", {}).get("runtimeValue", {})
        return ours, read_shards({"custom_config": config.get("constant")})

    assert shards("--scale", "basic") == (False, 1)
    assert shards("--scale", "multi_worker") == (True, 4)
    assert shards("--scale", "multi_worker", "--shards", "8") == (True, 8)


GPU = {"accelerator_type": "NVIDIA_L4", "accelerator_count": 1}


@pytest.mark.parametrize(
    ("scale", "machine", "replicas"),
    [
        ("basic", {"machine_type": "n2-standard-8"}, [1]),
        ("multi_worker", {"machine_type": "n2-standard-8"}, [1, 3]),
        ("gpu", {"machine_type": "g2-standard-8"} | GPU, [1]),
    ],
)
def test_training_is_a_custom_job_of_the_scale(
    vertex_settings: Load, scale: str, machine: dict[str, Any], replicas: list[int]
):
    board = "projects/12/locations/us-central1/tensorboards/34"
    settings = vertex_settings(
        *("--scale", scale, "--training-timeout", "20", "--tensorboard", board),
        *("--network", "projects/12/global/networks/a", "--labels", "team=a"),
    )
    config = custom_config(compile_job(settings), "Trainer")
    assert config["ai_platform_enable_vertex"] is True
    assert config["ai_platform_vertex_region"] == "us-central1"
    job = config["ai_platform_training_args"]
    assert job.pop("project") == "my-project"
    assert job["labels"] == {"team": "a"}
    pools = job["job_spec"]["worker_pool_specs"]
    assert [pool["machine_spec"] for pool in pools] == [machine] * len(replicas)
    assert [pool["replica_count"] for pool in pools] == replicas
    assert all(pool["container_spec"]["image_uri"] == settings.image for pool in pools)

    spec = gapic.CustomJob(job).job_spec  # Refuses names that the service doesn't know.
    assert spec.scheduling.timeout.total_seconds() == 1200
    assert spec.service_account == settings.service_account
    assert spec.tensorboard == board
    assert spec.network == "projects/12/global/networks/a"
    assert spec.worker_pool_specs[0].container_spec.env[0].name == "TF_USE_LEGACY_KERAS"


def test_a_blessed_model_goes_to_an_endpoint(vertex_settings: Load):
    settings = vertex_settings("--endpoint", "births", "--endpoint-traffic", "10")
    config = custom_config(compile_job(settings), "Pusher")
    serving = config["ai_platform_serving_args"]
    assert serving.pop("version_labels").keys() == {"transform", "training"}
    assert serving == {
        "place": {
            "parent": "projects/my-project/locations/us-central1",
            "model": "natality-development",
            "endpoint": "births",
            "dedicated": True,
            "image": "us-central1-docker.pkg.dev/my-project/natality/natality-serving:1",
            "machine_type": "n2-standard-2",
            "min_replicas": 1,
            "max_replicas": 2,
            "labels": {},
        },
        "traffic": 10,
    }


def test_a_blessed_model_can_go_to_storage(vertex_settings: Load):
    job = compile_job(vertex_settings("--push-to", "storage"))
    destination = json.loads(parameter(job, "Pusher", "push_destination"))
    folder = "gs://my-bucket/natality/serving/natality"
    assert destination == {"filesystem": {"base_directory": folder}}
    assert "tfx.components.pusher.executor.Executor" in containers(job)["Pusher"]["args"]


def test_resolvers_ask_for_what_earlier_runs_left(vertex_settings: Load):
    environment = 'metadata.environment.string_value="development"'
    queries = {
        name: {key: q["filter"] for key, q in e["resolver"]["outputArtifactQueries"].items()}
        for name, e in executors(compile_job(vertex_settings())).items()
        if "resolver" in e
    }
    assert queries.pop("PreviousStatistics") == {
        "statistics": 'schema_title="tfx.ExampleStatistics" AND state=LIVE '
        f"AND metadata.accepted.number_value=1 AND {environment}"
    }
    assert queries.pop("TunedHyperparameters") == {
        "hyperparameters": f'schema_title="tfx.HyperParameters" AND state=LIVE AND {environment}'
    }
    blessed = queries.pop("Baseline-model-blessing-resolver")["model_blessing"]
    assert blessed.endswith(f"AND metadata.blessed.number_value=1 AND {environment}")
    assert "current_model_id" in queries.pop("Baseline-model-resolver")["model"]
    assert not queries


def test_the_schema_has_a_name_that_changes_with_its_content(
    vertex_settings: Load, empty_folder: Path
):
    def uri(*flags: str) -> str:
        return parameter(compile_job(vertex_settings(*flags)), "ImportSchemaGen", "schema_file")

    edited = empty_folder / "schema.pbtxt"
    text = (PROJECT / "schema" / "schema.pbtxt").read_text()
    edited.write_text(text)
    assert uri() == uri("--schema-file", str(edited))
    assert uri().startswith("gs://my-bucket/natality/schema/")
    edited.write_text(text + "# reviewed\n")
    assert uri() != uri("--schema-file", str(edited))


@pytest.mark.parametrize(("flags", "enabled"), [([], True), (["--no-cache"], False)])
def test_caching_is_a_setting(vertex_settings: Load, flags: list[str], enabled: bool):
    tasks = compile_job(vertex_settings(*flags))["pipelineSpec"]["root"]["dag"]["tasks"]
    cached = tasks["Transform"].get("cachingOptions", {}).get("enableCache", False)
    assert cached is enabled


def test_a_container_finds_the_class_of_a_page():
    register_artifacts()
    page = pipeline_spec_pb2.RuntimeArtifact()
    page.uri = "gs://my-bucket/report.html"
    page.type.instance_schema = compiler_utils.get_artifact_schema(HTML)
    assert "title: system.HTML" in page.type.instance_schema
    assert type(kubeflow_v2_entrypoint_utils._parse_raw_artifact(page, {})) is HTML


def test_tasks_are_tried_again_but_for_the_gate_and_the_push(vertex_settings: Load):
    def retried(job: Job) -> dict[str, int]:
        dag: Any = pipeline_spec_pb2.DagSpec()
        json_format.ParseDict(job["pipelineSpec"]["root"]["dag"], dag)
        return {name: task.retry_policy.max_retry_count for name, task in dag.tasks.items()}

    job = compile_job(vertex_settings("--task-retries", "3"))
    once = {"AnomalyGate"}
    assert {name for name, count in retried(job).items() if count} == set(containers(job)) - once
    assert set(retried(job).values()) == {0, 3}
    assert set(retried(compile_job(vertex_settings("--task-retries", "0"))).values()) == {0}


def test_a_file_that_cannot_be_written_is_named(
    required: tuple[str, ...], empty_folder: Path, capfd: pytest.CaptureFixture[str]
):
    (empty_folder / "file").write_text("")
    assert main([*required, "compile", "--output", "file/natality.json"]) == 1
    assert "file/natality.json can't be written" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [([], "not said what to do"), (["frobnicate"], "no command 'frobnicate'")],
)
def test_a_command_must_be_named(
    required: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
):
    assert main([*required, *flags]) == 2
    assert message in capfd.readouterr().err
