"""The part of ML Metadata's filter language that compiled resolvers use: clauses joined by AND.

schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from common.errors import UserError
from pipeline.rehearsal.store import Artifact

Inputs = Mapping[str, list[Artifact]]

_TITLE = re.compile(r'schema_title="([\w.]+)"')
_NUMBER = re.compile(r"metadata\.(\w+)\.number_value=(\d+)")
_TEXT = re.compile(r'metadata\.(\w+)\.string_value="([\w-]+)"')
_NAME = re.compile(r"name=\"\{\{\$\.inputs\.artifacts\['(\w+)'\]\.metadata\['(\w+)'\]\}\}\"")


class Filter:
    """A query for artifacts.

    Raises:
        UserError: If it says more than TFX's resolvers do.
    """

    def __init__(self, text: str) -> None:
        self._clauses = [_clause(part, text) for part in text.split(" AND ")]

    def latest(self, artifacts: Iterable[Artifact], inputs: Inputs) -> list[Artifact]:
        """The latest artifact that matches, if there is one.

        Args:
            artifacts: From the oldest to the newest; all are LIVE.
            inputs: Input artifacts of the resolver, which the filter may refer to.
        """
        found = [a for a in artifacts if all(clause(a, inputs) for clause in self._clauses)]
        return found[-1:]


def _clause(part: str, whole: str) -> Callable[[Artifact, Inputs], bool]:
    if part == "state=LIVE":
        return lambda artifact, inputs: True
    if match := _TITLE.fullmatch(part):
        title = match[1]
        return lambda artifact, inputs: artifact.title == title
    if match := _NUMBER.fullmatch(part):
        key, number = match[1], float(match[2])
        return lambda artifact, inputs: artifact.metadata.get(key) == number
    if match := _TEXT.fullmatch(part):
        key, text = match.groups()
        return lambda artifact, inputs: artifact.metadata.get(key) == text
    if match := _NAME.fullmatch(part):
        source, key = match.groups()
        return lambda artifact, inputs: any(
            artifact.name == given.metadata.get(key) for given in inputs.get(source, [])
        )
    raise UserError(
        f"The filter {whole!r} has {part!r}, which is not rehearsed.",
        "Use TFX's own resolver strategies, or teach pipeline/rehearsal/filters.py.",
    )
