"""What of the data is not as agreed, in words that say what was found and what was expected."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from common.errors import UserError
from data.table import TABLE
from schema.draft import words_of
from schema.statistics import Columns, Statistics, percent

SEVERITIES = ("error", "warning", "never")
"""What may be asked of the gate: to stop at errors, at warnings too, or not at all."""

_ALL = "(all columns)"
NO_DATA = "NO_DATA_IN_SPAN"
"""Kind of the finding that a split has no examples."""
_ABSENT = {"SCHEMA_MISSING_COLUMN", "FEATURE_TYPE_NOT_PRESENT"}
_SPARSE = {"FEATURE_TYPE_LOW_FRACTION_PRESENT", "FEATURE_TYPE_LOW_NUMBER_PRESENT"}
_TOO_SMALL = {"FLOAT_TYPE_SMALL_FLOAT", "INT_TYPE_SMALL_INT"}
_TOO_BIG = {"FLOAT_TYPE_BIG_FLOAT", "INT_TYPE_BIG_INT"}
_PROPOSABLE = {"SCHEMA_NEW_COLUMN", "ENUM_TYPE_UNEXPECTED_STRING_VALUES", *_SPARSE}
_TYPES = {
    "FLOAT": "numbers (FLOAT)",
    "INT": "whole numbers (INT)",
    "STRING": "text (BYTES)",
    "BYTES": "text (BYTES)",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as agreed.

    Attributes:
        split: The split it was found in.
        feature: Name of the column, or `(all columns)`.
        kind: TFDV's name of the anomaly (`AnomalyInfo.Type`), or that of `schema.distances`.
        severity: `error` or `warning`.
        found: What the data has, in words.
        expected: What the schema has, in words.
        cure: What to do about it, a sentence.
    """

    split: str
    feature: str
    kind: str
    severity: str
    found: str
    expected: str
    cure: str

    def __str__(self) -> str:
        return (
            f"{self.severity} in {self.split}: {self.feature}: found {self.found}; "
            f"expected {self.expected}."
        )


class AnomaliesFound(UserError):  # noqa: N818, it reads as what happened
    """The data is not what was agreed on, and the settings say to stop.

    Args:
        findings: All that was found, also what alone would not have stopped the run: TFX drops
            the outputs of a step that fails, so this is the only record.
        severity: The severity the gate stops at.
    """

    def __init__(self, findings: Sequence[Finding], severity: str) -> None:
        self.findings = tuple(findings)
        self.severity = severity
        lines = "".join(f"\n  {finding}" for finding in self.findings)
        # Findings often share a cure; each is said once.
        cures = "".join(f"\n  - {cure}" for cure in dict.fromkeys(f.cure for f in self.findings))
        super().__init__(
            f"The data is not what the schema agrees on:{lines}",
            f"What to do:{cures}\n  - To train all the same, set anomaly_severity to 'never'.",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.findings, self.severity)


def findings(
    anomalies: anomalies_pb2.Anomalies,
    statistics: Statistics,
    schema: schema_pb2.Schema,
    split: str,
    inferred: str,
) -> list[Finding]:
    """Puts the anomalies of one split, as ExampleValidator writes them, into words.

    Args:
        anomalies: What ExampleValidator found.
        statistics: The statistics it read.
        schema: What examples must keep to.
        split: Name of the split.
        inferred: The inferred schema's path, to name the command that accepts the data.
    """
    columns = Columns(statistics)
    if not columns.examples:
        cure = (
            "Take a larger sample or widen the query's filters, so that every split has examples; "
            f"data/{TABLE.query.name} makes the splits."
        )
        return [Finding(split, _ALL, NO_DATA, "error", "no example", "at least one", cure)]
    features = {feature.name: feature for feature in schema.feature}
    infos = {".".join(i.path.step) or key: i for key, i in anomalies.anomaly_info.items()}
    if anomalies.HasField("dataset_anomaly_info"):
        infos[_ALL] = anomalies.dataset_anomaly_info
    result = []
    for name, info in sorted(infos.items()):
        feature = features.get(name)
        words = words_of(feature, schema) if feature else []
        for reason in _reasons(info):
            kind = anomalies_pb2.AnomalyInfo.Type.Name(reason.type)
            result.append(
                Finding(
                    split=split,
                    feature=name,
                    kind=kind,
                    # What TFDV gives no severity is not thereby harmless.
                    severity="warning" if info.severity == info.WARNING else "error",
                    found=_found(kind, columns, name, words) or reason.description.strip(" ."),
                    expected=_expected(kind, feature, words),
                    cure=_cure(kind, inferred),
                )
            )
    return result


def blocking(found: Sequence[Finding], severity: str) -> list[Finding]:
    """The findings that stop a run, by one of `SEVERITIES`."""
    stops = {"error": {"error"}, "warning": {"error", "warning"}, "never": set()}[severity]
    # Without examples there is nothing to train on, whatever the severity.
    return [f for f in found if f.severity in stops or f.kind == NO_DATA]


def _reasons(info: anomalies_pb2.AnomalyInfo) -> list[anomalies_pb2.AnomalyInfo.Reason]:
    kinds = {anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for reason in info.reason}
    # A feature with gaps has also lost its shape: the same thing said twice.
    twice = anomalies_pb2.AnomalyInfo.INVALID_FEATURE_SHAPE if kinds & (_SPARSE | _ABSENT) else None
    return [reason for reason in info.reason if reason.type != twice]


def _found(kind: str, columns: Columns, name: str, words: Sequence[str]) -> str:
    """What the data has, in words; empty if TFDV's own description serves better."""
    if kind == "SCHEMA_NEW_COLUMN":
        return f"a column of {_TYPES.get(columns.type(name), columns.type(name))}"
    if kind in _ABSENT:
        return "no value in any example"
    if kind in _SPARSE:
        gaps = columns.examples - columns.present(name)
        return f"no value in {percent(gaps / columns.examples)} of examples"
    if kind == "UNEXPECTED_DATA_TYPE":
        return _TYPES.get(columns.type(name), columns.type(name))
    if kind in _TOO_SMALL:
        return f"a smallest value of {columns.number(name).min:g}"
    if kind in _TOO_BIG:
        return f"a largest value of {columns.number(name).max:g}"
    if kind == "FLOAT_TYPE_HAS_NAN":
        nan = max((h.num_nan for h in columns.number(name).histograms), default=0)
        return f"NaN in {percent(nan / columns.examples)} of examples"
    if kind == "ENUM_TYPE_UNEXPECTED_STRING_VALUES":
        new = {v: n for v, n in columns.counts(name).items() if v not in words}
        named = [f"{v!r} in {percent(n / columns.examples)}" for v, n in list(new.items())[:5]]
        more = [f"{len(new) - 5} more values"] if len(new) > 5 else []
        return f"{', '.join(named + more)} of examples" if named else ""
    return ""


def _expected(kind: str, feature: schema_pb2.Feature | None, words: Sequence[str]) -> str:
    """What the schema has, in words."""
    if feature is None:
        return "only the columns of the schema" if kind == "SCHEMA_NEW_COLUMN" else "none of that"
    if kind in _ABSENT | _SPARSE:
        if feature.presence.min_fraction == 1:
            return "a value in every example"
        share, count = percent(feature.presence.min_fraction), feature.presence.min_count
        return f"a value in at least {share} of examples, and at least {count} of them"
    if kind == "INVALID_FEATURE_SHAPE":
        return "exactly one value in every example"
    if kind == "UNEXPECTED_DATA_TYPE":
        type_name = str(schema_pb2.FeatureType.Name(feature.type))
        return _TYPES.get(type_name, type_name)
    if words:
        return f"one of {', '.join(map(repr, words))}"
    if feature.HasField("int_domain"):
        return f"a number from {feature.int_domain.min} to {feature.int_domain.max}"
    if feature.HasField("float_domain"):
        return f"a number from {feature.float_domain.min:g} to {feature.float_domain.max:g}"
    return "what the schema says of it"


def _cure(kind: str, inferred: str) -> str:
    if kind in _PROPOSABLE:
        return (
            "If the data is right, accept it: python -m schema.propose --inferred "
            f"{shlex.quote(inferred)} --write, and declare it in models/features.py; if not, mend "
            f"data/{TABLE.query.name} or the source."
        )
    if kind in _TOO_SMALL | _TOO_BIG:
        return (
            "If such numbers are right, widen the range in schema/schema.pbtxt and in "
            "models/features.py; if not, leave them out in "
            f"data/{TABLE.query.name} or mend the source."
        )
    return (
        "If that is meant, change the column in schema/schema.pbtxt and in models/features.py; if "
        f"not, mend data/{TABLE.query.name} or the source."
    )
