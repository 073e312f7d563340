"""The engines of a laptop: the embedded warehouse, Beam in process, SQLite and folders."""

from __future__ import annotations

from pathlib import Path

from tfx.dsl.components.base import executor_spec

from common.files import write_atomically
from data.source import open_source
from data.table import TABLE
from pipeline.beam import in_process
from pipeline.caching import code_fingerprint, name_by_content
from pipeline.components import embedded_bigquery, whole_pusher
from pipeline.components.resolvers import (
    LatestOrNoneStrategy,
    OtherAcceptedStrategy,
    OtherPushedModelStrategy,
    ServableModelStrategy,
)
from pipeline.pipeline import Engines, sharded_ingestion, to_folder
from pipeline.settings import BIGQUERY, ROOT, LocalSettings
from report.runs.metadata_file import connection_config


def local_engines(settings: LocalSettings) -> Engines:
    """What runs the pipeline on this machine, and keeps all it writes under the run root.

    Raises:
        UserError: If the source is missing or not what it should be.
    """
    root = settings.run_root.resolve()
    common = {
        "pipeline_root": str(root / "pipeline"),
        "schema_file": str(_copy(settings.schema_file, root / "schema")),
        "checkpoint_root": str(root / "checkpoints"),
        "destination": to_folder(str(settings.serving_folder.resolve()))
        | {"custom_executor_spec": executor_spec.ExecutorClassSpec(whole_pusher.Executor)},
        "metadata": connection_config(settings.run_root),
        "base_strategy": ServableModelStrategy,
        "baseline_strategy": OtherPushedModelStrategy,
        "previous_strategy": OtherAcceptedStrategy,
        "tuned_strategy": LatestOrNoneStrategy,
    }
    beam_args = in_process(ROOT / "setup.py")
    if settings.source == BIGQUERY:
        bigquery = [f"--project={settings.project}", f"--temp_location={settings.bigquery_temp}"]
        source = f"BigQuery, table {settings.table}"
        return Engines(
            **common,
            **sharded_ingestion(settings.shards or 1),
            beam_args=beam_args + bigquery,
            source=source,
        )
    path = settings.source_path
    fingerprint = open_source(str(path)).fingerprint()
    return Engines(
        **common,
        beam_args=beam_args,
        source="the sample that comes with the project" if path == TABLE.sample else str(path),
        source_fingerprint=fingerprint,
        ingestion=executor_spec.BeamExecutorSpec(embedded_bigquery.Executor),
        ingestion_config=embedded_bigquery.custom_config(
            {settings.table: str(path)},
            fingerprint=fingerprint + code_fingerprint("pipeline.components.embedded_bigquery"),
            shards=settings.shards or 1,
        ),
    )


def _copy(file: Path, folder: Path) -> Path:
    copy = folder / name_by_content(file)
    return copy if copy.exists() else write_atomically(copy, file.read_bytes())
