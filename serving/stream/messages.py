"""What comes, what goes back, and which messages can't be answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.features import FEATURES
from models.request import Request, RequestError, check_request, read_json

MOST_ATTRIBUTES, LONGEST_VALUE = 100, 1024
"""Pub/Sub's limits: attributes of a message, and bytes of the value of one."""


@dataclass(frozen=True)
class Message:
    """A message as it was delivered; a line of a file has an id and data alone.

    Attributes:
        id: By which it is answered once.
        data: What was published.
        attributes: What was published beside it.
        ordering_key: Answers with the same one come in the same order; empty for none.
        published: When, as RFC 3339 has it.
        attempts: Deliveries so far; 1 where the subscription does not count them.
        ack_id: By which it is acknowledged.
    """

    id: str
    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""
    published: str = ""
    attempts: int = 1
    ack_id: str = ""


@dataclass(frozen=True)
class Reply:
    """What is published for a message.

    Attributes:
        data: JSON of an answer; of a dead letter, the message's own bytes.
        attributes: The message's, with `message_id` and `publish_time`; of a dead letter also
            `cause` and `attempts`.
        ordering_key: The message's.
    """

    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str


def parse(message: Message, most_bytes: int) -> tuple[dict[str, Any], Request]:
    """The fields of a message, and what the model takes of them.

    Args:
        message: Holds a JSON object: the features, and any other fields, which are kept.
        most_bytes: Longest message that is read.

    Raises:
        RequestError: If it can't be answered.
    """
    if len(message.data) > most_bytes:
        raise RequestError(
            f"The message has {len(message.data):,} bytes; at most {most_bytes:,} are read.",
            "Send one row in each message.",
        )
    if not message.data.strip():
        raise RequestError("The message is empty.", "Send a JSON object.")
    try:
        text = message.data.decode()
    except UnicodeDecodeError as error:
        raise RequestError("The message is not UTF-8.", "Send a JSON object.") from error
    fields = read_json(text)
    if not isinstance(fields, dict):
        raise RequestError("The message is no JSON object.", "Send the fields of one row by name.")
    names = fields.keys() & {feature.name for feature in FEATURES}
    request = check_request({name: fields[name] for name in names})
    try:
        _written(fields)
    except (ValueError, RecursionError) as error:  # Such as an integer of 400 digits.
        raise RequestError(f"A field can't be written again ({error}).", "Shorten it.") from error
    return fields, request


def answer(message: Message, fields: Mapping[str, Any], answers: Mapping[str, Any]) -> Reply:
    """A message's fields with the answers beside them."""
    return Reply(_written({**fields, **answers}), _attributes(message, {}), message.ordering_key)


def dead_letter(message: Message, cause: str) -> Reply:
    """A message that is not answered, as it came, with the cause."""
    short = cause.encode()[:LONGEST_VALUE].decode(errors="ignore")
    told = {"cause": short, "attempts": str(message.attempts)}
    return Reply(message.data, _attributes(message, told), message.ordering_key)


def _attributes(message: Message, more: Mapping[str, str]) -> dict[str, str]:
    ours = {"message_id": message.id, "publish_time": message.published, **more}
    room = MOST_ATTRIBUTES - len(ours)
    return {**dict(list(message.attributes.items())[:room]), **ours}


def _written(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, allow_nan=False).encode()
