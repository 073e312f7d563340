"""Makes what a signature takes of JSON values: rows, or columns, or bytes of Examples."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.features import FEATURES
from models.request import RequestError
from serving.instances import Columns, from_columns, from_rows
from serving.refusals import InputError

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import Signature

_DECLARED = {feature.name for feature in FEATURES}
_BASE64 = "b64"


def fields(value: Any, names: Collection[str]) -> dict[str, Any]:
    """The fields of a request that sends rows.

    Raises:
        RequestError: If it is no object, or has others than these.
    """
    if not isinstance(value, dict):
        raise RequestError("The JSON value is not an object.", 'Send {"instances": [...]}.')
    if unknown := sorted(value.keys() - names):
        raise RequestError(
            f"There is no field {unknown[0]!r}.", f"The fields are {', '.join(sorted(names))}."
        )
    return value


def instances(signature: Signature, rows: Any) -> Columns:
    """What a signature takes, of a list of objects; or, if it has one input, of its values.

    Raises:
        UserError: If it is something else, or a value is not as declared.
    """
    if not isinstance(rows, list):
        raise RequestError("Expecting 'instances' to be a list/array.", "Give a list of rows.")
    if not rows:
        raise RequestError("No values in 'instances' array.", "Give at least one row.")
    if signature.inputs.keys() == _DECLARED:
        return from_rows([_decoded_row(row) for row in rows])
    name = _only_input(signature)
    values = [row[name] if isinstance(row, dict) and row.keys() == {name} else row for row in rows]
    return {name: _bytes(name, values)}


def inputs(signature: Signature, columns: Any) -> Columns:
    """What a signature takes, of an object of lists; or, if it has one input, of its values.

    Raises:
        UserError: If it is something else, or a value is not as declared.
    """
    if signature.inputs.keys() == _DECLARED:
        if not isinstance(columns, dict):
            raise RequestError(
                "The 'inputs' are no object.", "Give an object with a list for each feature."
            )
        return from_columns({name: _decoded(values) for name, values in columns.items()})
    name = _only_input(signature)
    values = columns[name] if isinstance(columns, dict) and columns.keys() == {name} else columns
    if not isinstance(values, list) or not values:
        raise RequestError(f"The field {name} is no list of values.", "Give a value for each row.")
    return {name: _bytes(name, values)}


def _only_input(signature: Signature) -> str:
    """The name of the one input of a signature that takes serialized Examples."""
    if len(signature.inputs) != 1:
        raise InputError(
            f"Signature {signature.name} takes other inputs than are declared.",
            "Ask a signature that takes the declared features, or Examples.",
        )
    (name,) = signature.inputs
    return name


def _bytes(name: str, values: Sequence[Any]) -> np.ndarray:
    encoded = [_binary(value) if _is_binary(value) else value for value in values]
    for index, value in enumerate(encoded):
        if not isinstance(value, (str, bytes)):
            raise RequestError(
                f"Row {index}: the field {name} is no text.",
                'Give a serialized Example in base64, as {"b64": "..."}.',
            )
    return np.array([v.encode() if isinstance(v, str) else v for v in encoded], dtype=object)


def _decoded_row(row: Any) -> Any:
    if isinstance(row, dict) and any(isinstance(value, dict) for value in row.values()):
        return {name: _text(value) if _is_binary(value) else value for name, value in row.items()}
    return row


def _decoded(values: Any) -> Any:
    if isinstance(values, list) and any(isinstance(value, dict) for value in values):
        return [_text(value) if _is_binary(value) else value for value in values]
    return values


def _is_binary(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {_BASE64}


def _text(value: Mapping[str, Any]) -> str:
    """A word that came as bytes; the check of words names what is no text."""
    return _binary(value).decode(errors="replace")


def _binary(value: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(value[_BASE64], validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise RequestError(
            f"Unable to base64 decode ({error}).", 'Give bytes as {"b64": "<text in base64>"}.'
        ) from error
