"""The DAG, top to bottom as the data flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorSpec
from tfx.proto import example_gen_pb2

from data.query import render_splits
from data.table import TABLE
from models.bigquery_ml import write_script
from models.evaluation import eval_config
from models.search import Search
from models.task import Training
from pipeline.caching import code_fingerprint
from pipeline.components import sharded_bigquery
from pipeline.components.accepted_statistics import AcceptedStatistics
from pipeline.components.anomaly_gate import AnomalyGate
from pipeline.components.batch_scorer import BatchScorer
from pipeline.components.replay_gate import Replay
from pipeline.components.shards import to_config
from pipeline.components.tuner import Tuner
from pipeline.settings import Settings
from report.component import TEMPLATES, Report
from report.run_info import BigQueryModel, RunInfo


@dataclass(frozen=True)
class Engines:
    """What differs between a laptop and Vertex AI; the DAG is the same.

    Attributes:
        pipeline_root: Folder of the artifacts.
        schema_file: A copy of the schema under a name that changes with its content.
        checkpoint_root: Folder of the Trainer's checkpoints.
        destination: Where the Pusher puts the model, as arguments of its own.
        beam_args: Options of the Beam pipelines.
        metadata: How to connect to ML Metadata; None where the platform has its own.
        ingestion: Executor of BigQueryExampleGen; None for the stock one.
        ingestion_config: What that executor must know.
        base_strategy: How a Resolver chooses the model that training goes on from.
        baseline_strategy: How the Resolver chooses the baseline.
        previous_strategy: How the Resolver chooses the statistics to compare with.
        tuned_strategy: How a Resolver chooses the hyperparameters that an earlier run has found.
        tuner_fn: The Tuner's entry point: where trials run is its matter.
        tuning_config: What it must know.
        trainer: The Trainer to use: where training runs is its executor's matter.
        training_config: What that executor must know.
        pusher: The Pusher to use.
        staging: Folder of what is scored and not yet whole; empty for one beside the output.
        source: Where the rows come from, in words.
        table_state: What the table is as the run begins, as a line that changes with its rows;
            empty where the rows are known by `source_fingerprint`, or not at all.
        source_fingerprint: Fingerprint of them, where there is one.
    """

    pipeline_root: str
    schema_file: str
    checkpoint_root: str
    destination: dict[str, Any]
    beam_args: list[Any]
    metadata: Any = None
    ingestion: ExecutorSpec | None = None
    ingestion_config: example_gen_pb2.CustomConfig | None = None
    base_strategy: type = tfx.dsl.experimental.LatestBlessedModelStrategy
    baseline_strategy: type = tfx.dsl.experimental.LatestBlessedModelStrategy
    previous_strategy: type = tfx.dsl.experimental.LatestArtifactStrategy
    tuned_strategy: type = tfx.dsl.experimental.LatestArtifactStrategy
    tuner_fn: str = "models.tuning.tuner_fn"
    tuning_config: Mapping[str, Any] = MappingProxyType({})
    trainer: type[tfx.components.Trainer] = tfx.components.Trainer
    training_config: Mapping[str, Any] = MappingProxyType({})
    pusher: type[tfx.components.Pusher] = tfx.components.Pusher
    staging: str = ""
    source: str = "BigQuery"
    table_state: str = ""
    source_fingerprint: str = ""


def create_pipeline(settings: Settings, engines: Engines) -> tfx.dsl.Pipeline:
    """Builds the pipeline, for any runner of TFX."""
    examples = tfx.extensions.google_cloud_big_query.BigQueryExampleGen(
        input_config=_a_query_per_split(settings, engines.table_state),
        custom_executor_spec=engines.ingestion,
        custom_config=engines.ingestion_config,
    )

    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    previous = tfx.dsl.Resolver(
        strategy_class=engines.previous_strategy,
        statistics=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics),
    ).with_id("PreviousStatistics")
    previous.add_upstream_node(statistics)
    inferred_schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    schema = tfx.components.ImportSchemaGen(schema_file=engines.schema_file)
    anomalies = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    gate = AnomalyGate(
        anomalies=anomalies.outputs["anomalies"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        inferred=inferred_schema.outputs["schema"],
        previous=previous.outputs["statistics"],
        severity=settings.anomaly_severity,
        code=code_fingerprint("pipeline.components.anomaly_gate"),
    )

    accepted = AcceptedStatistics(
        statistics=statistics.outputs["statistics"],
        code=code_fingerprint("pipeline.components.accepted_statistics"),
    )
    accepted.add_upstream_node(gate)

    transform = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="models.transform.preprocessing_fn",
        custom_config={"code": code_fingerprint("models.transform")},
        materialize=False,  # The Trainer transforms the examples as it reads them, once.
        disable_statistics=True,  # Nobody downstream reads them.
        disable_analyzer_cache=True,  # Nor do later runs: they analyze other examples.
    )
    transform.add_upstream_node(gate)

    if settings.tune_trials:
        tuner = Tuner(
            tuner_fn=engines.tuner_fn,
            examples=examples.outputs["examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=schema.outputs["schema"],
            train_args=tfx.proto.TrainArgs(
                splits=["train"], num_steps=settings.tune_steps or settings.train_steps
            ),
            eval_args=tfx.proto.EvalArgs(splits=["eval"]),
            custom_config=_search(settings, engines).to_config() | dict(engines.tuning_config),
        )
        hyperparameters = tuner.outputs["best_hyperparameters"]
    else:
        tuner = tfx.dsl.Resolver(
            strategy_class=engines.tuned_strategy,
            hyperparameters=tfx.dsl.Channel(type=tfx.types.standard_artifacts.HyperParameters),
        ).with_id("TunedHyperparameters")
        hyperparameters = tuner.outputs["hyperparameters"]

    base_model = None
    if settings.warm_start:
        base_model = _blessed_model("BaseModel", engines.base_strategy)

    trainer = engines.trainer(
        run_fn="models.task.run_fn",
        examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        hyperparameters=hyperparameters,
        base_model=base_model.outputs["model"] if base_model else None,
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=settings.train_steps),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config=_training(settings, engines).to_config() | dict(engines.training_config),
    )

    baseline = _blessed_model("Baseline", engines.baseline_strategy)
    baseline.add_upstream_node(trainer)

    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=eval_config(settings.bounds, code_fingerprint("models.metrics")),
        module_path="models.metrics",
    )

    replay = Replay(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        champion=baseline.outputs["model"],
        requests=settings.replay_requests or "",
        max_p99_ms=settings.max_replay_p99_ms,
        code=code_fingerprint("pipeline.components.replay_gate"),
    )
    replay.add_upstream_node(evaluator)

    pusher = engines.pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=replay.outputs["blessing"],
        **engines.destination,
    )

    scorer = None
    if settings.score_input:
        scorer = BatchScorer(
            model=trainer.outputs["model"],
            pushed_model=pusher.outputs["pushed_model"],
            score_input=settings.score_input,
            score_output=settings.score_output,
            staging=engines.staging,
            code=code_fingerprint("pipeline.components.batch_scorer"),
        )

    components = [
        *(examples, statistics, previous, inferred_schema, schema, anomalies, gate, accepted),
        *(transform, tuner, base_model, trainer, baseline, evaluator, replay, pusher),
        scorer,
    ]
    components = [component for component in components if component is not None]
    report = Report(
        run_info=_run_info(settings, engines, components),
        metadata=engines.metadata,
        code=code_fingerprint("report.component", TEMPLATES),
        components=components,
    )

    return tfx.dsl.Pipeline(
        pipeline_name=f"{TABLE.pipeline}-{settings.environment}",
        pipeline_root=engines.pipeline_root,
        components=[*components, report],
        enable_cache=settings.cache,
        metadata_connection_config=engines.metadata,
        beam_pipeline_args=engines.beam_args,
    )


def _blessed_model(name: str, strategy: type) -> tfx.dsl.Resolver:
    """Looks for a model that an earlier run has blessed."""
    return tfx.dsl.Resolver(
        strategy_class=strategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id(name)


def sharded_ingestion(shards: int) -> dict[str, Any]:
    """How BigQueryExampleGen asks BigQuery: as TFX does, where it need not divide what it gets."""
    if shards == 1:
        return {}
    return {
        "ingestion": BeamExecutorSpec(sharded_bigquery.Executor),
        "ingestion_config": to_config(shards),
    }


def to_folder(folder: str) -> dict[str, Any]:
    """The destination of a Pusher that puts versions of the model side by side in a folder."""
    filesystem = tfx.proto.PushDestination.Filesystem(base_directory=folder)
    return {"push_destination": tfx.proto.PushDestination(filesystem=filesystem)}


def _run_info(settings: Settings, engines: Engines, components: Sequence[Any]) -> RunInfo:
    """What the report can't read in any artifact."""
    code = {
        "gate": code_fingerprint("pipeline.components.anomaly_gate"),
        "transform": code_fingerprint("models.transform"),
        "training": code_fingerprint("models.task"),
        "evaluation": code_fingerprint("models.metrics"),
        "serving": code_fingerprint("pipeline.components.replay_gate"),
    }
    if engines.source_fingerprint:
        code = {TABLE.rows: engines.source_fingerprint} | code
    return RunInfo(
        pipeline=TABLE.pipeline,
        source=engines.source,
        severity=settings.anomaly_severity,
        bounds=settings.bounds,
        settings=settings.to_dict(),
        command=settings.reproduction(),
        queries=render_splits(settings, table=settings.table, sample=settings.sample),
        fingerprints=code,
        upstream={component.id: _upstream(component) for component in components},
        bigquery_model=_bigquery_model(settings),
    )


def _bigquery_model(settings: Settings) -> BigQueryModel | None:
    """What BigQuery ML is to train for comparison."""
    if settings.reference != "bigquery_ml":
        return None
    kind, dataset = settings.bigquery_ml_model, str(settings.bigquery_ml_dataset)
    name = f"{TABLE.pipeline}_{kind}".lower().replace("-", "_")
    script = write_script(
        kind,
        f"{dataset}.{name}",
        render_splits(settings, table=settings.table, sample=settings.sample),
        settings.hyperparameters,
    )
    return BigQueryModel(dataset.split(".")[0], kind, script)


def _upstream(component: Any) -> tuple[str, ...]:
    """What a component waits for: who makes its inputs, and whom it was told to wait for."""
    channels = component.inputs.values()
    makers = {node for channel in channels for node in channel.get_data_dependent_node_ids()}
    return tuple(sorted(makers | {node.id for node in component.upstream_nodes}))


def _a_query_per_split(settings: Settings, table_state: str) -> example_gen_pb2.Input:
    queries = render_splits(settings, table=settings.table, sample=settings.sample)
    # In the query, since the stock executor has no property that it would not act on.
    first_line = f"-- {table_state}\n" if table_state else ""
    return example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name=split, pattern=first_line + query)
            for split, query in queries.items()
        ]
    )


def _search(settings: Settings, engines: Engines) -> Search:
    code = code_fingerprint(engines.tuner_fn.rpartition(".")[0])
    training = replace(_training(settings, engines), code=code)
    return Search(settings.tune_trials, settings.tune_processes, training)


def _training(settings: Settings, engines: Engines) -> Training:
    return Training(
        batch_size=settings.batch_size,
        checkpoint_interval=settings.checkpoint_interval,
        checkpoint_root=engines.checkpoint_root,
        cache_examples=settings.cache_examples,
        seed=settings.seed,
        code=code_fingerprint("models.task"),
        hyperparameters=settings.hyperparameters,
        chosen=settings.chosen_hyperparameters,
        mixed_precision=settings.mixed_precision,
    )
