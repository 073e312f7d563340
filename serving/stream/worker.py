"""Takes messages, answers them with the version that is there, and has each answered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.declaration import Category
from models.features import FEATURES
from models.names import PREDICTION, SERVING
from models.request import Request, RequestError
from serving.answers import answers_of
from serving.stream.answered_ids import AnsweredIds
from serving.stream.messages import Message, Reply, answer, dead_letter, parse
from serving.stream.pubsub import PubSub
from serving.versions.watcher import Watcher

if TYPE_CHECKING:  # It loads TensorFlow.
    from serving.versions.saved_model import SavedModel


@dataclass(frozen=True)
class Counts:
    """How many messages there were, by what became of them."""

    answered: int = 0
    dead: int = 0
    repeated: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.answered + other.answered,
            self.dead + other.dead,
            self.repeated + other.repeated,
        )

    @property
    def messages(self) -> int:
        """All of them."""
        return self.answered + self.dead + self.repeated


@dataclass(frozen=True)
class _Asked:
    message: Message
    fields: dict[str, Any]
    request: Request


@dataclass(frozen=True)
class Worker:
    """Answers the messages of a subscription.

    What is published is noted before it is acknowledged. A worker that dies between publishing and
    noting leaves answers of which nobody knows: the next gives these again, with the same
    `message_id`.

    Attributes:
        pubsub: Where messages come from.
        answers: Topic of the answers.
        dead_letters: Topic of the messages that are not answered.
        watcher: The versions of the model.
        ids: Those that were answered.
        most_bytes: Longest message that is read.
    """

    pubsub: PubSub
    answers: str
    dead_letters: str
    watcher: Watcher
    ids: AnsweredIds
    most_bytes: int

    def turn(self, seconds: float) -> Counts:
        """Answers the messages that wait.

        Args:
            seconds: How long to wait for some.

        Raises:
            UserError: If subscription or topic are not there, or no version of the model.
        """
        model = self.watcher.model()
        messages = self.pubsub.pull(seconds)
        known = self.ids.known([message.id for message in messages])
        new = {message.id: message for message in messages if message.id not in known}
        asked, dead = [], []
        for message in new.values():
            try:
                asked.append(_Asked(message, *parse(message, self.most_bytes)))
            except RequestError as error:
                dead.append(dead_letter(message, str(error)))
        answered, failed = _ask(model, asked)
        dead += failed
        self.pubsub.publish(self.answers, answered)
        self.pubsub.publish(self.dead_letters, dead)
        self.ids.add(new)
        self.pubsub.acknowledge(messages)
        return Counts(len(answered), len(dead), len(messages) - len(new))


def _ask(model: SavedModel, asked: Sequence[_Asked]) -> tuple[list[Reply], list[Reply]]:
    """Answers, and dead letters of those at which the model fails."""
    if not asked:
        return [], []
    columns = {
        feature.name: np.array(
            [_fed(one.request[feature.name]) for one in asked],
            dtype=object if isinstance(feature, Category) else np.float32,
        )
        for feature in FEATURES
    }
    try:
        predictions = model.signatures[SERVING](columns)[PREDICTION]
    # Of TensorFlow's own kinds; which row is to blame, only asking again tells.
    except Exception as error:  # noqa: BLE001
        if len(asked) == 1:
            cause = f"The model failed: {str(error).splitlines()[0]}"
            return [], [dead_letter(asked[0].message, cause)]
        each = [_ask(model, [one]) for one in asked]
        return [a for answers, _ in each for a in answers], [d for _, dead in each for d in dead]
    found = model.interpretation
    answers = answers_of(predictions, found.intervals if found else None, columns)
    lists = {name: np.asarray(values, np.float64).tolist() for name, values in answers.items()}
    version = {"model_version": str(model.version)}
    return [
        answer(one.message, one.fields, {name: lists[name][i] for name in lists} | version)
        for i, one in enumerate(asked)
    ], []


def _fed(value: str | float) -> bytes | float:
    return value.encode() if isinstance(value, str) else value
