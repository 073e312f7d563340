"""The schema that requests keep to: what a request may leave out may be missing."""

from __future__ import annotations

from tensorflow_metadata.proto.v0 import schema_pb2

from models.declaration import UNKNOWN
from models.features import FEATURES
from schema.draft import words_of

ENVIRONMENT = "SERVING"
"""Environment of the schema in which neither the label nor the calendar is there."""


def request_schema(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """A schema for the examples of a request log, by that of training's examples."""
    requests = schema_pb2.Schema()
    requests.CopyFrom(schema)
    optional = {feature.name for feature in FEATURES if not feature.required}
    for feature in requests.feature:
        if feature.name in optional:
            feature.ClearField("shape")
            feature.ClearField("presence")
            feature.value_count.min = feature.value_count.max = 1
    return requests


def unknown_as_word(schema: schema_pb2.Schema) -> frozenset[str]:
    """Columns in which training's examples have `UNKNOWN` as a word, and a log of requests none."""
    return frozenset(f.name for f in schema.feature if UNKNOWN in words_of(f, schema))
