"""Checks a request for a prediction against the declaration of the features."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.errors import UserError
from models import features as declared
from models.declaration import UNKNOWN, Category, Feature
from models.judging import EXAMPLE_REQUEST

Request = dict[str, str | float]
"""One checked request: a value for every feature; NaN for an optional number that is unknown."""

_LONG = 20
"""Digits from which an integer is far outside every range."""


class RequestError(UserError):
    """A request that can't be answered."""


def parse_request(text: str) -> Request:
    """Reads a request from JSON.

    Args:
        text: A JSON object, one field per feature; what may be unknown may be left out or null.

    Returns:
        A value for every feature.

    Raises:
        RequestError: If it is no JSON object, or `check_request` says so.
    """
    fields = read_json(text)
    if not isinstance(fields, dict):
        raise RequestError(f"The request is {_kind(fields)}, not a JSON object.", _example())
    return check_request(fields)


def read_json(text: str) -> Any:
    """Reads JSON, more strictly than Python does.

    Args:
        text: Of one value.

    Returns:
        The value.

    Raises:
        RequestError: If it is no JSON, holds NaN or Infinity, or gives a field twice.
    """
    try:
        return json.loads(
            text,
            # Python's reader takes NaN and Infinity, which are no JSON, ...
            parse_constant=_refuse_constant,
            # ... the last of repeated fields, and no integers of thousands of digits.
            object_pairs_hook=_without_repeats,
            parse_int=lambda digits: int(digits) if len(digits) < _LONG else float(digits),
        )
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The request is no JSON ({error}).", _example()) from error


def check_request(fields: Mapping[str, Any]) -> Request:
    """Checks the fields of a request.

    Args:
        fields: Values by name of the feature; what may be unknown may be left out or None.

    Returns:
        A value for every feature.

    Raises:
        RequestError: If a field is unknown, missing, of the wrong type or out of range, or two
            contradict each other.
    """
    for name in fields:
        if all(name != feature.name for feature in declared.FEATURES):
            raise unknown_field(name)
    request = {
        feature.name: check_value(feature, fields.get(feature.name))
        for feature in declared.FEATURES
    }
    for _, error in contradictions({name: [value] for name, value in request.items()}):
        raise error
    return request


def contradictions(columns: Mapping[str, Sequence[object]]) -> Iterator[tuple[int, RequestError]]:
    """Finds rows whose words contradict each other.

    Args:
        columns: Checked values by name of the feature, one a row.

    Yields:
        The index of a row, and what is wrong with it.
    """
    for contradiction in declared.CONTRADICTIONS:
        sides = [(columns[name], frozenset(words)) for name, words in contradiction.words]
        if any(words.isdisjoint(values) for values, words in sides):
            continue  # As nearly always; it saves looking at each row.
        for index, row in enumerate(zip(*(values for values, _ in sides), strict=True)):
            if all(word in words for word, (_, words) in zip(row, sides, strict=True)):
                given = " and ".join(
                    f"{name} {json.dumps(word)}"
                    for word, (name, _) in zip(row, contradiction.words, strict=True)
                )
                yield (
                    index,
                    RequestError(
                        f"Nobody knows both {given}: {contradiction.why}.", contradiction.cure
                    ),
                )


def unknown_field(name: str) -> RequestError:
    """The error that a field is not declared."""
    names = [feature.name for feature in declared.FEATURES]
    close = difflib.get_close_matches(name[:100], names, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"The fields are {', '.join(names)}."
    return RequestError(f"There is no field {name[:100]!r}.", hint)


def check_value(feature: Feature, value: Any) -> str | float:
    """Checks one value.

    Args:
        feature: What it is a value of.
        value: As it was given; None if it was not.

    Returns:
        The value as the model takes it; NaN for an optional number that is unknown.

    Raises:
        RequestError: If it is missing, of the wrong type or out of range.
    """
    if value is None:
        if feature.required:
            raise RequestError(
                f"The field {feature.name} is missing.",
                f"Give {_allowed(feature)}: {feature.help}.",
            )
        return UNKNOWN if isinstance(feature, Category) else math.nan
    if isinstance(feature, Category):
        # JSON has true and false of its own; people will use them.
        word = str(value) if isinstance(value, bool) else value
        if isinstance(word, str) and word in feature.vocabulary:
            return word
    elif _is_number(value):
        # Compared before it is made a float: a long enough integer has none.
        if feature.minimum <= value <= feature.maximum:
            return float(value)
        if feature.optional and value != value:  # NaN, as `check_request` itself answers.
            return value
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


def _allowed(feature: Feature) -> str:
    if isinstance(feature, Category):
        return "one of " + ", ".join(f'"{word}"' for word in feature.vocabulary)
    unit = f" of {feature.unit}" if feature.unit else ""
    return f"a number{unit} from {feature.minimum:g} to {feature.maximum:g}"


def _kind(value: Any) -> str:
    kinds = {
        **{dict: "an object", list: "an array", str: "a string", bool: "true or false"},
        **{type(None): "null", int: "a number", float: "a number"},
    }
    return kinds.get(type(value), f"of type {type(value).__name__}")


def _example() -> str:
    return f"Write it as {json.dumps(EXAMPLE_REQUEST)}."


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = {}
    for name, value in pairs:
        if name in fields:
            raise RequestError(f"The field {name} is given twice.", "Give each field once.")
        fields[name] = value
    return fields


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
