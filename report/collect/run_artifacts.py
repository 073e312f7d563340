"""Where a run's artifacts are, by the part they play in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report.collect.lineage import Lineage, properties_of

PRODUCERS = {
    "examples": ("BigQueryExampleGen", "examples"),
    "statistics": ("StatisticsGen", "statistics"),
    "previous": ("PreviousStatistics", "statistics"),
    "inferred": ("SchemaGen", "schema"),
    "schema": ("ImportSchemaGen", "schema"),
    "anomalies": ("ExampleValidator", "anomalies"),
    "findings": ("AnomalyGate", "report"),
    "transform_graph": ("Transform", "transform_graph"),
    "model": ("Trainer", "model"),
    "training": ("Trainer", "model_run"),
    "evaluation": ("Evaluator", "evaluation"),
    "blessing": ("Evaluator", "blessing"),
    "pushed": ("Pusher", "pushed_model"),
    "page": ("Report", "page"),
}
"""Which output of which component plays which part."""


@dataclass(frozen=True)
class Found:
    """An artifact.

    Attributes:
        uri: Its folder or file.
        properties: What was written on it, by name.
    """

    uri: str
    properties: Mapping[str, Any]

    @property
    def splits(self) -> list[str]:
        """Its splits, where it has any."""
        return json.loads(self.properties.get("split_names") or "[]")


@dataclass(frozen=True)
class Run:
    """The artifacts of a run; None for what it did not get to, or did not find.

    Attributes:
        examples: Of each split.
        statistics: Of each split.
        previous: Statistics of the previous run.
        inferred: The schema that the data would have.
        schema: The curated schema.
        anomalies: Of each split, against the curated schema.
        findings: What the gate found, where it let the run pass.
        transform_graph: The transform.
        model: The trained model.
        training: TensorBoard's log and the history of the training.
        evaluation: TFMA's results.
        blessing: Whether the model may serve.
        pushed: Where it was pushed.
        page: The page that the run made of itself.
    """

    examples: Found | None = None
    statistics: Found | None = None
    previous: Found | None = None
    inferred: Found | None = None
    schema: Found | None = None
    anomalies: Found | None = None
    findings: Found | None = None
    transform_graph: Found | None = None
    model: Found | None = None
    training: Found | None = None
    evaluation: Found | None = None
    blessing: Found | None = None
    pushed: Found | None = None
    page: Found | None = None

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Sequence[Any]]) -> Run:
        """Finds them among what an executor is given.

        Args:
            inputs: TFX artifacts under the names above; a name may be missing, or have none.
        """
        return cls(
            **{
                name: Found(artifacts[0].uri, properties_of(artifacts[0].mlmd_artifact))
                for name, artifacts in inputs.items()
                if artifacts
            }
        )

    @classmethod
    def from_lineage(cls, lineage: Lineage) -> Run:
        """Finds them in ML Metadata: what the run made, or took from the cache."""
        made = {
            (execution.component, key): ids[-1]
            for execution in lineage.executions
            if execution.state in ("complete", "cached")
            for key, ids in execution.outputs.items()
        }
        return cls(
            **{
                name: Found(lineage.artifacts[made[output]].uri, lineage.properties[made[output]])
                for name, output in PRODUCERS.items()
                if output in made
            }
        )
