"""What is found of a run's data: reads what TFX's components wrote, and holds it to the schema.

The gate before training and the report on a run both ask here, so they can't disagree.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.dsl.io import fileio

from data.query import SPLITS
from schema.distances import drift, skew
from schema.findings import NO_DATA, Finding, findings
from schema.plausibility import implausible
from schema.statistics import Statistics

TRAIN = SPLITS[0]


def inspect(
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
    statistics: Mapping[str, Statistics],
    previous: Mapping[str, Statistics],
    schema: schema_pb2.Schema,
    inferred: str,
) -> list[Finding]:
    """Everything in the data that is not as agreed.

    Args:
        anomalies: What ExampleValidator found, by split.
        statistics: The statistics it read, by split.
        previous: Statistics of the previous run, by split; empty where there was none.
        schema: What examples must keep to.
        inferred: The inferred schema's path, to name the command that accepts the data.

    Returns:
        Splits without examples; anomalies and an implausible label by split; skew between the
        splits; drift from the previous run.
    """
    found: list[Finding] = []
    for split, its_anomalies in anomalies.items():
        found += findings(its_anomalies, statistics[split], schema, split, inferred)
        found += implausible(statistics[split], split)
    if TRAIN in statistics:
        for split in sorted(statistics.keys() - {TRAIN}):
            found += skew(statistics[TRAIN], statistics[split], schema, split)
    if TRAIN in statistics and TRAIN in previous:
        found += drift(previous[TRAIN], statistics[TRAIN], schema, TRAIN)
    # A split without examples first: it may be why of all the rest.
    return sorted(found, key=lambda finding: finding.kind != NO_DATA)


def read_schema(uri: str) -> schema_pb2.Schema:
    """Reads the schema in a Schema artifact's folder."""
    return tfdv.load_schema_text(schema_path(uri))


def schema_path(uri: str) -> str:
    """The file in a Schema artifact's folder."""
    return posixpath.join(uri, "schema.pbtxt")


def read_anomalies(uri: str, splits: Sequence[str]) -> dict[str, anomalies_pb2.Anomalies]:
    """Reads the anomalies of every split that ExampleValidator looked at."""
    found = {}
    for split in splits:
        with fileio.open(posixpath.join(uri, f"Split-{split}", "SchemaDiff.pb"), "rb") as file:
            found[split] = anomalies_pb2.Anomalies.FromString(file.read())
    return found


def read_statistics(uri: str, splits: Sequence[str]) -> dict[str, Statistics]:
    """Reads the statistics of every split."""
    return {
        split: tfdv.load_stats_binary(posixpath.join(uri, f"Split-{split}", "FeatureStats.pb"))
        for split in splits
    }


def read_findings(uri: str) -> list[Finding]:
    """Reads what the gate found in a run it let pass, from the `report` of an `AnomalyGate`."""
    with fileio.open(uri, "r") as file:
        return [Finding(**finding) for finding in json.load(file)["findings"]]
