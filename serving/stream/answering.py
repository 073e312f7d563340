"""What a model answers to messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.features import FEATURES
from models.names import PREDICTION, SERVING
from models.request import Request, RequestError
from serving.answers import answers_of
from serving.instances import as_fed
from serving.stream.messages import Message, Reply, answer, dead_letter, parse
from serving.stream.worker import Log

if TYPE_CHECKING:  # It loads TensorFlow.
    from serving.versions.saved_model import SavedModel


@dataclass(frozen=True)
class Asked:
    """A message that can be answered.

    Attributes:
        message: As it came.
        fields: What it holds.
        request: What the model takes of that.
    """

    message: Message
    fields: dict[str, Any]
    request: Request


def check_and_ask(
    model: SavedModel, messages: Iterable[Message], most_bytes: int, log: Log | None = None
) -> tuple[list[Reply], list[Reply]]:
    """Answers those of some messages that can be, and logs these by the message's id.

    Returns:
        Answers, in the messages' order, and dead letters of the others.
    """
    asked, refused = [], []
    for message in messages:
        try:
            asked.append(Asked(message, *parse(message, most_bytes)))
        except RequestError as error:
            refused.append(dead_letter(message, str(error)))
    answers, failed = ask(model, asked, log)
    return answers, refused + failed


def ask(
    model: SavedModel, asked: Sequence[Asked], log: Log | None = None
) -> tuple[list[Reply], list[Reply]]:
    """Answers some messages with one call of the model, and logs them by the message's id.

    Returns:
        Answers, and dead letters of those at which the model fails.
    """
    if not asked:
        return [], []
    columns = {f.name: as_fed(f, [one.request[f.name] for one in asked]) for f in FEATURES}
    try:
        predictions = model.signatures[SERVING](columns)[PREDICTION]
    # Of TensorFlow's own kinds; which row is to blame, only asking again tells.
    except Exception as error:  # noqa: BLE001
        if len(asked) == 1:
            cause = f"The model failed: {str(error).splitlines()[0]}"
            return [], [dead_letter(asked[0].message, cause)]
        each = [ask(model, [one], log) for one in asked]
        return [a for answers, _ in each for a in answers], [d for _, dead in each for d in dead]
    if log:
        for i, one in enumerate(asked):
            row = {name: values[i : i + 1] for name, values in columns.items()}
            log(one.message.id, model.version, row, predictions[i : i + 1])
    found = model.interpretation
    answers = answers_of(predictions, found.intervals if found else None, columns)
    lists = {name: np.asarray(values, np.float64).tolist() for name, values in answers.items()}
    version = {"model_version": str(model.version)}
    return [
        answer(one.message, one.fields, {name: lists[name][i] for name in lists} | version)
        for i, one in enumerate(asked)
    ], []
