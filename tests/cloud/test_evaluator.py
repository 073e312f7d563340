"""The Evaluator of the compiled pipeline: its Dataflow job, and what workers make of it.

The Evaluator, because `models.metrics` gives its job functions of our own to run. (What
`models.transform` says is traced where the job is made: workers get a graph, and miss nothing.)
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from compiled import ACCOUNT, BUCKET, IMAGE, PROJECT, command, compiled, output_properties
from dataflow_service import Dataflow, Job
from workers import Workers

CHECKOUT = Path(__file__).parents[2]
SUBNETWORK = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/regions/us-central1/subnetworks/inner"
NOTE = "submission_environment_dependencies.txt"
"""What is installed where the job is made; Beam stages it for who looks into a failure."""

BLESS_ALL = (
    *("--max-rmse", "20", "--max-slice-rmse", "20"),
    *("--max-rmse-rise", "20", "--max-slice-rmse-rise", "20"),
)

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


@dataclass(frozen=True)
class Ended:
    """How the task ended."""

    status: int
    log: str
    folder: Path
    job: Job
    staged: dict[str, Path]


def evaluate(
    dataflow: Dataflow, artifacts: dict[str, Path], key: Path, folder: Path, *flags: str
) -> Ended:
    """Runs the task by its container's command; only the addresses of the services differ."""
    examples = {
        "split_names": '["train", "eval", "test"]',
        "payload_format": "FORMAT_TF_EXAMPLE",
        "file_format": "tfrecords_gzip",
    }
    properties: dict[str, dict[str, Any]] = {"examples": examples}
    inputs = {name: (uri, properties.get(name, {})) for name, uri in artifacts.items()}
    arguments = command(compiled(*BLESS_ALL, *flags), "Evaluator", folder, inputs)
    jobs = len(dataflow.jobs)
    ended = subprocess.run(
        [*arguments, f"--dataflow_endpoint={dataflow.url}"],
        cwd=CHECKOUT,
        env=os.environ
        | {
            "STORAGE_EMULATOR_HOST": dataflow.storage_url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(key),
            "NO_GCE_CHECK": "true",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert len(dataflow.jobs) == jobs + 1, ended.stdout[-5000:]
    job = dataflow.jobs[-1]
    return Ended(ended.returncode, ended.stdout, folder, job, dataflow.staged(job))


@pytest.fixture(scope="module")
def without_package(
    dataflow: Dataflow,
    artifacts: dict[str, Path],
    credentials: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ended:
    """Workers of an image that lacks our package."""
    folder = tmp_path_factory.mktemp("without")
    flags = ["--dataflow-machine-type", "n2-standard-2", "--dataflow-workers", "2"]
    flags += ["--dataflow-max-workers", "7", "--dataflow-disk", "40", "--labels", "team=births"]
    flags += ["--dataflow-timeout", "90", "--dataflow-subnetwork", SUBNETWORK]
    return evaluate(dataflow, artifacts, credentials, folder, *flags)


@pytest.fixture(scope="module")
def with_package(
    dataflow: Dataflow,
    image_python: Path,
    artifacts: dict[str, Path],
    credentials: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ended:
    """Workers of the image as it is."""
    folder = tmp_path_factory.mktemp("with")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataflow, "workers", Workers(image_python, folder))
        return evaluate(dataflow, artifacts, credentials, folder, "--dataflow-public-ips")


def test_the_job_asks_for_the_workers_that_the_settings_name(without_package: Ended):
    job = without_package.job
    pool = job.pool
    assert (job.project, job.region) == (PROJECT, "us-central1")
    assert job.request["type"] == "JOB_TYPE_BATCH"
    assert pool["machineType"] == "n2-standard-2"
    assert pool["numWorkers"] == 2
    assert pool["autoscalingSettings"] == {"maxNumWorkers": 7}
    assert pool["diskSizeGb"] == 40
    assert pool["subnetwork"] == SUBNETWORK
    assert pool["ipConfiguration"] == "WORKER_IP_PRIVATE"
    workers_image = IMAGE.replace(":", "-workers:")
    assert pool["workerHarnessContainerImage"] == workers_image
    (container,) = pool["sdkHarnessContainerImages"]
    assert container["containerImage"] == workers_image


def test_the_job_says_who_pays_who_it_is_and_when_it_must_end(without_package: Ended):
    request = without_package.job.request
    environment = request["environment"]
    assert environment["serviceAccountEmail"] == ACCOUNT
    assert environment["serviceOptions"] == ["max_workflow_runtime_walltime_seconds=5400"]
    assert environment["tempStoragePrefix"].startswith(
        f"storage.googleapis.com/{BUCKET}/natality/temp/"
    )
    assert request["labels"]["team"] == "births"
    assert request["labels"]["tfx_executor"].startswith("tfx-components-evaluator")


def test_workers_install_nothing(without_package: Ended):
    packages = without_package.job.pool["packages"]
    assert [package["name"] for package in packages] == [NOTE]
    assert set(without_package.staged) == {"pipeline.pb", NOTE}


def test_the_task_fails_where_workers_lack_our_package(without_package: Ended):
    assert without_package.job.state == "JOB_STATE_FAILED"
    assert "No module named 'models'" in without_package.job.log
    # Whoever reads the task's log, and not the job's, must find it too.
    assert without_package.status != 0
    assert "No module named 'models'" in without_package.log


def test_workers_may_have_public_addresses(with_package: Ended):
    assert "ipConfiguration" not in with_package.job.pool  # As is Dataflow's own default.


def test_workers_of_the_image_run_the_job_to_a_blessing(with_package: Ended, dataflow: Dataflow):
    assert with_package.status == 0, with_package.log[-5000:]
    assert with_package.job.state == "JOB_STATE_DONE"
    folder = with_package.folder
    assert (folder / "blessing" / "BLESSED").exists()
    assert output_properties(folder, "blessing")["blessed"] == 1
    assert dataflow.unknown == []
