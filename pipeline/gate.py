"""The gate before training: what the data says against what was agreed on.

ExampleValidator writes down anomalies and goes on. This step reads them, adds what it cannot see
(whether the splits resemble each other), and stops the run when there is something of the severity
set. Every finding says what was found, what was expected and what to do.
"""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
import json
import posixpath
from dataclasses import asdict

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx import v1 as tfx
from tfx.types import artifact_utils

from data.errors import UserError
from pipeline.findings import SEVERITIES, AnomaliesFound, Finding, blocking, findings, skew

_TRAIN = "train"


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
) -> None:
    """Stops the run when the data is not what was agreed on.

    Args:
        anomalies: Of ExampleValidator, against the curated schema.
        statistics: Of StatisticsGen, of the same splits.
        schema: The curated schema.
        report: Gets `{severity, findings: [...]}`, also when nothing was found; see `read_report`.
        severity: One of `SEVERITIES`.
        code: Fingerprint of this step's code; only TFX's cache reads it.
        inferred: Of SchemaGen; its path goes into the command that accepts the data.

    Raises:
        AnomaliesFound: If there are findings of the severity, or worse.
        UserError: If the severity is none of `SEVERITIES`.
    """
    if severity not in SEVERITIES:
        raise UserError(
            f"anomaly_severity is {severity!r}.", f"Set it to one of {', '.join(SEVERITIES)}."
        )
    agreed = tfdv.load_schema_text(posixpath.join(schema.uri, "schema.pbtxt"))
    now = _read_statistics(statistics)
    accept = posixpath.join(inferred.uri, "schema.pbtxt") if inferred else "<root of the run>"

    found: list[Finding] = []
    for split, its_anomalies in _read_anomalies(anomalies).items():
        found += findings(its_anomalies, now[split], agreed, split, accept)
    if _TRAIN in now:
        for split in sorted(now.keys() - {_TRAIN}):
            found += skew(now[_TRAIN], now[split], agreed, split)

    # TFX makes the folder when it runs the step itself; a container of Vertex AI does not.
    tfx.dsl.io.fileio.makedirs(posixpath.dirname(report.uri))
    report.value = {"severity": severity, "findings": [asdict(finding) for finding in found]}
    if blocking(found, severity):
        raise AnomaliesFound(found, severity)


def read_report(uri: str) -> list[Finding]:
    """Reads what the gate found in a run it let pass.

    Args:
        uri: Of the `report` of an `AnomalyGate`, a file.
    """
    with tfx.dsl.io.fileio.open(uri, "r") as file:
        return [Finding(**finding) for finding in json.load(file)["findings"]]


def _read_anomalies(artifact: tfx.dsl.Artifact) -> dict[str, anomalies_pb2.Anomalies]:
    """The anomalies of every split ExampleValidator looked at."""
    result = {}
    for split in artifact_utils.decode_split_names(artifact.split_names):
        path = posixpath.join(artifact_utils.get_split_uri([artifact], split), "SchemaDiff.pb")
        with tfx.dsl.io.fileio.open(path, "rb") as file:
            result[split] = anomalies_pb2.Anomalies.FromString(file.read())
    return result


def _read_statistics(
    artifact: tfx.dsl.Artifact,
) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    """The statistics of every split."""
    return {
        split: tfdv.load_stats_binary(
            posixpath.join(artifact_utils.get_split_uri([artifact], split), "FeatureStats.pb")
        )
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }
