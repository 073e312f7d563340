"""A first schema, written from what is declared of the columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from models.declaration import UNKNOWN, Category, Feature, Label

SKEW = {"infinity_norm": 0.05, "jensen_shannon_divergence": 0.1}
DRIFT = {"infinity_norm": 0.1, "jensen_shannon_divergence": 0.15}
"""How far a split may be from train, and a run from the one before, by the measure of distance."""

ENVIRONMENTS = """
# Requests have neither the label nor the context.
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def draft(label: Label, features: Sequence[Feature]) -> str:
    """The text of a schema for a declaration: presence, domains, comparators and environments."""
    blocks = []
    for declared in (label, *features):
        comment = f"# {declared.help[0].upper()}{declared.help[1:]}.\n"
        blocks.append(comment + render(declared_feature(declared)))
    return "\n".join(blocks) + ENVIRONMENTS


def declared_feature(declared: Label | Feature) -> schema_pb2.Feature:
    """What a declaration promises of the examples.

    Returns:
        A dense feature of what is required; a sparse one, allowed to be missing everywhere, of what
        is not.
    """
    feature = schema_pb2.Feature(name=declared.name)
    if isinstance(declared, Category):
        feature.type = schema_pb2.BYTES
        # A missing word is missing in the examples; only the transform calls it unknown.
        words = [word for word in declared.vocabulary if word != UNKNOWN]
        feature.string_domain.CopyFrom(schema_pb2.StringDomain(name=declared.name, value=words))
    else:
        feature.type = schema_pb2.FLOAT
        ends = {"min": declared.minimum, "max": declared.maximum}
        finite = {name: end for name, end in ends.items() if math.isfinite(end)}
        domain = schema_pb2.FloatDomain(**finite, disallow_nan=True, disallow_inf=True)
        feature.float_domain.CopyFrom(domain)
    if isinstance(declared, Label):
        feature.not_in_environment.append("SERVING")
    if isinstance(declared, Label) or declared.required:
        feature.presence.CopyFrom(schema_pb2.FeaturePresence(min_fraction=1.0, min_count=1))
        feature.shape.dim.add(size=1)
    else:
        feature.presence.CopyFrom(schema_pb2.FeaturePresence(min_count=0))
        feature.value_count.CopyFrom(schema_pb2.ValueCount(min=1, max=1))
    compare(feature)
    return feature


def compare(feature: schema_pb2.Feature) -> None:
    """Gives a feature comparators, with the measure of distance that is for its type."""
    measure = "infinity_norm" if feature.type == schema_pb2.BYTES else "jensen_shannon_divergence"
    getattr(feature.skew_comparator, measure).threshold = SKEW[measure]
    getattr(feature.drift_comparator, measure).threshold = DRIFT[measure]


def words_of(feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> list[str]:
    """The words that a feature may have, wherever they are written; none if it has no domain."""
    shared = {domain.name: domain for domain in schema.string_domain}
    return list(shared.get(feature.domain, feature.string_domain).value)


def render(feature: schema_pb2.Feature) -> str:
    """A feature as protobuf prints it, which is how it stands in a schema."""
    return text_format.MessageToString(schema_pb2.Schema(feature=[feature]), as_utf8=True)
