"""How far apart two sets of examples are: train from another split, or from the previous run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from data.table import TABLE
from models.features import LABEL
from schema.comparators import DRIFT, SKEW
from schema.findings import Finding
from schema.statistics import Columns, Statistics, percent

_TRAINING = "TRAINING"


@dataclass(frozen=True)
class Distance:
    """How far the values of a column are apart in two sets of examples.

    Attributes:
        value: L-infinity distance for words, Jensen-Shannon divergence for numbers; 0 is equal.
        bound: What the schema's comparator allows and chance explains.
    """

    feature: str
    value: float
    bound: float

    @property
    def too_far(self) -> bool:
        """Whether it is more than allowed; a distance that is NaN is no pass."""
        return not self.value <= self.bound


def skew(
    train: Statistics, other: Statistics, schema: schema_pb2.Schema, split: str
) -> list[Finding]:
    """Compares a split with train by the schema's skew comparators.

    Returns:
        An error per feature that differs by more than its comparator allows and chance explains.
    """
    cure = (
        f"Look at how data/{TABLE.query.name} makes the splits; take more {TABLE.rows}; or, if the "
        "splits are meant to differ, raise the skew_comparator in schema/schema.pbtxt."
    )
    pair, names = (train, other), ("train", split)
    return [
        Finding(split, distance.feature, SKEW, "error", *describe(distance, pair, names), cure)
        for distance in distances(*pair, schema, SKEW)
        if distance.too_far
    ]


def drift(
    before: Statistics, now: Statistics, schema: schema_pb2.Schema, split: str
) -> list[Finding]:
    """Compares a split with the same split of the previous run by the schema's drift comparators.

    Returns:
        A finding per column that differs by more than its comparator allows and chance explains: a
        warning of a feature, as what is observed may change; an error of the label, as a model of
        another label can't be compared with the baseline.
    """
    of_feature = (
        "warning",
        f"If the {TABLE.rows} were meant to change, nothing; if not, compare settings and source "
        "with those of the previous run. The bound is the drift_comparator in schema/schema.pbtxt.",
    )
    of_label = (
        "error",
        f"Compare source and unit of {LABEL.name} with those of the previous run. If it was meant "
        "to change, run once with anomaly_severity 'never': the next run is compared with that "
        "one. The bound is the drift_comparator in schema/schema.pbtxt.",
    )
    pair, names = (before, now), ("the previous run", "this run")
    return [
        Finding(split, distance.feature, DRIFT, severity, *describe(distance, pair, names), cure)
        for distance in distances(*pair, schema, DRIFT)
        if distance.too_far
        for severity, cure in [of_label if distance.feature == LABEL.name else of_feature]
    ]


def distances(
    base: Statistics, other: Statistics, schema: schema_pb2.Schema, comparator: str
) -> list[Distance]:
    """Measures how far train and another split, or the previous run and this one, are apart.

    Returns:
        One distance per feature that has such a comparator, by name.
    """
    fewest = min(Columns(statistics).examples for statistics in (base, other))
    if not fewest:
        return []
    chance = explained_by_chance(fewest)
    environment = _TRAINING if _TRAINING in schema.default_environment else None
    if comparator == SKEW:
        pair = {"statistics": base, "serving_statistics": other}
    else:
        pair = {"statistics": other, "previous_statistics": base}
    anomalies = tfdv.validate_statistics(schema=schema, environment=environment, **pair)
    found = [
        Distance(".".join(info.path.step), measured.value, measured.threshold + chance)
        for info in anomalies.drift_skew_info
        for measured in getattr(info, f"{comparator.lower()}_measurements")
    ]
    return sorted(found, key=lambda distance: distance.feature)


def explained_by_chance(fewest: int) -> float:
    """How far apart samples of the same may be, the smaller of so many, beyond a comparator."""
    # Distances between equal distributions grow as samples shrink. As measured, 2 / sqrt(n) and
    # bounds of 0.1 cover them from 70 examples on; at a million it is nothing.
    return 2 / math.sqrt(fewest)


def describe(
    distance: Distance, pair: tuple[Statistics, Statistics], names: tuple[str, str]
) -> tuple[str, str]:
    """Says what differs between two sets, by these names, and what is allowed."""
    columns = Columns(pair[0]), Columns(pair[1])
    found = (
        f"a distance of {distance.value:.2g} between {names[0]} and {names[1]}, "
        f"{_contrast(columns, distance.feature, names)}"
    )
    return found, f"at most {distance.bound:.2g}"


def _contrast(columns: tuple[Columns, Columns], name: str, names: tuple[str, str]) -> str:
    """Where two sets of examples differ most, as a share of those that have a value, or a mean."""
    present = [c.present(name) for c in columns]
    if not all(present):
        empty = names[0] if present[1] else names[1]
        return f"no value at all in {empty}"
    shares = [
        {value: n / p for value, n in c.counts(name).items()}
        for c, p in zip(columns, present, strict=True)
    ]
    if not any(shares):
        means = [c.number(name).mean for c in columns]
        return f"the mean {means[0]:.3g} and {means[1]:.3g}"
    value = max(
        {**shares[0], **shares[1]}, key=lambda v: abs(shares[0].get(v, 0) - shares[1].get(v, 0))
    )
    return " and ".join(
        f"{value!r} {percent(share.get(value, 0))} of {where}"
        for share, where in zip(shares, names, strict=True)
    )
