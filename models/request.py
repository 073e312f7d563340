"""Checks a request for a prediction against the declaration of the features."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from typing import Any

from data.errors import UserError
from models.features import FEATURES, UNKNOWN, Category, Number

Birth = dict[str, str | float]
"""One checked request: a value for every feature."""


class RequestError(UserError):
    """A request that can't be answered."""


def parse_request(text: str) -> Birth:
    """Reads one birth from JSON.

    Args:
        text: A JSON object, one field per feature; what may be unknown may be left out or null.

    Returns:
        A value for every feature.

    Raises:
        RequestError: If it is no JSON object, or `check_request` says so.
    """
    try:
        # Python's reader takes NaN and Infinity, which are no JSON.
        fields = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The request is no JSON ({error}).", _example()) from error
    if not isinstance(fields, dict):
        raise RequestError(f"The request is {_kind(fields)}, not a JSON object.", _example())
    return check_request(fields)


def check_request(fields: Mapping[str, Any]) -> Birth:
    """Checks the fields of one birth.

    Args:
        fields: Values by name of the feature; what may be unknown may be left out or None.

    Returns:
        A value for every feature.

    Raises:
        RequestError: If a field is unknown, missing, of the wrong type or out of range.
    """
    names = [feature.name for feature in FEATURES]
    for name in fields:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"The fields are {', '.join(names)}."
            raise RequestError(f"There is no field {name!r}.", hint)
    return {feature.name: _checked(feature, fields.get(feature.name)) for feature in FEATURES}


def _checked(feature: Category | Number, value: Any) -> str | float:
    if value is None and feature.required:
        raise RequestError(
            f"The field {feature.name} is missing.", f"Give {_allowed(feature)}: {feature.help}."
        )
    if value is None:
        return UNKNOWN
    if isinstance(feature, Category):
        # JSON has true and false of its own; people will use them.
        word = str(value) if isinstance(value, bool) else value
        if isinstance(word, str) and word in feature.vocabulary:
            return word
    # Compared before it is made a float: a long enough integer has none.
    elif _is_number(value) and feature.minimum <= value <= feature.maximum:
        return float(value)
    shown = json.dumps(value) if not _is_nan(value) else "NaN"
    raise RequestError(
        f"The field {feature.name} is {shown[:80]}.", f"Give {_allowed(feature)}: {feature.help}."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _allowed(feature: Category | Number) -> str:
    if isinstance(feature, Category):
        return "one of " + ", ".join(f'"{word}"' for word in feature.vocabulary)
    return f"a number of {feature.unit} from {feature.minimum:g} to {feature.maximum:g}"


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _example() -> str:
    fields = {
        f.name: f.vocabulary[0] if isinstance(f, Category) else (f.minimum + f.maximum) // 2
        for f in FEATURES
        if f.required
    }
    return f"Write it as {json.dumps(fields)}."


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
