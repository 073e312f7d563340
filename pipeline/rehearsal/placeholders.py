"""The `{{$...}}` in commands, arguments and parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import UserError

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_FIELD = re.compile(
    r"\.(?P<side>inputs|outputs)\.(?P<kind>artifacts|parameters)\['(?P<key>[^']+)'\]"
    r"(?:\.(?P<field>\w+)(?:\['(?P<property>[^']+)'\])?)?"
)
_KNOWN = {
    *(("inputs", "parameters", None), ("outputs", "parameters", "output_file")),
    *((side, "artifacts", field) for side in ("inputs", "outputs") for field in ("uri", "path")),
    *(("inputs", "artifacts", "name"), ("inputs", "artifacts", "metadata")),
}
FACTS = (
    *("pipeline_job_name", "pipeline_job_uuid", "pipeline_job_resource_name"),
    *("pipeline_task_name", "pipeline_task_uuid"),
)
"""What Vertex tells of the run itself."""


def check(texts: Sequence[str], where: str) -> None:
    """Makes sure that all placeholders are known.

    Raises:
        UserError: If one is not.
    """
    for text in texts:
        for name in _PLACEHOLDER.findall(text):
            match = _FIELD.fullmatch(name)
            known = match and (match["side"], match["kind"], match["field"]) in _KNOWN
            if name and not known and name.lstrip(".") not in FACTS:
                raise UserError(
                    f"{where} has the placeholder {{{{${name}}}}}, which is not rehearsed.",
                    "Use another, or teach pipeline/rehearsal/placeholders.py what it means.",
                )


def substitute(text: str, executor_input: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    """Replaces the placeholders in a text.

    Args:
        text: A command, argument or parameter that `check` has seen.
        executor_input: The ExecutorInput of the task.
        facts: A value for each of `FACTS`.

    Raises:
        UserError: If the task has no such input or output.
    """
    return _PLACEHOLDER.sub(lambda match: _value(match[1], executor_input, facts), text)


def _value(name: str, executor_input: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    if not name:
        return json.dumps(executor_input, ensure_ascii=False)
    match = _FIELD.fullmatch(name)
    if match is None:
        return facts[name.lstrip(".")]
    try:
        return _field(match, executor_input)
    except (KeyError, IndexError) as error:
        raise UserError(
            f"Placeholder {{{{${name}}}}} asks for something the task has not.",
            "The spec is damaged, or an input was found empty.",
        ) from error


def _field(match: re.Match[str], executor_input: Mapping[str, Any]) -> str:
    side, key = executor_input[match["side"]], match["key"]
    if match["kind"] == "artifacts":
        artifact = side["artifacts"][key]["artifacts"][0]
        if match["field"] == "metadata":
            return _text(artifact["metadata"][match["property"]])
        # Where Vertex mounts a bucket, at /gcs, `path` and `uri` differ; here they don't.
        return artifact["uri" if match["field"] == "path" else match["field"]]
    if match["side"] == "outputs":
        return side["parameters"][key]["outputFile"]
    return _text(side["parameterValues"][key])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
