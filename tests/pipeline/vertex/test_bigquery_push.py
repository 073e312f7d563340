"""A blessed model that BigQuery imports: what the Pusher asks of it, asked by its own client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery
from google.oauth2.credentials import Credentials
from tfx.extensions.google_cloud_big_query.pusher import executor
from tfx.types import standard_artifacts

from common.errors import UserError
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.processes import Processes
from pipeline.rehearsal.vertex_service import Vertex
from pipeline.vertex.compile import compile_job
from pipeline.vertex.vertex_settings import VertexSettings

FLAGS = ("--push-to", "bigquery", "--bigquery-ml-dataset", "my-project.models")
MODEL = "my-project.models.natality_development"


@pytest.fixture
def vertex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vertex]:
    """Where the Pusher's client is led to."""
    (tmp_path / "logs").mkdir()
    buckets = Buckets(tmp_path / "buckets")
    processes = Processes({}, tmp_path)
    with Vertex(processes, buckets, tmp_path / "endpoints", tmp_path / "logs") as service:
        access, real = service.access(), bigquery.Client

        def client(**options: object) -> bigquery.Client:
            credentials = Credentials(access["token"])
            address = {"api_endpoint": access["address"]}
            return real(**options, credentials=credentials, client_options=address)  # type: ignore

        monkeypatch.setattr(bigquery, "Client", client)
        monkeypatch.setattr(executor, "_GCS_PREFIX", "/")  # Buckets are folders here.
        yield service


@pytest.fixture
def push(
    vertex_settings: Callable[..., VertexSettings], vertex: Vertex, tmp_path: Path
) -> Callable[..., standard_artifacts.PushedModel]:
    """Runs the Pusher of the compiled pipeline on a model that is blessed, or is not."""

    def run(
        *, blessed: bool = True, file: str = "saved_model.pb"
    ) -> standard_artifacts.PushedModel:
        job = compile_job(vertex_settings(*FLAGS))
        task = job["pipelineSpec"]["root"]["dag"]["tasks"]["Pusher"]
        config = task["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        pushed = standard_artifacts.PushedModel()
        model.uri, pushed.uri = str(tmp_path / "model"), str(tmp_path / "buckets/b/pushed")
        (tmp_path / "model" / "Format-Serving").mkdir(parents=True)
        (tmp_path / "model" / "Format-Serving" / file).write_text("graph")
        blessing.set_int_custom_property("blessed", int(blessed))
        inputs = {"model": [model], "model_blessing": [blessing]}
        executor.Executor().Do(inputs, {"pushed_model": [pushed]}, {"custom_config": config})
        return pushed

    return run


def test_the_statement_imports_the_pushed_model(
    push: Callable[..., standard_artifacts.PushedModel], vertex: Vertex, tmp_path: Path
) -> None:
    pushed = push()
    (kept,) = map(json.loads, (tmp_path / "logs" / "requests.jsonl").read_text().splitlines())
    assert kept["path"].startswith("/bigquery/v2/projects/my-project/jobs?")
    query = kept["body"]["configuration"]["query"]
    assert query["useLegacySql"] is False
    assert query["query"].split() == [
        *("CREATE", "OR", "REPLACE", "MODEL", f"`{MODEL}`"),
        *("OPTIONS", "(model_type='tensorflow',", "model_path='gs://b/pushed/*')"),
    ]
    assert pushed.get_string_custom_property("pushed_destination") == MODEL
    assert vertex.folder_of(MODEL) == Path(pushed.uri)
    assert vertex.folder_of("my-project.models.other") is None


def test_a_model_that_is_not_blessed_is_not_imported(
    push: Callable[..., standard_artifacts.PushedModel], tmp_path: Path
) -> None:
    assert push(blessed=False).get_int_custom_property("pushed") == 0
    assert not (tmp_path / "logs" / "requests.jsonl").exists()


def test_what_bigquery_refuses_fails_the_task(
    push: Callable[..., standard_artifacts.PushedModel],
) -> None:
    with pytest.raises(RuntimeError, match=r"no SavedModel in .*/pushed"):
        push(file="another.pb")


def test_a_dataset_must_be_named(vertex_settings: Callable[..., VertexSettings]) -> None:
    with pytest.raises(UserError, match="needs bigquery_ml_dataset"):
        vertex_settings("--push-to", "bigquery")
