"""What of the requests of a period is not as training's examples were, or not as allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from models.features import FEATURES
from schema import distances
from schema.comparators import DRIFT, SKEW
from schema.distances import Distance
from schema.findings import Finding, findings
from schema.served import ENVIRONMENT, request_schema
from schema.statistics import Columns, Statistics, percent

TRAINING = "training"
"""What the examples that a model learned from are called in a sentence."""

_CURES = {
    SKEW: "If callers are meant to ask so, train on such examples and push: watch --retrain; if "
    "not, mend what sends them. The bound is the skew_comparator in schema/schema.pbtxt.",
    DRIFT: "If callers were meant to change, nothing; if not, ask them what changed on that day. "
    "The bound is the drift_comparator in schema/schema.pbtxt.",
}
_CURE_OF_VALUES = (
    "If such values are right, allow them in schema/schema.pbtxt and in models/features.py, and "
    "train; if not, mend what sends them."
)


@dataclass(frozen=True)
class ServedDistance(Distance):
    """How far the requests of a period are from others, in one column.

    Attributes:
        comparator: `SKEW`, from the examples that the model learned from; or `DRIFT`, from requests
            of an earlier period.
        missing: Whether it is the difference of the shares without a value, rather than between the
            values that there are.
    """

    comparator: str
    missing: bool = False


def measure(
    base: Statistics, served: Statistics, schema: schema_pb2.Schema, comparator: str
) -> list[ServedDistance]:
    """Measures how far requests are from training's examples, or from earlier requests.

    Returns:
        By feature that has such a comparator in the schema: the distance of its values, and, where
        it may be unknown, the difference of the shares without a value. The bound of both is the
        comparator's and what chance explains.
    """
    columns = Columns(base), Columns(served)
    if not all(its.examples for its in columns):
        return []
    features = {feature.name: feature for feature in FEATURES}
    found = [
        ServedDistance(**vars(measured), comparator=comparator)
        for measured in distances.distances(base, served, schema, comparator)
        # Where nobody gives a value, the share without one says so.
        if measured.feature in features and all(c.present(measured.feature) for c in columns)
    ]
    chance = distances.explained_by_chance(min(its.examples for its in columns))
    for feature in schema.feature:
        threshold = _threshold(feature, comparator)
        if threshold is not None and feature.name in features:
            shares = [1 - c.present(feature.name) / c.examples for c in columns]
            if any(shares):
                found.append(
                    ServedDistance(
                        feature=feature.name,
                        value=abs(shares[0] - shares[1]),
                        bound=threshold + chance,
                        comparator=comparator,
                        missing=True,
                    )
                )
    return found


def _threshold(feature: schema_pb2.Feature, comparator: str) -> float | None:
    """What a comparator of the schema allows; None if the feature has none."""
    name = f"{comparator.lower()}_comparator"
    if not feature.HasField(name):
        return None
    its = getattr(feature, name)
    allowed = "infinity_norm" if its.HasField("infinity_norm") else "jensen_shannon_divergence"
    return getattr(its, allowed).threshold


def too_far(
    measured: list[ServedDistance],
    base: Statistics,
    served: Statistics,
    names: tuple[str, str],
    period: str,
) -> list[Finding]:
    """Puts distances beyond their bound, as `measure` gave them, into words.

    Args:
        measured: Of the same statistics.
        base: Statistics of training's examples, or of earlier requests.
        served: Of the requests.
        names: What both are called in a sentence.
        period: What the requests are called by themselves.

    Returns:
        An error per skew, as the model answers what it did not learn; a warning per drift, as what
        is asked may change.
    """
    pair = base, served
    columns = Columns(base), Columns(served)
    found = []
    for distance in measured:
        if not distance.too_far:
            continue
        if distance.missing:
            gaps = [1 - c.present(distance.feature) / c.examples for c in columns]
            said = " and ".join(
                f"in {percent(gap)} of {name}" for gap, name in zip(gaps, names, strict=True)
            )
            text = f"no value {said}", f"shares at most {percent(distance.bound)} apart"
        else:
            text = distances.describe(distance, pair, names)
        severity = "error" if distance.comparator == SKEW else "warning"
        cure = _CURES[distance.comparator]
        found.append(Finding(period, distance.feature, distance.comparator, severity, *text, cure))
    return found


def not_allowed(served: Statistics, schema: schema_pb2.Schema, period: str) -> list[Finding]:
    """Finds values that the schema does not allow; what a request may leave out may be missing."""
    allowed = request_schema(schema)
    anomalies = tfdv.validate_statistics(served, allowed, environment=ENVIRONMENT)
    return [
        replace(finding, cure=_CURE_OF_VALUES)
        for finding in findings(anomalies, served, allowed, period, inferred="")
    ]
