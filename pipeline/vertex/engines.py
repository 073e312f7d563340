"""The engines of Vertex AI: BigQuery, Beam on Dataflow, custom jobs, an endpoint and buckets."""

from __future__ import annotations

from typing import Any

from tfx import v1 as tfx

from pipeline.caching import code_fingerprint, name_by_content
from pipeline.pipeline import Engines, sharded_ingestion, to_folder
from pipeline.vertex.dataflow import bounded, job_flags
from pipeline.vertex.pusher import LABELS, PLACE, TRAFFIC, Pusher
from pipeline.vertex.release import place
from pipeline.vertex.trainer import Trainer, training_config, tuning_config
from pipeline.vertex.vertex_settings import VertexSettings

X = tfx.extensions.google_cloud_ai_platform
BQ = tfx.extensions.google_cloud_big_query


def vertex_engines(settings: VertexSettings, table_state: str = "") -> Engines:
    """What runs the pipeline on Vertex AI, and keeps all it writes under the run root.

    Raises:
        UserError: If the schema file holds none.
    """
    pusher, destination = _PUSHERS[settings.push_to]
    machines = settings.all_scales[settings.scale].machines
    return Engines(
        **sharded_ingestion(settings.shards or machines),
        pipeline_root=settings.artifact_root,
        schema_file=schema_uri(settings),
        checkpoint_root=f"{settings.run_root}/checkpoints",
        destination=destination(settings),
        beam_args=[*job_flags(settings), bounded(settings)],
        tuner_fn="pipeline.vertex.job_tuner.tuner_fn",
        tuning_config=tuning_config(settings),
        trainer=Trainer,
        training_config=training_config(settings),
        pusher=pusher,
        staging=f"{settings.temp_root}/scored/{settings.environment}",
        source=f"BigQuery, table {settings.table}{f', {table_state}' if table_state else ''}",
        table_state=table_state,
    )


def schema_uri(settings: VertexSettings) -> str:
    """The gs:// name where tasks find the schema; a run's submission puts it there.

    Returns:
        A gs:// name that changes with the content, so that TFX's cache sees an edit.

    Raises:
        UserError: If the file is no schema.
    """
    return f"{settings.run_root}/schema/{name_by_content(settings.schema_file)}"


def _to_endpoint(settings: VertexSettings) -> dict[str, Any]:
    serving = {
        PLACE: place(settings).to_dict(),
        TRAFFIC: settings.endpoint_traffic,
        # Of what the model is made of: one that is the same is not pushed again for another label.
        LABELS: {
            "transform": code_fingerprint("models.transform"),
            "training": code_fingerprint("models.task"),
        },
    }
    return {"custom_config": {X.ENABLE_VERTEX_KEY: True, X.SERVING_ARGS_KEY: serving}}


def _to_storage(settings: VertexSettings) -> dict[str, Any]:
    return to_folder(settings.serving_folder)


def _to_bigquery(settings: VertexSettings) -> dict[str, Any]:
    project, dataset, name = settings.bigquery_model.split(".")
    serving = {"project_id": project, "bq_dataset_id": dataset, "model_name": name}
    return {"custom_config": {BQ.PUSHER_SERVING_ARGS_KEY: serving}}


_PUSHERS = {
    "endpoint": (Pusher, _to_endpoint),
    "storage": (tfx.components.Pusher, _to_storage),
    "bigquery": (BQ.Pusher, _to_bigquery),
}
