"""The executions and artifacts of a run, from ML Metadata; read without loading TFX."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import ml_metadata as mlmd
from google.protobuf import json_format, struct_pb2
from ml_metadata.proto import metadata_store_pb2

from report.facts import Artifact, Execution, Lineage

PIPELINE, RUN, NODE = "pipeline", "pipeline_run", "node"
"""Types of context that TFX puts executions in."""

_SINGLE = "__value__"
"""TFX's key of a value that is no structure of its own."""

_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.INTERNAL_INPUT)
# What a Resolver found is an INTERNAL_OUTPUT of it.
_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT)


def read_lineage(store: mlmd.MetadataStore, run_id: str) -> Lineage:
    """Reads what a run did; there is nothing in it if there is no such run."""
    context = store.get_context_by_type_and_name(RUN, run_id)
    if context is None:
        return Lineage()
    found = sorted(store.get_executions_by_context(context.id), key=lambda e: e.id)
    events: dict[int, list[metadata_store_pb2.Event]] = {}
    for event in store.get_events_by_execution_ids([e.id for e in found]) if found else ():
        events.setdefault(event.execution_id, []).append(event)
    ids = sorted({e.artifact_id for its_events in events.values() for e in its_events})
    artifacts = store.get_artifacts_by_id(ids) if ids else []
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    nodes = {kind.id for kind in store.get_context_types() if kind.name == NODE}
    return Lineage(
        tuple(
            _execution(store, execution, events.get(execution.id, []), nodes) for execution in found
        ),
        {a.id: Artifact(a.id, types[a.type_id], a.uri, properties_of(a)) for a in artifacts},
    )


def _execution(
    store: mlmd.MetadataStore,
    execution: metadata_store_pb2.Execution,
    events: Sequence[metadata_store_pb2.Event],
    nodes: set[int],
) -> Execution:
    state = metadata_store_pb2.Execution.State.Name(execution.last_known_state).lower()
    outputs = _by_key(events, _OUTPUTS)
    ran = execution
    if state == "cached":
        ran = _first_run(store, [i for ids in outputs.values() for i in ids]) or execution
    return Execution(
        id=execution.id,
        component=next(
            context.name.partition(".")[2]
            for context in store.get_contexts_by_execution(execution.id)
            if context.type_id in nodes
        ),
        state=state,
        started=_time(execution.create_time_since_epoch),
        seconds=(ran.last_update_time_since_epoch - ran.create_time_since_epoch) / 1000
        if ran.last_known_state == metadata_store_pb2.Execution.COMPLETE
        else None,
        inputs=_by_key(events, _INPUTS),
        outputs=outputs,
    )


def _first_run(
    store: mlmd.MetadataStore, artifacts: Sequence[int]
) -> metadata_store_pb2.Execution | None:
    """The execution that made artifacts which others took from the cache."""
    made = [
        e.execution_id for e in store.get_events_by_artifact_ids(artifacts) if e.type in _OUTPUTS
    ]
    executions = store.get_executions_by_id(sorted(set(made)))
    complete = metadata_store_pb2.Execution.COMPLETE
    return next((e for e in executions if e.last_known_state == complete), None)


def _by_key(
    events: Sequence[metadata_store_pb2.Event], kinds: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for event in events:
        if event.type in kinds:
            key = next((step.key for step in event.path.steps if step.HasField("key")), "")
            found[key] = (*found.get(key, ()), event.artifact_id)
    return found


def properties_of(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    """What was written on an artifact, by name."""
    return {
        name: _structured(value.struct_value) if kind == "struct_value" else getattr(value, kind)
        for properties in (artifact.properties, artifact.custom_properties)
        for name, value in properties.items()
        if (kind := value.WhichOneof("value"))
    }


def _structured(value: struct_pb2.Struct) -> Any:
    """A value in a structure; on Vertex AI, TFX wraps even a single number in one."""
    found = json_format.MessageToDict(value)
    return found.get(_SINGLE, found)


def _time(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
