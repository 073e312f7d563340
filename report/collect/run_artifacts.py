"""The parts of a run: which output of which component each is, and where a run has it."""

# The fields of the table are made by a function of ours, whose defaults are immutable.
# ruff: noqa: RUF009

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from report.collect.lineage import properties_of
from report.facts import Artifact, Lineage


@dataclass(frozen=True)
class Output:
    """An output of a component.

    Attributes:
        artifact_type: A name in `tfx.types.standard_artifacts`, which take seconds to load.
        optional: Whether the platform may leave it out of what an executor is given.
    """

    component: str
    key: str
    artifact_type: str
    optional: bool = False


def _output(component: str, key: str, artifact_type: str, *, optional: bool = False) -> Any:
    output = Output(component, key, artifact_type, optional)
    return field(default=None, metadata={"output": output})


@dataclass(frozen=True)
class RunArtifacts:
    """The artifacts of a run; None for what it did not get to, or did not find."""

    examples: Artifact | None = _output("BigQueryExampleGen", "examples", "Examples")
    statistics: Artifact | None = _output("StatisticsGen", "statistics", "ExampleStatistics")
    # Of the latest run on other examples. On Vertex AI a Resolver that found nothing is left out.
    previous: Artifact | None = _output(
        "PreviousStatistics", "statistics", "ExampleStatistics", optional=True
    )
    # The schema that the data would have.
    inferred: Artifact | None = _output("SchemaGen", "schema", "Schema")
    schema: Artifact | None = _output("ImportSchemaGen", "schema", "Schema")
    anomalies: Artifact | None = _output("ExampleValidator", "anomalies", "ExampleAnomalies")
    # What the gate found, where it let the run pass.
    findings: Artifact | None = _output("AnomalyGate", "report", "JsonValue")
    transform_graph: Artifact | None = _output("Transform", "transform_graph", "TransformGraph")
    # All that tuning tried, where the run has a Tuner.
    trials: Artifact | None = _output("Tuner", "tuner_results", "TunerResults", optional=True)
    model: Artifact | None = _output("Trainer", "model", "Model")
    # TensorBoard's log and the history of the training.
    training: Artifact | None = _output("Trainer", "model_run", "ModelRun")
    evaluation: Artifact | None = _output("Evaluator", "evaluation", "ModelEvaluation")
    blessing: Artifact | None = _output("Evaluator", "blessing", "ModelBlessing")
    replay: Artifact | None = _output("Replay", "blessing", "InfraBlessing")
    pushed: Artifact | None = _output("Pusher", "pushed_model", "PushedModel", optional=True)
    # How many rows were predicted after the push, where some are to be.
    scored: Artifact | None = _output("BatchScorer", "outcome", "InferenceResult", optional=True)
    # The page that the run made of itself.
    page: Artifact | None = _output("Report", "page", "HTML")

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Sequence[Any]]) -> RunArtifacts:
        """Finds them among what an executor is given.

        Args:
            inputs: TFX artifacts under the names above; a name may be missing, or have none.
        """
        return cls(
            **{
                name: Artifact(a.id, a.type_name, a.uri, properties_of(a.mlmd_artifact))
                for name, artifacts in inputs.items()
                for a in artifacts[:1]
            }
        )

    @classmethod
    def from_lineage(cls, lineage: Lineage) -> RunArtifacts:
        """Finds them in ML Metadata: what the run made, or took from the cache."""
        made = {
            (execution.component, key): ids[-1]
            for execution in lineage.executions
            if execution.state in ("complete", "cached")
            for key, ids in execution.outputs.items()
        }
        return cls(
            **{
                name: lineage.artifacts[made[output.component, output.key]]
                for name, output in OUTPUTS.items()
                if (output.component, output.key) in made
            }
        )


OUTPUTS: Mapping[str, Output] = {f.name: f.metadata["output"] for f in fields(RunArtifacts)}
"""Which output of which component each part is."""
