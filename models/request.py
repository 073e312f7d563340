"""Checks a request for a prediction against the declaration of the features."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from typing import Any

from common.errors import UserError
from models.declaration import UNKNOWN, Category, Number
from models.features import FEATURES

Birth = dict[str, str | float]
"""One checked request: a value for every feature."""

_LONG = 20
"""Digits from which an integer is far outside every range."""


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
        fields = json.loads(
            text,
            # Python's reader takes NaN and Infinity, which are no JSON, ...
            parse_constant=_refuse_constant,
            # ... the last of repeated fields, and no integers of thousands of digits.
            object_pairs_hook=_without_repeats,
            parse_int=lambda digits: int(digits) if len(digits) < _LONG else float(digits),
        )
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
    raise RequestError(
        f"The field {feature.name} is {_shown(value)}.",
        f"Give {_allowed(feature)}: {feature.help}.",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A word or number as it was given; of anything else, which may be deep, its kind."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, int) and abs(value) >= 10**_LONG:
        return f"a number of more than {_LONG} digits"
    return json.dumps(value)[:80] if isinstance(value, (str, int, float)) else _kind(value)


def _allowed(feature: Category | Number) -> str:
    if isinstance(feature, Category):
        return "one of " + ", ".join(f'"{word}"' for word in feature.vocabulary)
    return f"a number of {feature.unit} from {feature.minimum:g} to {feature.maximum:g}"


def _kind(value: Any) -> str:
    kinds = {
        **{dict: "an object", list: "an array", str: "a string", bool: "true or false"},
        **{type(None): "null", int: "a number", float: "a number"},
    }
    return kinds.get(type(value), f"of type {type(value).__name__}")


def _example() -> str:
    fields = {
        f.name: f.vocabulary[0] if isinstance(f, Category) else (f.minimum + f.maximum) // 2
        for f in FEATURES
        if f.required
    }
    return f"Write it as {json.dumps(fields)}."


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    for name in fields:
        if sum(name == other for other, _ in pairs) > 1:
            raise RequestError(f"The field {name} is given twice.", "Give each field once.")
    return fields


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
