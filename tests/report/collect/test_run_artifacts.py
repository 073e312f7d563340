"""What an executor is given means the same here and in a container of Vertex AI."""

from __future__ import annotations

import json

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils
from tfx.types import standard_artifacts

from report.collect.run_artifacts import RunArtifacts
from report.collect.verdict import blessed, pushed_to


def in_container(kind: type, metadata: dict[str, object]) -> list:
    """An artifact as TFX's entry point hands it to an executor."""
    schema = compiler_utils.get_artifact_schema(kind)
    artifact = {
        "name": "projects/1/locations/l/metadataStores/default/artifacts/2",
        "type": {"instanceSchema": schema.decode() if isinstance(schema, bytes) else schema},
        "uri": "gs://bucket/artifact",
        "metadata": metadata,
    }
    given = pipeline_spec_pb2.ArtifactList()
    json_format.Parse(json.dumps({"artifacts": [artifact]}), given)  # pyright: ignore[reportArgumentType]
    return kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict({"it": given})["it"]


def test_properties_are_read_as_vertex_ai_gives_them():
    run = RunArtifacts.from_inputs(
        {
            "examples": in_container(standard_artifacts.Examples, {"split_names": '["train"]'}),
            "blessing": in_container(standard_artifacts.ModelBlessing, {"blessed": 1.0}),
            "pushed": in_container(
                standard_artifacts.PushedModel,
                {"pushed": 1.0, "pushed_destination": "projects/1/locations/l/models/3"},
            ),
        }
    )
    assert run.examples and run.examples.splits == ["train"]
    assert blessed(run) is True
    assert pushed_to(run) == "projects/1/locations/l/models/3"


def test_a_model_that_is_not_blessed_is_read_so():
    blessing = in_container(standard_artifacts.ModelBlessing, {"blessed": 0.0})
    assert blessed(RunArtifacts.from_inputs({"blessing": blessing})) is False
