"""The last component: writes the page of the run."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from report.artifact import HTML
from report.collect.collector import gather
from report.collect.lineage import Lineage, read_lineage
from report.collect.run_artifacts import Run
from report.render.page import render
from report.run_info import About

TEMPLATES = Path(__file__).parent / "render" / "templates"
"""What the page is drawn by, beside code."""

FILE = "report.html"
"""Name of the page in the artifact's folder."""


class Executor(BaseExecutor):
    """Gathers the facts of the run and writes the page."""

    def Do(  # noqa: N802, TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the page.

        Args:
            input_dict: Artifacts by their part in the run; see `report.collect.run_artifacts.Run`.
            output_dict: `page`; its uri becomes that of the file, which is what consoles open.
            exec_properties: `about` and `metadata`; see `Report`.
        """
        page = artifact_utils.get_single_instance(output_dict["page"])
        # On Vertex AI nobody tells an executor the run's name, but it is in the path it writes to:
        # <root>/<project number>/<run>/<task>/page.
        run_id = self._context.pipeline_run_id if self._context else None
        run_id = run_id or page.uri.split("/")[-3]
        facts = gather(
            Run.from_inputs(input_dict),
            About.from_json(exec_properties["about"]),
            run_id,
            _lineage(exec_properties["metadata"], run_id),
        )
        fileio.makedirs(page.uri)
        page.uri = posixpath.join(page.uri, FILE)
        with fileio.open(page.uri, "w") as file:
            file.write(render(facts))
        page.set_string_custom_property("outcome", facts.verdict.outcome)


def _lineage(connection: str, run_id: str) -> Lineage:
    if not connection:
        return Lineage()
    config = json_format.Parse(connection, metadata_store_pb2.ConnectionConfig())
    return read_lineage(mlmd.MetadataStore(config), run_id)


def _channel(kind: type, *, optional: bool = False) -> ChannelParameter:
    return ChannelParameter(type=kind, optional=optional)


class ReportSpec(ComponentSpec):
    """What goes into the component and comes out of it."""

    PARAMETERS = {  # noqa: RUF012, TFX's way
        "about": ExecutionParameter(type=str),
        "metadata": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "examples": _channel(standard_artifacts.Examples),
        "statistics": _channel(standard_artifacts.ExampleStatistics),
        # On Vertex AI a Resolver that found nothing is left out.
        "previous": _channel(standard_artifacts.ExampleStatistics, optional=True),
        "inferred": _channel(standard_artifacts.Schema),
        "schema": _channel(standard_artifacts.Schema),
        "anomalies": _channel(standard_artifacts.ExampleAnomalies),
        "findings": _channel(standard_artifacts.JsonValue),
        "transform_graph": _channel(standard_artifacts.TransformGraph),
        "model": _channel(standard_artifacts.Model),
        "training": _channel(standard_artifacts.ModelRun),
        "evaluation": _channel(standard_artifacts.ModelEvaluation),
        "blessing": _channel(standard_artifacts.ModelBlessing),
        "pushed": _channel(standard_artifacts.PushedModel, optional=True),
    }
    OUTPUTS = {"page": _channel(HTML)}  # noqa: RUF012


class Report(BaseComponent):
    """Writes one self-contained page on the run, for people who decide whether the model may serve.

    Args:
        about: What the runner knows of the run.
        metadata: How to connect to ML Metadata; None where an executor may not.
        code: Fingerprint of the report's code; only TFX's cache reads it.
        inputs: Channels by their part in the run; see `ReportSpec`.
    """

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        about: About,
        metadata: metadata_store_pb2.ConnectionConfig | None,
        code: str,
        **inputs: channel.BaseChannel,
    ) -> None:
        connection = ""
        if metadata is not None:
            connection = json_format.MessageToJson(metadata, indent=None, sort_keys=True)
        super().__init__(
            ReportSpec(
                about=about.to_json(),
                metadata=connection,
                code=code,
                page=channel.Channel(type=HTML),
                **inputs,
            )
        )
