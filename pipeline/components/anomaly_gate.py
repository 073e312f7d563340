"""The gate before training: what the data says against what was agreed on.

ExampleValidator writes down anomalies and goes on. This step reads them, adds what it cannot see
(whether the splits resemble each other, and the previous run), and stops the run when there is
something of the severity set. Every finding says what was found, what was expected and what to do.
"""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
import posixpath
from dataclasses import asdict

from tfx import v1 as tfx
from tfx.types import artifact_utils

from common.errors import UserError
from schema.findings import SEVERITIES, AnomaliesFound, blocking
from schema.statistics import Statistics
from schema.validation import inspect, read_anomalies, read_schema, read_statistics, schema_path


@tfx.dsl.components.component
def AnomalyGate(  # noqa: N802, the name of the node
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema],
    # A type of our own would have to be `package.Class` to be compiled and found on Vertex AI.
    report: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.JsonValue],
    severity: tfx.dsl.components.Parameter[str] = "error",
    code: tfx.dsl.components.Parameter[str] = "",
    inferred: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema] = None,
    previous: tfx.dsl.components.InputArtifact[
        tfx.types.standard_artifacts.ExampleStatistics
    ] = None,
) -> None:
    """Stops the run when the data is not what was agreed on.

    Args:
        anomalies: Of ExampleValidator, against the schema.
        statistics: Of StatisticsGen, of the same splits.
        schema: What examples must keep to.
        report: Gets `{severity, findings: [...]}`, also when nothing was found; see
            `schema.validation.read_findings`.
        severity: One of `SEVERITIES`.
        code: Fingerprint of this step's code; only TFX's cache reads it.
        inferred: Of SchemaGen; its path goes into the command that accepts the data.
        previous: Of the latest run on other examples that passed, if there was one.

    Raises:
        AnomaliesFound: If there are findings of the severity, or worse.
        UserError: If the severity is none of `SEVERITIES`.
    """
    if severity not in SEVERITIES:
        raise UserError(
            f"anomaly_severity is {severity!r}.", f"Set it to one of {', '.join(SEVERITIES)}."
        )
    found = inspect(
        read_anomalies(anomalies.uri, _splits(anomalies)),
        _statistics(statistics),
        _statistics(previous) if previous else {},
        read_schema(schema.uri),
        schema_path(inferred.uri) if inferred else "<root of the run>",
    )
    # TFX makes the folder when it runs the step itself; a container of Vertex AI does not.
    tfx.dsl.io.fileio.makedirs(posixpath.dirname(report.uri))
    report.value = {"severity": severity, "findings": [asdict(finding) for finding in found]}
    if blocking(found, severity):
        raise AnomaliesFound(found, severity)


def _splits(artifact: tfx.dsl.Artifact) -> list[str]:
    return artifact_utils.decode_split_names(artifact.split_names)


def _statistics(artifact: tfx.dsl.Artifact) -> dict[str, Statistics]:
    return read_statistics(artifact.uri, _splits(artifact))
