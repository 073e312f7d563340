"""Takes messages, answers them with the version that is there, and has each answered once."""

from __future__ import annotations

from dataclasses import dataclass

from models.request import RequestError
from serving.stream.answered_ids import AnsweredIds
from serving.stream.answering import Asked, ask
from serving.stream.messages import dead_letter, parse
from serving.stream.pubsub import PubSub
from serving.versions.watcher import Watcher


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
                asked.append(Asked(message, *parse(message, self.most_bytes)))
            except RequestError as error:
                dead.append(dead_letter(message, str(error)))
        answered, failed = ask(model, asked)
        dead += failed
        self.pubsub.publish(self.answers, answered)
        self.pubsub.publish(self.dead_letters, dead)
        self.ids.add(new)
        self.pubsub.acknowledge(messages)
        return Counts(len(answered), len(dead), len(messages) - len(new))
