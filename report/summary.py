"""What came of a run, read from ML Metadata and the artifacts it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ml_metadata as mlmd
import tensorflow_model_analysis as tfma
from ml_metadata.proto import metadata_store_pb2
from tensorflow_data_validation import load_stats_binary
from tensorflow_model_analysis.proto import validation_result_pb2
from tfx.types import artifact_utils

from schema.inspection import read_findings

OVERALL = "all examples"


@dataclass(frozen=True)
class RunSummary:
    """What a reader wants to know of a run; what the run did not get to is empty or None.

    Attributes:
        rows: Examples per split.
        anomalies: What the gate found, a sentence each; None if it was not reached.
        metrics: The candidate's metrics over all examples of the eval split, by name.
        baseline: The same of the baseline; empty where there was none.
        blessed: Whether the model may serve.
        reasons: Why it may not, a sentence for each bound that was crossed.
        pushed_to: Folder of the pushed version.
        training_log: Folder of the TensorBoard log.
    """

    rows: dict[str, int]
    anomalies: tuple[str, ...] | None
    metrics: dict[str, float]
    baseline: dict[str, float]
    blessed: bool | None
    reasons: tuple[str, ...]
    pushed_to: str | None
    training_log: str | None


def summarise(connection: metadata_store_pb2.ConnectionConfig, run_id: str) -> RunSummary:
    """Reads the summary of a run.

    Args:
        connection: How to connect to ML Metadata.
        run_id: The run.

    Returns:
        What is known of it.
    """
    outputs = _outputs(mlmd.MetadataStore(connection), run_id)
    evaluation = outputs.get("ModelEvaluation")
    metrics = _metrics(evaluation.uri) if evaluation else {}
    # Without a baseline, TFMA leaves out the candidate's name.
    candidate = metrics.get(tfma.CANDIDATE_KEY) or metrics.get("", {})
    blessing = outputs.get("ModelBlessing")
    training = outputs.get("ModelRun")
    return RunSummary(
        rows=_rows(outputs.get("ExampleStatistics")),
        anomalies=_anomalies(outputs.get("JsonValue")),
        metrics=candidate,
        baseline=metrics.get(tfma.BASELINE_KEY, {}),
        blessed=None if blessing is None else _number(blessing, "blessed") == 1,
        reasons=tuple(_reasons(evaluation.uri)) if evaluation else (),
        pushed_to=_pushed_to(outputs.get("PushedModel")),
        training_log=training.uri if training else None,
    )


def _outputs(store: mlmd.MetadataStore, run_id: str) -> dict[str, metadata_store_pb2.Artifact]:
    """The latest artifact of each type that the run made or took from the cache."""
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return {}
    types = {t.id: t.name for t in store.get_artifact_types()}
    executions = [execution.id for execution in store.get_executions_by_context(context.id)]
    # What the Resolver found, such as the baseline's blessing, is an INTERNAL_OUTPUT.
    made = {
        event.artifact_id
        for event in store.get_events_by_execution_ids(executions)
        if event.type == metadata_store_pb2.Event.OUTPUT
    }
    artifacts = sorted(store.get_artifacts_by_id(list(made)), key=lambda a: a.id)
    return {types[artifact.type_id]: artifact for artifact in artifacts}


def _anomalies(report: metadata_store_pb2.Artifact | None) -> tuple[str, ...] | None:
    return None if report is None else tuple(map(str, read_findings(report.uri)))


def _number(artifact: metadata_store_pb2.Artifact, name: str) -> int:
    return artifact.custom_properties[name].int_value


def _pushed_to(pushed: metadata_store_pb2.Artifact | None) -> str | None:
    if pushed is None or _number(pushed, "pushed") != 1:
        return None
    return pushed.custom_properties["pushed_destination"].string_value


def _rows(statistics: metadata_store_pb2.Artifact | None) -> dict[str, int]:
    if statistics is None:
        return {}
    splits = artifact_utils.decode_split_names(statistics.properties["split_names"].string_value)
    return {
        split: load_stats_binary(f"{statistics.uri}/Split-{split}/FeatureStats.pb")
        .datasets[0]
        .num_examples
        for split in splits
    }


def _metrics(uri: str) -> dict[str, dict[str, float]]:
    """Metrics over all examples, by model and by name."""
    found: dict[str, dict[str, float]] = {}
    for of_slice in tfma.load_metrics(uri):
        if of_slice.slice_key.single_slice_keys:
            continue
        for item in of_slice.metric_keys_and_values:
            if not item.key.is_diff:
                by_name = found.setdefault(item.key.model_name, {})
                by_name[item.key.name] = item.value.double_value.value
    return found


def _reasons(uri: str) -> Iterator[str]:
    result = tfma.load_validation_result(uri)
    if result is None or result.validation_ok:
        return
    if result.missing_slices:
        names = ", ".join(",".join(s.feature_keys) or OVERALL for s in result.missing_slices)
        yield f"no examples to judge in {names}"
    for of_slice in result.metric_validations_per_slice:
        keys = of_slice.slice_key.single_slice_keys
        place = ", ".join(f"{key.column} {key.bytes_value.decode()}" for key in keys) or OVERALL
        for failure in of_slice.failures:
            yield f"{place}: {_crossed(failure)}"


def _crossed(failure: validation_result_pb2.ValidationFailure) -> str:
    value, threshold = failure.metric_value.double_value.value, failure.metric_threshold
    if failure.message:
        return f"{failure.metric_key.name}: {failure.message}"
    if threshold.HasField("change_threshold"):
        bound = threshold.change_threshold.absolute.value
        return f"RMSE rose by {value:.3f} lb over the baseline; {bound:.3f} is allowed"
    return f"RMSE is {value:.3f} lb; {threshold.value_threshold.upper_bound.value:.3f} is allowed"
