"""A model's versions and the endpoint that asks them: every request, by Google's own client."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import aiplatform_v1
from google.oauth2.credentials import Credentials
from rich.console import Console
from small_model import write_model
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from common.errors import UserError
from models.judging import EXAMPLE_REQUEST
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.loopback import one_class_per_message
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.release_drill import drill
from pipeline.rehearsal.vertex_service import Vertex
from pipeline.vertex import pusher
from pipeline.vertex.engines import vertex_engines
from pipeline.vertex.release import place, show
from pipeline.vertex.releases import Releases, label_value
from pipeline.vertex.smoke_request import ask_deployed
from pipeline.vertex.vertex_settings import VertexSettings

PARENT = "projects/my-project/locations/us-central1"
MODEL = f"{PARENT}/models/natality-development"


class Service:
    """Vertex AI on loopback, with a model in a bucket."""

    def __init__(self, vertex: Vertex, folder: Path, settings: VertexSettings) -> None:
        self.settings = settings
        self.folder = folder
        options = {"api_endpoint": vertex.access()["address"]}
        credentials = Credentials(vertex.access()["token"])
        self.clients: tuple[Any, Any] = tuple(
            client(credentials=credentials, transport="rest", client_options=options)
            for client in (aiplatform_v1.ModelServiceClient, aiplatform_v1.EndpointServiceClient)
        )
        self.releases = Releases(place(settings), *self.clients)
        self.predictions = aiplatform_v1.PredictionServiceClient(
            credentials=credentials, transport="rest", client_options=options
        )

    def push(self, run: str, traffic: int = 100) -> str:
        version = self.releases.upload("gs://bucket/model", run, "about", {"training": "abc"})
        self.releases.deploy(version, traffic)
        return version

    def traffic(self) -> dict[str, int]:
        status = self.releases.status()
        return {each.version: each.traffic for each in status if each.traffic is not None}

    def called(self) -> dict[str, str]:
        return {alias: each.version for each in self.releases.status() for alias in each.aliases}

    def requests(self) -> list[tuple[str, Any]]:
        """Path and body of what changed something since the last look."""
        file = self.folder / "logs" / "requests.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("")
        return [(line["path"].partition("?")[0].rpartition("/")[2], line["body"]) for line in lines]


@pytest.fixture
def service(tmp_path: Path, vertex_settings: Callable[..., VertexSettings]) -> Iterator[Service]:
    one_class_per_message()
    for name in ("logs", "buckets/bucket/model"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "buckets/bucket/model/saved_model.pb").write_text("model")
    buckets = Buckets(tmp_path / "buckets")
    processes = Processes({}, tmp_path)
    with Vertex(processes, buckets, tmp_path / "endpoints", tmp_path / "logs") as vertex:
        vertex.task = "Pusher"
        yield Service(vertex, tmp_path, vertex_settings("--labels", "team=births"))


def test_the_first_push_makes_model_and_endpoint(service: Service):
    assert service.push("run-1", traffic=20) == "1"
    upload, blessed, endpoint, deploy, champion = service.requests()
    assert upload == (
        "models:upload",
        {
            "modelId": "natality-development",
            "model": {
                "displayName": "natality-development",
                "versionDescription": "about",
                "artifactUri": "gs://bucket/model",
                "containerSpec": {
                    "imageUri": "us-central1-docker.pkg.dev/my-project/natality/natality-serving:1",
                    "predictRoute": "/predict",
                    "healthRoute": "/health",
                    "ports": [{"containerPort": 8080}],
                },
                "labels": {"team": "births", "training": "abc", "run": "run-1"},
            },
        },
    )
    assert blessed == (
        "natality-development@1:mergeVersionAliases",
        {"versionAliases": ["blessed"]},
    )
    assert endpoint == (
        "endpoints",
        {
            "displayName": "natality",
            "labels": {"team": "births"},
            "dedicatedEndpointEnabled": True,
        },
    )
    # There is none to share requests with yet.
    assert deploy[1] == {
        "deployedModel": {
            "model": f"{MODEL}@1",
            "displayName": "natality-development-1",
            "dedicatedResources": {
                "machineSpec": {"machineType": "n2-standard-2"},
                "minReplicaCount": 1,
                "maxReplicaCount": 2,
            },
        },
        "trafficSplit": {"0": 100},
    }
    assert champion[1] == {"versionAliases": ["champion"]}


def test_a_canary_shares_requests_and_is_promoted(service: Service):
    service.push("run-1")
    service.requests()
    assert service.push("run-2", traffic=20) == "2"
    upload, unblessed, blessed, deploy, candidate = service.requests()
    assert upload[1]["parentModel"] == MODEL
    assert "modelId" not in upload[1]
    assert unblessed == (
        "natality-development@1:mergeVersionAliases",
        {"versionAliases": ["-blessed"]},
    )
    assert blessed[0].startswith("natality-development@2:")
    (first,) = deploy[1]["trafficSplit"].keys() - {"0"}
    assert deploy[1]["trafficSplit"] == {"0": 20, first: 80}
    assert candidate[1] == {"versionAliases": ["candidate"]}
    assert service.traffic() == {"1": 80, "2": 20}

    assert service.releases.promote() == "2"
    split, undeploy, *_ = service.requests()
    assert list(split[1]["trafficSplit"].values()) == [100]
    assert undeploy[1] == {"deployedModelId": first}
    assert service.traffic() == {"2": 100}, "what gets no requests is undeployed"
    assert service.called() == {"blessed": "2", "champion": "2", "previous": "1"}


def test_a_candidate_is_taken_back_at_once(service: Service):
    service.push("run-1")
    service.push("run-2", traffic=20)
    service.requests()
    assert service.releases.roll_back() == "1"
    assert not [path for path, _ in service.requests() if path.endswith(":deployModel")]
    assert service.traffic() == {"1": 100}
    assert service.called() == {"blessed": "2", "champion": "1"}


def test_a_champion_is_taken_back_and_the_next_push_goes_on(service: Service):
    service.push("run-1")
    service.push("run-2")
    assert service.traffic() == {"2": 100}
    assert service.releases.roll_back() == "1"
    assert service.traffic() == {"1": 100}
    assert service.called() == {"blessed": "2", "champion": "1"}
    with pytest.raises(UserError, match="no version to go back to"):
        service.releases.roll_back()
    assert service.releases.promote("2") == "2", "and on again"
    assert service.push("run-3", traffic=50) == "3"
    assert service.traffic() == {"2": 50, "3": 50}


def test_a_newer_candidate_takes_the_place_of_one_that_was_not_promoted(service: Service):
    service.push("run-1")
    service.push("run-2", traffic=60)
    service.push("run-3", traffic=30)
    assert service.traffic() == {"1": 70, "3": 30}
    assert service.called()["candidate"] == "3"


def test_a_version_that_is_to_get_no_requests_is_only_registered(service: Service):
    service.push("run-1", traffic=0)
    assert service.traffic() == {}
    assert service.releases.promote() == "1"
    service.push("run-2", traffic=0)
    assert service.traffic() == {"1": 100}
    assert service.called() == {"champion": "1", "blessed": "2", "candidate": "2"}


def test_what_is_not_there_can_not_be_promoted(service: Service):
    with pytest.raises(UserError, match="no candidate"):
        service.releases.promote()
    service.push("run-1")
    with pytest.raises(UserError, match=r"no version 7\. It has 1"):
        service.releases.promote("7")


@pytest.mark.parametrize("cut", range(9))
def test_a_push_that_was_cut_off_is_repeated_without_a_second_version(service: Service, cut: int):
    service.push("run-1")
    clients: list[Any] = [Cutting(client, cut) for client in service.clients]
    cut_off = Releases(place(service.settings), *clients)
    try:
        version = cut_off.upload("gs://bucket/model", "run-2", "about", {})
        cut_off.deploy(version, 20)
    except ConnectionError:
        pass
    assert service.push("run-2", traffic=20) == "2"
    assert service.traffic() == {"1": 80, "2": 20}
    assert service.called() == {"champion": "1", "blessed": "2", "candidate": "2"}
    uploads = [path for path, _ in service.requests() if path == "models:upload"]
    assert len(uploads) == 2


class Cutting:
    """A client whose connection breaks after so many calls."""

    left: int

    def __init__(self, client: Any, calls: int) -> None:
        self._client = client
        Cutting.left = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            Cutting.left -= 1
            if Cutting.left < 0:
                raise ConnectionError("cut off after the request arrived")
            return answer

        return call


def test_a_ready_made_image_is_asked_in_its_own_way(service: Service):
    image = "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    ready_made = dataclasses.replace(place(service.settings), image=image, dedicated=False)
    releases = Releases(ready_made, *service.clients)
    releases.deploy(releases.upload("gs://bucket/model", "run-1", "about", {}), 100)
    bodies = dict(service.requests())
    assert bodies["models:upload"]["model"]["containerSpec"] == {"imageUri": image}
    assert "dedicatedEndpointEnabled" not in bodies["endpoints"]


def test_the_drill_leaves_what_is_deployed_as_it_is(service: Service):
    service.push("run-1")
    said = drill(service.folder, service.folder / "logs", place(service.settings))
    assert said == [
        "canary: version 1 90%, version 2 10%",
        "promote: version 2 100%",
        "rollback: version 1 100%",
    ]
    assert service.traffic() == {"1": 100}
    assert service.called() == {"blessed": "1", "champion": "1"}


def test_status_is_a_table(service: Service):
    console = Console(record=True, width=100)
    show(service.releases, console)
    assert "No version has been pushed." in console.export_text()
    service.push("run-1")
    service.push("run-2", traffic=20)
    show(service.releases, console)
    rows = [line.split() for line in console.export_text().splitlines()[-2:]]
    assert rows == [
        ["2", "20%", "blessed,", "candidate", "run-2"],
        ["1", "80%", "champion", "run-1"],
    ]


def test_the_service_refuses_what_vertex_does(service: Service):
    service.push("run-1")
    models, endpoints = service.clients
    (endpoint,) = endpoints.list_endpoints(parent=PARENT)
    with pytest.raises(GoogleAPICallError, match="gets requests"):
        endpoints.undeploy_model(
            endpoint=endpoint.name, deployed_model_id=endpoint.deployed_models[0].id
        )
    service.push("run-2", traffic=0)
    with pytest.raises(GoogleAPICallError, match="champion is that of version 1"):
        models.merge_version_aliases(name=f"{MODEL}@2", version_aliases=["champion"])


def test_the_executor_pushes_what_is_blessed(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    models, endpoints = service.clients
    monkeypatch.setattr(aiplatform_v1, "ModelServiceClient", lambda **_: models)
    monkeypatch.setattr(aiplatform_v1, "EndpointServiceClient", lambda **_: endpoints)
    monkeypatch.setattr(aiplatform_v1, "PredictionServiceClient", lambda **_: service.predictions)
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "trained")
    (tmp_path / "trained").mkdir()
    write_model(tmp_path, 1).rename(tmp_path / "trained" / "Format-Serving")
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "buckets/bucket/root/123/run-9/Pusher_7/pushed_model")
    config = vertex_engines(service.settings).destination["custom_config"]

    def push(blessed: int) -> None:
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
        pusher.Executor().Do(
            {"model": [model], "model_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {"custom_config": json_utils.dumps(config)},
        )

    push(blessed=0)
    assert pushed.get_int_custom_property("pushed") == 0
    for _ in range(2):  # As when a task that has failed is tried again.
        push(blessed=1)
        assert pushed.get_string_custom_property("pushed_destination") == f"{MODEL}@1"
    requests = service.requests()
    asked = [body for path, body in requests if path.endswith(":predict")]
    assert asked == [{"instances": [EXAMPLE_REQUEST]}] * 2
    ((_, upload),) = [r for r in requests if r[0] == "models:upload"]
    assert upload["model"]["artifactUri"] == "gs://bucket/root/123/run-9/Pusher_7/pushed_model"
    assert upload["model"]["labels"].keys() == {"team", "run", "transform", "training"}
    assert upload["model"]["labels"]["run"] == "run-9"
    assert upload["model"]["versionDescription"].endswith(
        "/vertex-ai/locations/us-central1/pipelines/runs/run-9?project=my-project"
    )


def test_a_model_that_answers_nonsense_is_told_after_its_deployment(service: Service):
    bucket = service.folder / "buckets" / "bucket"
    write_model(bucket, 9, offset=50.0)
    version = service.releases.upload("gs://bucket/9", "run-1", "about", {})
    service.releases.deploy(version, 100)
    endpoint, deployed = service.releases.deployed(version) or (None, "")
    assert endpoint
    with pytest.raises(UserError, match="The model is deployed, and answers the example request"):
        ask_deployed(service.predictions, endpoint.name, deployed)
    idle = service.releases.upload("gs://bucket/model", "run-2", "about", {})
    assert service.releases.deployed(idle) is None


def test_a_label_takes_what_google_cloud_allows():
    assert label_value("natality-2026.11.25 A") == "natality-2026-11-25-a"
    assert len(label_value("x" * 100)) == 63
