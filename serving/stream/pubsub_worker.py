"""Takes messages of Pub/Sub, and has each answered once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serving.stream.answering import check_and_ask
from serving.stream.worker import Counts, Log, Tell

if TYPE_CHECKING:  # They load TensorFlow, and Google's client.
    from serving.stream.pubsub import PubSub
    from serving.versions.saved_model import SavedModel


@dataclass(frozen=True)
class Subscription:
    """Messages of Pub/Sub, as a source.

    Attributes:
        name: As projects/P/subscriptions/S.
        answers: Topic of the answers, as projects/P/topics/T.
        dead_letters: Topic of the messages that are not answered.
        state: File of the ids that were answered.
        id_attribute: Attribute that holds a message's id; None for Pub/Sub's own.
        remember_hours: How long an id is remembered.
    """

    name: str
    answers: str
    dead_letters: str
    state: Path
    id_attribute: str | None = None
    remember_hours: float = 24.0

    @contextmanager
    def worker(self, most_bytes: int, tell: Tell, log: Log | None = None) -> Iterator[PubSubWorker]:
        """A worker; messages that it has not acknowledged at the end come to the next one."""
        from serving.stream.pubsub import PubSub

        self.state.parent.mkdir(parents=True, exist_ok=True)
        with (
            closing(AnsweredIds(self.state, self.remember_hours * 3600)) as ids,
            closing(PubSub(self.name, self.id_attribute)) as pubsub,
        ):
            yield PubSubWorker(self, pubsub, ids, most_bytes, log)


@dataclass(frozen=True)
class PubSubWorker:
    """Answers the messages of a subscription.

    What is published is noted before it is acknowledged. A worker that dies between publishing and
    noting leaves answers of which nobody knows: the next gives these again, with the same
    `message_id`.
    """

    source: Subscription
    pubsub: PubSub
    ids: AnsweredIds
    most_bytes: int
    log: Log | None = None

    def turn(self, model: SavedModel, seconds: float) -> Counts:
        """Answers messages that wait or come within a time, up to as many as a pull gives."""
        messages = self.pubsub.pull(seconds)
        known = self.ids.known([message.id for message in messages])
        new = {message.id: message for message in messages if message.id not in known}
        answered, dead = check_and_ask(model, new.values(), self.most_bytes, self.log)
        self.pubsub.publish(self.source.answers, answered)
        self.pubsub.publish(self.source.dead_letters, dead)
        self.ids.add(new)
        self.pubsub.acknowledge(messages)
        return Counts(len(answered), len(dead), len(messages) - len(new))


class AnsweredIds:
    """Which messages were answered in the last seconds: a file, which the next worker reads too."""

    def __init__(self, file: Path, seconds: float) -> None:
        self._seconds = seconds
        self._database = sqlite3.connect(file)
        # What is committed survives the death of this process.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS answered (id TEXT PRIMARY KEY, time REAL) WITHOUT ROWID"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS by_time ON answered (time)")
        self._database.commit()

    def known(self, ids: Collection[str]) -> set[str]:
        """Those that were answered."""
        since = time.time() - self._seconds
        ask = "SELECT id FROM answered WHERE id = ? AND time > ?"
        return {i for i in ids if self._database.execute(ask, (i, since)).fetchone()}

    def add(self, ids: Collection[str]) -> None:
        """Keeps some more, and forgets those of long ago."""
        now = time.time()
        with self._database as transaction:
            transaction.execute("DELETE FROM answered WHERE time <= ?", [now - self._seconds])
            transaction.executemany(
                "INSERT OR REPLACE INTO answered VALUES (?, ?)", [(i, now) for i in ids]
            )

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
