"""The part of ML Metadata's filter language that TFX's resolvers use: clauses joined by AND.

schema_title="tfx.Model" AND state=LIVE AND metadata.blessed.number_value=1
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from common.errors import UserError
from pipeline.rehearsal.spec import artifact_title

Artifact = Mapping[str, Any]
Inputs = Mapping[str, list[Any]]

_CLAUSE = re.compile(
    r"(?P<field>schema_title|name|state|metadata\.(?P<key>\w+)\.(?P<type>number|string)_value)"
    r"=(?:\"(?P<text>[^\"]*)\"|(?P<bare>[\w.+-]+))"
)
_FROM_INPUT = re.compile(
    r"\{\{\$\.inputs\.artifacts\['(?P<input>\w+)'\]\.metadata\['(?P<key>\w+)'\]\}\}"
)


class Filter:
    """A query for artifacts.

    Args:
        text: The filter.

    Raises:
        UserError: If it says more than TFX's resolvers do.
    """

    def __init__(self, text: str) -> None:
        self._clauses = [_clause(part, text) for part in text.split(" AND ")]

    def latest(self, artifacts: Iterable[Artifact], inputs: Inputs) -> list[Any]:
        """The latest artifact that matches.

        Args:
            artifacts: From the oldest to the newest; all are LIVE.
            inputs: Input artifacts of the resolver, which the filter may refer to.

        Returns:
            One artifact, or none.
        """
        found = [a for a in artifacts if all(clause(a, inputs) for clause in self._clauses)]
        return found[-1:]


def _clause(part: str, whole: str) -> Callable[[Artifact, Inputs], bool]:
    match = _CLAUSE.fullmatch(part.strip())
    value = match["text"] if match and match["text"] is not None else match and match["bare"]
    if match is None or value is None or ("{{$" in value and not _FROM_INPUT.fullmatch(value)):
        raise UserError(
            f"The filter {whole!r} has {part!r}, which is not rehearsed.",
            "Use TFX's own resolver strategies, or teach pipeline/rehearsal/filters.py.",
        )
    field, key, number = match["field"], match["key"], match["type"] == "number"

    def holds(artifact: Artifact, inputs: Inputs) -> bool:
        wanted = _resolved(value, inputs)
        if wanted is None:
            return False
        if key:
            seen = artifact["metadata"].get(key)
            if number:
                return isinstance(seen, (int, float)) and float(seen) == float(wanted)
            return seen == wanted
        if field == "state":
            return wanted == "LIVE"
        return wanted == (artifact["name"] if field == "name" else artifact_title(artifact["type"]))

    return holds


def _resolved(value: str, inputs: Inputs) -> str | None:
    match = _FROM_INPUT.fullmatch(value)
    if match is None:
        return value
    given = inputs.get(match["input"])
    return given[0]["metadata"].get(match["key"]) if given else None
