"""How many files a split is written as: carried by BigQueryExampleGen's `custom_config`.

TFX's `output_config` has no such field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

_SHARDS = "shards"


def to_config(shards: int, **others: Any) -> example_gen_pb2.CustomConfig:
    """The component's `custom_config`, also with what else its executor must know."""
    values = struct_pb2.Struct()
    values.update({_SHARDS: shards, **others})
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(values)
    return config


def from_config(exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """Reads what `to_config` carried; empty where there is nothing of ours."""
    config, values = example_gen_pb2.CustomConfig(), struct_pb2.Struct()
    if text := exec_properties.get(standard_component_specs.CUSTOM_CONFIG_KEY):
        proto_utils.json_to_proto(text, config)
    return json_format.MessageToDict(values) if config.custom_config.Unpack(values) else {}


def read_shards(exec_properties: Mapping[str, Any]) -> int:
    """The number of files; one where nothing was said."""
    return int(from_config(exec_properties).get(_SHARDS, 1))
