"""The last component: writes the page of the run."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from report.artifact import HTML
from report.collect.collector import collect_facts
from report.collect.lineage import read_lineage
from report.collect.run_artifacts import OUTPUTS, RunArtifacts
from report.facts import Lineage
from report.render import assets
from report.render.page import render
from report.run_info import RunInfo

TEMPLATES = Path(__file__).parent / "render" / "templates"
"""What the page is drawn by, beside code."""

FILE = "report.html"
"""Name of the page in the artifact's folder."""

PARTS = {name: output for name, output in OUTPUTS.items() if output.component != "Report"}
"""What the page is made of."""


class Executor(BaseExecutor):
    """Collects the facts of the run and writes the page."""

    def Do(  # noqa: N802, TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the page.

        Args:
            input_dict: Artifacts by their part in the run; see `RunArtifacts`.
            output_dict: `page`; its uri becomes that of the file, which is what consoles open.
            exec_properties: `run_info` and `metadata`; see `Report`.
        """
        assets.prepare()
        page = artifact_utils.get_single_instance(output_dict["page"])
        # On Vertex AI nobody tells an executor the run's name, but it is in the path it writes to:
        # <root>/<project number>/<run>/<task>/page.
        run_id = self._context.pipeline_run_id if self._context else None
        run_id = run_id or page.uri.split("/")[-3]
        facts = collect_facts(
            RunArtifacts.from_inputs(input_dict),
            RunInfo.from_json(exec_properties["run_info"]),
            run_id,
            _lineage(exec_properties["metadata"], run_id),
        )
        fileio.makedirs(page.uri)
        page.uri = posixpath.join(page.uri, FILE)
        with fileio.open(page.uri, "w") as file:
            file.write(render(facts))
        page.set_string_custom_property("outcome", facts.verdict.outcome)
        page.set_string_custom_property("verdict", facts.verdict.sentence)


def _lineage(connection: str, run_id: str) -> Lineage:
    if not connection:
        return Lineage()
    config = json_format.Parse(connection, metadata_store_pb2.ConnectionConfig())
    return read_lineage(mlmd.MetadataStore(config), run_id)


class ReportSpec(ComponentSpec):
    """What goes into the component and comes out of it."""

    PARAMETERS = {  # noqa: RUF012, TFX's way
        "run_info": ExecutionParameter(type=str),
        "metadata": ExecutionParameter(type=str),
        "code": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        name: ChannelParameter(
            type=getattr(standard_artifacts, output.artifact_type), optional=output.optional
        )
        for name, output in PARTS.items()
    }
    OUTPUTS = {"page": ChannelParameter(type=HTML)}  # noqa: RUF012


class Report(BaseComponent):
    """Writes one self-contained page on the run, for people who decide whether the model may serve.

    Args:
        run_info: What the runner knows of the run.
        metadata: How to connect to ML Metadata; None where an executor may not.
        code: Fingerprint of the report's code; only TFX's cache reads it.
        components: Those of the pipeline; a part of the page whose maker is not there is left out.
    """

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        run_info: RunInfo,
        metadata: metadata_store_pb2.ConnectionConfig | None,
        code: str,
        components: Sequence[BaseNode],
    ) -> None:
        connection = ""
        if metadata is not None:
            connection = json_format.MessageToJson(metadata, indent=None, sort_keys=True)
        by_id = {component.id: component for component in components}
        super().__init__(
            ReportSpec(
                run_info=run_info.to_json(),
                metadata=connection,
                code=code,
                page=channel.Channel(type=HTML),
                **{
                    name: by_id[o.component].outputs[o.key]
                    for name, o in PARTS.items()
                    if o.component in by_id
                },
            )
        )
