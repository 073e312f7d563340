"""Local and Vertex pipelines are the same nodes, edges and execution properties, save a few."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tfx import v1 as tfx
from tfx.orchestration.portable import tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline.local.engines import local_engines
from pipeline.pipeline import create_pipeline
from pipeline.settings import load_settings
from pipeline.vertex.compile import compile_job, tasks_in_order
from pipeline.vertex.engines import vertex_engines
from pipeline.vertex.vertex_settings import VertexSettings

DIFFERENT = {
    ("BigQueryExampleGen", "custom_config"): "tells the embedded warehouse where births are",
    ("ImportSchemaGen", "schema_file"): "lies in a folder here, in a bucket there",
    ("Tuner", "tuner_fn"): "tries in a hyperparameter-tuning job there",
    ("Tuner", "custom_config.training"): "has another tuner_fn's code there, and another folder",
    ("Tuner", "custom_config.ai_platform_enable_vertex"): "tries there",
    ("Tuner", "custom_config.ai_platform_vertex_region"): "tries there",
    ("Tuner", "custom_config.ai_platform_training_args"): "tries there",
    ("Trainer", "custom_config.checkpoint_root"): "lies in a folder here, in a bucket there",
    ("Trainer", "custom_config.ai_platform_enable_vertex"): "trains in a custom job there",
    ("Trainer", "custom_config.ai_platform_vertex_region"): "trains in a custom job there",
    ("Trainer", "custom_config.ai_platform_training_args"): "trains in a custom job there",
    ("Pusher", "push_destination"): "pushes to a folder here",
    ("Pusher", "custom_config"): "pushes to an endpoint there",
    ("Report", "run_info"): "tells the settings and the command of its runner",
    ("Report", "metadata"): "Vertex AI lets no task read its metadata store",
}
"""Execution properties that may differ, and why; nothing else may."""

FLAGS = ("--warm-start", "--tune-trials", "3")
"""With all that the pipeline may have."""

RESOLVERS = {
    "Baseline": ("Baseline-model-resolver", "Baseline-model-blessing-resolver"),
    "BaseModel": ("BaseModel-model-resolver", "BaseModel-model-blessing-resolver"),
}
"""Nodes that Vertex AI runs as several tasks."""

UNORDERED = {("Baseline", "Trainer"), ("PreviousStatistics", "StatisticsGen")}
"""Edges that Vertex AI doesn't have: there, a resolver looks before the run makes any model."""


class _Compiled(tfx_runner.IrBasedRunner):
    """Compiles a pipeline as runners do, and runs nothing."""

    nodes: dict[str, pipeline_pb2.PipelineNode]

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None) -> None:
        self.nodes = {n.pipeline_node.node_info.id: n.pipeline_node for n in pipeline.nodes}

    def of(self, pipeline: tfx.dsl.Pipeline) -> dict[str, pipeline_pb2.PipelineNode]:
        self.run(pipeline)
        return self.nodes


@pytest.fixture
def local() -> dict[str, pipeline_pb2.PipelineNode]:
    settings = load_settings([*FLAGS])
    return _Compiled().of(create_pipeline(settings, local_engines(settings)))


@pytest.fixture
def vertex(
    vertex_settings: Callable[..., VertexSettings],
) -> dict[str, pipeline_pb2.PipelineNode]:
    settings = vertex_settings(*FLAGS)
    return _Compiled().of(create_pipeline(settings, vertex_engines(settings)))


def properties(nodes: dict[str, pipeline_pb2.PipelineNode]) -> dict[tuple[str, str], Any]:
    """By node and name; `custom_config` of Tuner and Trainer, which both have, by entry."""
    found = {}
    for node, spec in nodes.items():
        for name, value in spec.parameters.parameters.items():
            text = value.field_value.string_value
            if node in ("Tuner", "Trainer") and name == "custom_config":
                found |= {(node, f"{name}.{key}"): v for key, v in json.loads(text).items()}
            else:
                found[node, name] = text or value.field_value.SerializeToString()
    return found


def test_nodes_and_edges_are_the_same(
    local: dict[str, pipeline_pb2.PipelineNode], vertex: dict[str, pipeline_pb2.PipelineNode]
):
    assert list(local) == list(vertex)
    for name, node in local.items():
        assert set(node.upstream_nodes) == set(vertex[name].upstream_nodes)
        assert set(node.inputs.inputs) == set(vertex[name].inputs.inputs)
        assert set(node.outputs.outputs) == set(vertex[name].outputs.outputs)


def test_only_the_listed_properties_differ(
    local: dict[str, pipeline_pb2.PipelineNode], vertex: dict[str, pipeline_pb2.PipelineNode]
):
    here, there = properties(local), properties(vertex)
    assert ("Trainer", "custom_config.code") in here
    differ = {key for key in here.keys() | there.keys() if here.get(key) != there.get(key)}
    assert differ == set(DIFFERENT)


def test_what_vertex_runs_has_the_same_edges(
    local: dict[str, pipeline_pb2.PipelineNode], vertex_settings: Callable[..., VertexSettings]
):
    node_of = {task: node for node, tasks in RESOLVERS.items() for task in tasks}
    tasks = tasks_in_order(compile_job(vertex_settings(*FLAGS))["pipelineSpec"])
    there = {
        (node_of.get(task, task), node_of.get(before, before))
        for task, waits in tasks.items()
        for before in waits
    }
    here = {(name, before) for name, node in local.items() for before in node.upstream_nodes}
    assert {node_of.get(task, task) for task in tasks} == set(local)
    assert {(a, b) for a, b in there if a != b} == here - UNORDERED
