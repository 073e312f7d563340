"""The program: which messages to answer, with which model, and for how long."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from data.table import TABLE
from serving.stream.answered_ids import AnsweredIds
from serving.stream.pubsub import PubSub
from serving.stream.worker import Counts, Worker
from serving.versions.watcher import Watcher

DONE, FAILED = 0, 1
"""Exit statuses; argparse ends with 2 where arguments are wrong."""

PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Stream:
    """What to answer.

    Attributes:
        subscription: As projects/P/subscriptions/S.
        answers: Topic of the answers, as projects/P/topics/T.
        dead_letters: Topic of the messages that are not answered.
        model_folder: Holds numbered versions, of which the newest answers; looked at all the time.
        state: File of the ids that were answered.
        id_attribute: Attribute that holds a message's id; None for Pub/Sub's own.
        remember_hours: How long an id is remembered.
        most_bytes: Longest message that is read.
        poll_seconds: Between looks at the versions.
        most_messages: Ends once it has taken so many; None for never.
    """

    subscription: str
    answers: str
    dead_letters: str
    model_folder: str
    state: Path
    id_attribute: str | None = None
    remember_hours: float = 24.0
    most_bytes: int = 65_536
    poll_seconds: float = 2.0
    most_messages: int | None = None


def launch(stream: Stream, tell: Callable[[str], None] = lambda _: None) -> Counts:
    """Answers messages, until it has taken enough or Ctrl-C.

    Messages that are not acknowledged by then come again, to the next worker.

    Args:
        stream: What to answer.
        tell: Told every few seconds how far it is, and what becomes of versions.

    Returns:
        What became of the messages.

    Raises:
        UserError: If subscription, topic or model are not there.
    """

    def report(event: str, version: int, reason: str) -> None:
        if event != "loaded":
            tell(f"version {version} {event}. {reason}".rstrip())

    # It calls the one way to load a model into a session deprecated, each time.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    watcher = Watcher(stream.model_folder, TABLE.pipeline, report=report)
    watcher.look()
    watcher.model()  # Told now, if there is none.
    stream.state.parent.mkdir(parents=True, exist_ok=True)
    ids = AnsweredIds(stream.state, stream.remember_hours * 3600)
    pubsub = PubSub(stream.subscription, stream.id_attribute)
    worker = Worker(pubsub, stream.answers, stream.dead_letters, watcher, ids, stream.most_bytes)
    watcher.start(stream.poll_seconds)
    counts, told, since = Counts(), time.monotonic(), 0
    try:
        while stream.most_messages is None or counts.messages < stream.most_messages:
            counts += worker.turn(seconds=1.0)
            now = time.monotonic()
            if now - told >= PROGRESS_SECONDS and counts.messages > since:
                rate = (counts.messages - since) / (now - told)
                tell(f"{summary(counts)} {rate:,.0f}/s")
                told, since = now, counts.messages
    except KeyboardInterrupt:
        tell("Stopped; what is not acknowledged comes again.")
    finally:
        watcher.stop()
        pubsub.close()
        ids.close()
    return counts


def summary(counts: Counts) -> str:
    """What came of it, in words."""
    return (
        f"{counts.messages:,} messages: {counts.answered:,} answered, {counts.dead:,} dead "
        f"letters, {counts.repeated:,} answered before."
    )


def main(arguments: Sequence[str]) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.stream",
        description="Answers the messages of a Pub/Sub subscription, each a row as JSON. Where "
        "PUBSUB_EMULATOR_HOST is set, that is asked instead of Google.",
    )
    parser.add_argument("--subscription", required=True, help="as projects/P/subscriptions/S")
    parser.add_argument("--answers", required=True, help="topic, as projects/P/topics/T")
    parser.add_argument("--dead-letters", required=True, help="topic of what can't be answered")
    parser.add_argument(
        "--model-folder",
        default=f"runs/serving/{TABLE.pipeline}",
        help="folder of numbered versions, of which the newest answers",
    )
    parser.add_argument(
        "--state", type=Path, default=Path("runs/stream/answered.sqlite"), help="answered ids"
    )
    parser.add_argument("--id-attribute", help="attribute with the id; else Pub/Sub's own")
    parser.add_argument("--remember-hours", type=float, default=Stream.remember_hours)
    parser.add_argument("--most-bytes", type=int, default=Stream.most_bytes, help="of a message")
    parser.add_argument("--poll-seconds", type=float, default=Stream.poll_seconds)
    parser.add_argument("--most-messages", type=int, help="end after so many; by default, never")
    try:
        counts = launch(
            Stream(**vars(parser.parse_args(arguments))),
            lambda said: print(said, file=sys.stderr, flush=True),
        )
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return FAILED
    print(summary(counts))
    return DONE
