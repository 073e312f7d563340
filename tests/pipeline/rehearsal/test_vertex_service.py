"""What tasks ask of Vertex AI, asked by its own client library."""
# Which declares its results more loosely than they are.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound
from google.cloud.aiplatform import gapic
from google.oauth2.credentials import Credentials

from common.errors import UserError
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.custom_job import Replica, cluster_variables, replicas_of
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.vertex_service import Vertex

PARENT = "projects/proj/locations/us-central1"


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[Vertex]:
    (tmp_path / "logs").mkdir()
    processes = Processes({"PATH": "/usr/bin:/bin"}, tmp_path)
    buckets = Buckets(tmp_path / "buckets")
    with Vertex(processes, buckets, tmp_path / "endpoints", tmp_path / "logs") as service:
        service.task = "Trainer"
        yield service
    processes.stop()


@pytest.fixture
def client(vertex: Vertex) -> gapic.JobServiceClient:
    return clients(**vertex.access())


def clients(address: str, token: str) -> gapic.JobServiceClient:
    return gapic.JobServiceClient(
        credentials=Credentials(token),
        transport="rest",
        client_options={"api_endpoint": address},
    )


def pool(script: str, replicas: int = 1) -> dict[str, Any]:
    return {
        "machine_spec": {"machine_type": "n1-standard-8"},
        "replica_count": replicas,
        "container_spec": {
            "image_uri": "image:1",
            "command": ["python3", "-c", script],
            "env": [{"name": "OWN", "value": "1"}],
        },
    }


def train(client: gapic.JobServiceClient, *pools: dict[str, Any]) -> Any:
    job = {"display_name": "train", "job_spec": {"worker_pool_specs": list(pools)}}
    name = client.create_custom_job(parent=PARENT, custom_job=job).name
    while (job := client.get_custom_job(name=name)).state == gapic.JobState.JOB_STATE_RUNNING:
        time.sleep(0.02)
    return job


SHOW = "import os; print(os.environ['TF_CONFIG'], os.environ['OWN'])"


def test_a_training_job_runs_each_replica_of_its_pools(
    client: gapic.JobServiceClient, tmp_path: Path
) -> None:
    job = train(client, pool(SHOW), pool(SHOW, replicas=2))
    assert job.state == gapic.JobState.JOB_STATE_SUCCEEDED
    assert job.job_spec.worker_pool_specs[1].replica_count == 2
    tasks, clusters = [], []
    for name in ("chief-0", "worker-0", "worker-1"):
        text, own = (tmp_path / "logs" / f"Trainer-{name}.log").read_text().rsplit(" ", 1)
        config = json.loads(text)
        assert own == "1\n"
        tasks.append((config["task"]["type"], config["task"]["index"]))
        clusters.append(config["cluster"])
    assert tasks == [("chief", 0), ("worker", 0), ("worker", 1)]
    assert clusters[0] == clusters[1] == clusters[2]
    addresses = {*clusters[0]["chief"], *clusters[0]["worker"]}
    assert len(addresses) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_the_first_replica_that_fails_ends_the_others(
    client: gapic.JobServiceClient, vertex: Vertex, tmp_path: Path
) -> None:
    job = train(client, pool("import time; time.sleep(300)"), pool("raise SystemExit(4)"))
    assert job.state == gapic.JobState.JOB_STATE_FAILED
    assert "worker-0 ended with status 4" in job.error.message
    (failed,) = vertex.jobs.values()
    assert failed.failed_log == tmp_path / "logs" / "Trainer-worker-0.log"


def test_a_program_that_is_not_there_fails_the_job(client: gapic.JobServiceClient) -> None:
    wrong = pool("")
    wrong["container_spec"]["command"] = ["no-such-program"]
    job = train(client, pool("import time; time.sleep(300)"), wrong)
    assert "no-such-program" in job.error.message


def test_pools_that_are_not_rehearsed_are_refused() -> None:
    container = {"containerSpec": {"command": ["x"]}}
    for pools, match in (
        ([], "0 worker pools"),
        ([container] * 3, "3 worker pools"),
        ([{"containerSpec": {}}], "chief pool of the training job has no command"),
    ):
        with pytest.raises(UserError, match=match):
            replicas_of({"jobSpec": {"workerPoolSpecs": pools}})


def test_a_job_with_an_output_directory_is_told_its_folders() -> None:
    spec = {
        "baseOutputDirectory": {"outputUriPrefix": "gs://b/run/"},
        "workerPoolSpecs": [{"containerSpec": {"command": ["x"]}}],
    }
    (chief,) = replicas_of({"jobSpec": spec})
    assert chief.variables["AIP_TENSORBOARD_LOG_DIR"] == "gs://b/run/logs/"


def test_each_replica_is_told_of_all_in_both_forms() -> None:
    replicas = [
        Replica("chief", 0, ["x"]),
        Replica("worker", 0, ["x"]),
        Replica("worker", 1, ["x"]),
    ]
    variables = cluster_variables(replicas, ["a:1", "b:2", "c:3"])
    chief, _, worker = (json.loads(each["TF_CONFIG"]) for each in variables)
    assert chief["cluster"] == worker["cluster"] == {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    assert worker["task"] == {"type": "worker", "index": 1}
    chief, _, worker = (json.loads(each["CLUSTER_SPEC"]) for each in variables)
    pools = {"workerpool0": ["a:1"], "workerpool1": ["b:2", "c:3"]}
    assert chief["cluster"] == worker["cluster"] == pools
    assert chief["task"] == {"type": "workerpool0", "index": 0}
    assert worker["task"] == {"type": "workerpool1", "index": 1}


def test_requests_of_others_are_refused(vertex: Vertex) -> None:
    with pytest.raises(Forbidden, match="not of a container"):
        train(clients(**vertex.access() | {"token": "guessed"}), pool(""))
    assert not vertex.jobs


def test_other_requests_are_refused(vertex: Vertex, client: gapic.JobServiceClient) -> None:
    with pytest.raises(NotFound, match="customJobs/9"):
        client.get_custom_job(name=f"{PARENT}/customJobs/9")
    with pytest.raises(GoogleAPICallError, match="not rehearsed"):
        client.cancel_custom_job(name=f"{PARENT}/customJobs/9")
