"""The DAG as TFX compiles it: its nodes, what flows between them, and that it repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.orchestration.portable import tfx_runner
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import pipeline_pb2

from pipeline.pipeline import Engines, create_pipeline, to_folder
from pipeline.settings import load_settings

PROJECT = Path(__file__).parents[2]

EDGES = {
    "BigQueryExampleGen": set(),
    "PreviousStatistics": {"StatisticsGen"},
    "TunedHyperparameters": set(),
    "ImportSchemaGen": set(),
    "StatisticsGen": {"BigQueryExampleGen"},
    "SchemaGen": {"StatisticsGen"},
    "ExampleValidator": {"StatisticsGen", "ImportSchemaGen"},
    "AnomalyGate": {"ExampleValidator", "StatisticsGen", "ImportSchemaGen"}
    | {"SchemaGen", "PreviousStatistics"},
    "AcceptedStatistics": {"StatisticsGen", "AnomalyGate"},
    "Transform": {"BigQueryExampleGen", "ImportSchemaGen", "AnomalyGate"},
    "Trainer": {"BigQueryExampleGen", "ImportSchemaGen", "Transform", "TunedHyperparameters"},
    "Baseline": {"Trainer"},
    "Evaluator": {"BigQueryExampleGen", "ImportSchemaGen", "Trainer", "Baseline"},
    "Replay": {"BigQueryExampleGen", "Trainer", "Baseline", "Evaluator"},
    "Pusher": {"Trainer", "Evaluator", "Replay"},
    "Report": {"BigQueryExampleGen", "PreviousStatistics", "StatisticsGen", "SchemaGen"}
    | {"ImportSchemaGen", "ExampleValidator", "AnomalyGate", "Transform", "Trainer"}
    | {"Evaluator", "Replay", "Pusher"},
}


def compiled(folder: Path, *flags: str) -> pipeline_pb2.Pipeline:
    engines = Engines(
        pipeline_root=str(folder / "pipeline"),
        schema_file=str(PROJECT / "schema" / "schema.pbtxt"),
        checkpoint_root=str(folder / "checkpoints"),
        destination=to_folder(str(folder / "serving")),
        beam_args=[],
        metadata=metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite")),
    )
    return _Compiled().of(create_pipeline(load_settings(flags), engines))


class _Compiled(tfx_runner.IrBasedRunner):
    """Compiles a pipeline as runners do, and runs nothing."""

    ir: pipeline_pb2.Pipeline

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None) -> None:
        self.ir = pipeline

    def of(self, pipeline: tfx.dsl.Pipeline) -> pipeline_pb2.Pipeline:
        self.run(pipeline)
        return self.ir


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pipeline_pb2.PipelineNode]:
    ir = compiled(tmp_path_factory.mktemp("pipeline"))
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}


def parameter(node: pipeline_pb2.PipelineNode, name: str) -> str:
    return node.parameters.parameters[name].field_value.string_value


def test_nodes_and_edges(nodes: dict[str, pipeline_pb2.PipelineNode]):
    assert {name: set(node.upstream_nodes) for name, node in nodes.items()} == EDGES
    assert tuple(nodes) == load_settings().components


def test_a_warm_start_begins_with_the_last_blessed_model(
    nodes: dict[str, pipeline_pb2.PipelineNode], tmp_path: Path
):
    assert "base_model" not in nodes["Trainer"].inputs.inputs
    ir = compiled(tmp_path, "--warm-start")
    warm = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert tuple(warm) == load_settings(["--warm-start"]).components
    (channel,) = warm["Trainer"].inputs.inputs["base_model"].channels
    assert channel.producer_node_query.id == "BaseModel"
    upstream = {name: set(node.upstream_nodes) for name, node in warm.items()}
    assert upstream == EDGES | {
        "BaseModel": set(),
        "Trainer": EDGES["Trainer"] | {"BaseModel"},
    }


def test_rows_are_scored_behind_the_push_where_some_are_to_be(tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.touch()
    flags = ["--score-input", str(rows), "--score-output", "bq:my-project.rides.scored"]
    ir = compiled(tmp_path, *flags)
    scoring = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert tuple(scoring) == load_settings(flags).components
    assert set(scoring["BatchScorer"].upstream_nodes) == {"Trainer", "Pusher"}
    assert "BatchScorer" in scoring["Report"].upstream_nodes


def test_the_gate_stands_before_all_training(nodes: dict[str, pipeline_pb2.PipelineNode]):
    names = list(nodes)
    assert names.index("AnomalyGate") < names.index("Transform") < names.index("Trainer")
    assert "AnomalyGate" in nodes["Transform"].upstream_nodes


def test_the_transform_and_the_trainer_read_the_schema(
    nodes: dict[str, pipeline_pb2.PipelineNode],
):
    for name in ("ExampleValidator", "Transform", "Trainer", "Evaluator"):
        (channel,) = nodes[name].inputs.inputs["schema"].channels
        assert channel.producer_node_query.id == "ImportSchemaGen"


def test_tuning_comes_before_training_and_without_it_what_was_found_last_is_used(
    nodes: dict[str, pipeline_pb2.PipelineNode], tmp_path: Path
):
    def maker(trainer: pipeline_pb2.PipelineNode) -> str:
        (channel,) = trainer.inputs.inputs["hyperparameters"].channels
        return channel.producer_node_query.id

    assert maker(nodes["Trainer"]) == "TunedHyperparameters"
    ir = compiled(tmp_path, "--tune-trials", "3")
    tuned = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert tuple(tuned) == load_settings(["--tune-trials", "3"]).components
    assert maker(tuned["Trainer"]) == "Tuner"
    assert "Tuner" in tuned["Report"].upstream_nodes


def test_a_query_per_split(nodes: dict[str, pipeline_pb2.PipelineNode]):
    inputs = json_format.Parse(
        parameter(nodes["BigQueryExampleGen"], "input_config"), example_gen_pb2.Input()
    )
    assert [split.name for split in inputs.splits] == ["train", "eval", "test"]
    for split in inputs.splits:
        assert f"= '{split.name}'" in split.pattern
        assert "year BETWEEN 2001 AND 2008" in split.pattern
        assert "${" not in split.pattern


def test_the_trainer_trains_on_train_and_picks_on_eval(
    nodes: dict[str, pipeline_pb2.PipelineNode],
):
    assert '"train"' in parameter(nodes["Trainer"], "train_args")
    assert '"eval"' in parameter(nodes["Trainer"], "eval_args")


def test_the_same_settings_compile_to_the_same_pipeline(tmp_path: Path):
    assert stable(compiled(tmp_path)) == stable(compiled(tmp_path))


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        (("--train-steps", "7"), {"Trainer"}),
        (("--batch-size", "7"), {"Trainer"}),
        (("--max-rmse", "7"), {"Evaluator"}),
        (("--max-replay-p99-ms", "7"), {"Replay"}),
        (("--sample", "0.5"), {"BigQueryExampleGen"}),
        (("--years", "2003"), {"BigQueryExampleGen"}),
        (("--anomaly-severity", "never"), {"AnomalyGate"}),
    ],
)
def test_a_setting_changes_the_node_it_is_for_and_the_report_that_tells_it(
    tmp_path: Path, flags: tuple[str, ...], changed: set[str]
):
    before, after = stable(compiled(tmp_path)), stable(compiled(tmp_path, *flags))
    assert {name for name in before if before[name] != after[name]} == changed | {"Report"}


def test_without_cache_no_node_looks_for_it(tmp_path: Path):
    ir = compiled(tmp_path, "--no-cache")
    options = [node.pipeline_node.execution_options for node in ir.nodes]
    assert not any(option.caching_options.enable_cache for option in options)


def stable(ir: pipeline_pb2.Pipeline) -> dict[str, bytes]:
    return {
        node.pipeline_node.node_info.id: node.SerializeToString(deterministic=True)
        for node in ir.nodes
    }
