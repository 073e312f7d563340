"""The engines of a laptop: the embedded warehouse, Beam in process, SQLite and folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import ml_metadata as mlmd
from absl import logging
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from common.errors import UserError
from data.source import open_source
from pipeline.beam import in_process
from pipeline.caching import code_fingerprint
from pipeline.cli.status import Observer
from pipeline.components import embedded_bigquery
from pipeline.components.resolvers import LatestIfAnyStrategy, OtherBlessedModelStrategy
from pipeline.curated import name_by_content
from pipeline.local.runner import ObservedRunner, clear_killed_runs, run_options
from pipeline.pipeline import Engines, create_pipeline, to_folder
from pipeline.settings import BIGQUERY, ROOT, SAMPLE, SAMPLE_FILE, LocalSettings
from report.component import Report
from report.runs.conclusion import conclude
from report.runs.past_runs import past_runs, remember
from report.runs.summary import RunSummary


def metadata_config(settings: LocalSettings) -> metadata_store_pb2.ConnectionConfig:
    """How to connect to the run root's ML Metadata, a SQLite file."""
    return tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(settings.run_root.resolve() / "metadata.sqlite")
    )


def local_engines(settings: LocalSettings) -> Engines:
    """What runs the pipeline on this machine.

    Args:
        settings: What the user chose.

    Returns:
        Engines that keep all they write under the run root.

    Raises:
        UserError: If the source of births is missing or not what it should be.
    """
    root = settings.run_root.resolve()
    common = {
        "pipeline_root": str(root / "pipeline"),
        "schema_file": str(_copy(settings.schema_file, root / "schema")),
        "checkpoint_root": str(root / "checkpoints"),
        "destination": to_folder(str(settings.serving_folder.resolve())),
        "metadata": metadata_config(settings),
        "baseline_strategy": OtherBlessedModelStrategy,
        "previous_strategy": LatestIfAnyStrategy,
    }
    beam_args = in_process(ROOT / "setup.py")
    if settings.source == BIGQUERY:
        bigquery = [f"--project={settings.project}", f"--temp_location={settings.bigquery_temp}"]
        source = f"BigQuery, table {settings.table}"
        return Engines(**common, beam_args=beam_args + bigquery, source=source)
    path = SAMPLE_FILE if settings.source == SAMPLE else Path(settings.source)
    source = open_source(str(path))
    births = source.fingerprint()
    return Engines(
        **common,
        beam_args=beam_args,
        source="the sample that comes with the project" if path == SAMPLE_FILE else str(path),
        births=births,
        ingestion=executor_spec.BeamExecutorSpec(embedded_bigquery.Executor),
        ingestion_config=embedded_bigquery.custom_config(
            {settings.table: str(path)},
            fingerprint=births + code_fingerprint("pipeline.components.embedded_bigquery"),
        ),
    )


def _copy(file: Path, folder: Path) -> Path:
    copy = folder / name_by_content(file)
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_suffix(".partial")
        shutil.copyfile(file, partial)
        partial.rename(copy)
    return copy


def run_locally(settings: LocalSettings, run_id: str, observer: Observer) -> RunSummary:
    """Runs the pipeline on this machine.

    Args:
        settings: What the user chose.
        run_id: Name of the run.
        observer: Who is told how it goes.

    Returns:
        What came of it.

    Raises:
        UserError: What the user can mend.
        Exception: What a component raised.
    """
    logging.use_absl_handler()  # Lines with time and place.
    logging.set_verbosity(logging.INFO)  # All that TFX tells goes to the run's log file.
    engines = local_engines(settings)
    try:
        clear_killed_runs(engines.metadata, Path(engines.pipeline_root))
    except (mlmd.errors.StatusError, RuntimeError) as error:
        raise UserError(
            f"{settings.run_root / 'metadata.sqlite'} can't be read ({error}).",
            "Move it away, or choose another folder with --run-root; pushed models are untouched.",
        ) from error
    pipeline = create_pipeline(settings, engines)
    partial = run_options(pipeline, settings.from_, settings.to)
    store = mlmd.MetadataStore(engines.metadata)
    try:
        ObservedRunner(observer, run_id).run(pipeline, run_options=partial)
    finally:
        report = next(c for c in pipeline.components if isinstance(c, Report))
        remember(store, run_id, about=report.exec_properties["about"])
    return conclude(store, run_id, settings.pages)


def report_failure(settings: LocalSettings, run_id: str, failure: str) -> str | None:
    """Makes the page of a run in which something failed.

    Args:
        settings: What the user chose.
        run_id: The run.
        failure: What failed, a sentence.

    Returns:
        The page; None if the run failed before its first component.
    """
    store = mlmd.MetadataStore(metadata_config(settings))
    if run_id not in past_runs(store):
        return None
    return conclude(store, run_id, settings.pages, failure).page
