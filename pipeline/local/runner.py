"""Runs the pipeline on this machine, one component after another, and tells how it goes.

This is TFX's local runner with two differences: someone can watch; and an execution that TFX marks
as failed without raising (its inputs could not be resolved) stops the run.
"""

from __future__ import annotations

import time

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import RunOptions
from tfx.orchestration.portable import (
    launcher,
    partial_run_utils,
    runtime_parameter_utils,
    tfx_runner,
)
from tfx.proto.orchestration import local_deployment_config_pb2, pipeline_pb2

from common.errors import UserError
from pipeline.cli.status import Observer, State

RUN_ID_PARAMETER = "pipeline-run-id"


class ObservedRunner(tfx_runner.IrBasedRunner):
    """Runs components in order and reports to an observer."""

    def __init__(self, observer: Observer, run_id: str) -> None:
        self._observer = observer
        self._run_id = run_id

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None
    ) -> None:
        """Runs a compiled pipeline; called by `run`.

        Raises:
            UserError: If a component's inputs are missing.
            Exception: What a component raised.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {RUN_ID_PARAMETER: self._run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        kind = deployment.metadata_connection_config.WhichOneof("connection_config")
        connection = getattr(deployment.metadata_connection_config, kind)
        if run_options:
            partial = run_options.partial_run
            partial_run_utils.mark_pipeline(
                pipeline,
                from_nodes=partial.from_nodes or None,
                to_nodes=partial.to_nodes or None,
                snapshot_settings=partial.snapshot_settings,
            )
        nodes = [node.pipeline_node for node in pipeline.nodes]
        self._observer.planned([node.node_info.id for node in nodes])
        for node in nodes:
            name = node.node_info.id
            options = node.execution_options
            if options.HasField("skip"):
                reused = partial_run_utils.should_attempt_to_reuse_artifact(options)
                self._observer.changed(name, State.REUSED if reused else State.SKIPPED)
                continue
            if options.run.perform_snapshot:
                with metadata.Metadata(connection) as handle:
                    _reuse_earlier(handle, pipeline)
            self._run_node(pipeline, node, deployment, connection)

    def _run_node(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        deployment: local_deployment_config_pb2.LocalDeploymentConfig,
        connection: metadata_store_pb2.ConnectionConfig,
    ) -> None:
        name = node.node_info.id
        started = time.monotonic()
        self._observer.changed(name, State.RUNNING)
        state = State.FAILED
        try:
            execution = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, name),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
            ).launch()
            state = _state(connection, execution.execution_id if execution else None)
        finally:
            self._observer.changed(name, state, time.monotonic() - started)
        if state is State.FAILED:
            raise UserError(
                f"{name} found no inputs.",
                "Run the components before it first: without --from, or from an earlier one.",
            )


def _reuse_earlier(handle: metadata.Metadata, pipeline: pipeline_pb2.Pipeline) -> None:
    try:
        partial_run_utils.snapshot(handle, pipeline)
    except (LookupError, ValueError) as error:
        raise UserError(
            f"The latest run has not all that a partial run reuses ({error}).",
            "Run once without --from, or from an earlier component.",
        ) from error


def _state(connection: metadata_store_pb2.ConnectionConfig, execution_id: int | None) -> State:
    if execution_id is None:
        return State.FAILED
    with metadata.Metadata(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
    return {
        metadata_store_pb2.Execution.COMPLETE: State.DONE,
        metadata_store_pb2.Execution.CACHED: State.CACHED,
    }.get(execution.last_known_state, State.FAILED)


def run_options(first: str | None, last: str | None) -> RunOptions | None:
    """Options of a partial run, which reuses what the latest run made.

    TFX runs what is both downstream of the first component and upstream of the last.

    Returns:
        None for a full run.
    """
    if not (first or last):
        return None
    return RunOptions(from_nodes=[first] if first else None, to_nodes=[last] if last else None)
