"""A SavedModel as a server calls it.

Loaded into a graph and a session, as TensorFlow Serving does, and not with `tf.saved_model.load`:
that rebuilds every function in Python, which takes three times as long, holds Python's lock all the
while and so keeps requests waiting while a new version loads.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2

from models import interpretation
from serving.instances import Columns
from serving.refusals import InputError

_FULL = {"including_default_value_fields", "always_print_fields_with_no_presence"}
# Renamed in protobuf 5.
_EVERY_FIELD: dict[str, Any] = dict.fromkeys(
    _FULL & inspect.signature(json_format.MessageToJson).parameters.keys(), True
)


@dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
        shape: Its dimensions; -1 for one that may have any length.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int, ...]


class Signature:
    """One way to call a model, by the definition in its file; callers know its name."""

    def __init__(
        self, name: str, definition: meta_graph_pb2.SignatureDef, session: tf.compat.v1.Session
    ) -> None:
        self.name = name
        self.definition = definition
        self.inputs = _tensors(definition.inputs)
        self.outputs = _tensors(definition.outputs)
        self._call = session.make_callable(
            [definition.outputs[output].name for output in self.outputs],
            feed_list=[definition.inputs[name].name for name in self.inputs],
        )

    def __call__(self, columns: Columns) -> dict[str, np.ndarray]:
        """The outputs by name, to a value for every input.

        Raises:
            InputError: If the graph can't read a value, such as bytes that are no Example.
        """
        try:
            answers = self._call(*(columns[name] for name in self.inputs))
        except tf.errors.InvalidArgumentError as error:
            # The first line says what; those after it name the nodes of the graph.
            raise InputError(
                f"Signature {self.name} can't read its input ({error.message.splitlines()[0]}).",
                "Send what the model's metadata describes.",
            ) from error
        return dict(zip(self.outputs, answers, strict=True))

    def described(self) -> dict[str, Any]:
        """The definition as TensorFlow Serving tells it: protobuf's JSON, no field left out."""
        return json.loads(
            json_format.MessageToJson(
                self.definition, preserving_proto_field_name=True, **_EVERY_FIELD
            )
        )


class SavedModel:
    """One version of a model, loaded; it is freed when the last request that uses it is done.

    Args:
        path: The version's folder; what is in it is read now, and not again.
        version: Its number.

    Attributes:
        interpretation: What helps to read its answers; None if it was pushed without.

    Raises:
        Exception: Of several kinds, if the folder holds no whole SavedModel.
    """

    def __init__(self, path: str, version: int) -> None:
        self.version = version
        graph = tf.Graph()
        with graph.as_default():
            self._session = tf.compat.v1.Session(graph=graph)
            meta_graph: Any = tf.compat.v1.saved_model.load(
                self._session, [tf.saved_model.SERVING], path
            )
        self.interpretation = interpretation.read(path)
        # Those of Keras and of TensorFlow itself, such as one that fills tables, begin so.
        self.signatures = {
            name: Signature(name, definition, self._session)
            for name, definition in meta_graph.signature_def.items()
            if not name.startswith("__")
        }


def _tensors(infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, Tensor]:
    return {
        name: Tensor(
            name,
            tf.dtypes.as_dtype(infos[name].dtype),
            tuple(dim.size for dim in infos[name].tensor_shape.dim),
        )
        for name in sorted(infos)
    }
