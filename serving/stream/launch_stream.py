"""The program: which messages to answer, with which model, and for how long."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from data.table import TABLE
from serving.records.request_log import RequestLog, RequestLogSettings, share
from serving.stream.folder_worker import Folders
from serving.stream.pubsub_worker import Subscription
from serving.stream.worker import Counts, Tell
from serving.versions.watcher import Watcher

DONE, FAILED, BAD_SETTINGS = 0, 1, 2
"""Exit statuses; wrong arguments end with the last, as argparse has it."""

PROGRESS_SECONDS = 5.0

Source = Folders | Subscription
"""Where messages come from, and where what is answered goes."""


@dataclass(frozen=True)
class Stream:
    """What to answer.

    Attributes:
        source: Where messages come from, and where answers go.
        model_folder: Holds numbered versions, of which the newest answers; looked at all the time.
        most_bytes: Longest message that is read.
        poll_seconds: Between looks at the versions.
        most_messages: Ends once it has taken so many; None for never.
        request_log: Log of requests that gets what is answered; None for none.
    """

    source: Source
    model_folder: str
    most_bytes: int = 65_536
    poll_seconds: float = 2.0
    most_messages: int | None = None
    request_log: RequestLogSettings | None = None


def launch(stream: Stream, tell: Tell = lambda _: None) -> Counts:
    """Answers messages, until it has taken enough or Ctrl-C; tells how far it is.

    What is not answered by then comes again, to the next worker.

    Raises:
        UserError: If source or model are not there, or answers can't be given.
    """

    def report(event: str, version: int, reason: str) -> None:
        if event != "loaded":
            tell(f"version {version} {event}. {reason}".rstrip())

    # It calls the one way to load a model into a session deprecated, each time.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    watcher = Watcher(stream.model_folder, TABLE.pipeline, report=report)
    log = (
        RequestLog(stream.request_log, lambda *_, **told: tell(_lost(**told)))
        if stream.request_log
        else None
    )
    counts, told, since = Counts(), time.monotonic(), 0
    try:
        watcher.look()
        watcher.model()  # Told now, if there is none.
        with stream.source.worker(stream.most_bytes, tell, log and log.put) as worker:
            watcher.start(stream.poll_seconds)
            while stream.most_messages is None or counts.messages < stream.most_messages:
                counts += worker.turn(watcher.model(), seconds=1.0)
                now = time.monotonic()
                if now - told >= PROGRESS_SECONDS and counts.messages > since:
                    rate = (counts.messages - since) / (now - told)
                    tell(f"{summary(counts)} {rate:,.0f}/s")
                    told, since = now, counts.messages
    except KeyboardInterrupt:
        tell("Stopped; what is not answered comes again.")
    finally:
        watcher.stop()
        if log:
            log.close()
    return counts


def _lost(count: int = 0, error: str = "") -> str:
    return f"The log of requests {f'lost {count:,} rows' if count else f'failed: {error}'}."


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
        description="Answers rows that keep coming, each as JSON: the messages of a Pub/Sub "
        "subscription, or the lines of files that appear in a folder.",
    )
    pubsub = parser.add_argument_group(
        "Pub/Sub", "Where PUBSUB_EMULATOR_HOST is set, that is asked instead of Google."
    )
    pubsub.add_argument("--subscription", help="as projects/P/subscriptions/S")
    pubsub.add_argument("--answers", help="topic, as projects/P/topics/T")
    pubsub.add_argument("--dead-letters", help="topic of what can't be answered")
    pubsub.add_argument(
        "--state", type=Path, default=Path("runs/stream/answered.sqlite"), help="answered ids"
    )
    pubsub.add_argument("--id-attribute", help="attribute with the id; else Pub/Sub's own")
    pubsub.add_argument("--remember-hours", type=float, default=Subscription.remember_hours)
    folders = parser.add_argument_group(
        "Folders", "A file that is renamed into place is answered by one of the same name."
    )
    folders.add_argument("--input", type=Path, help="where .jsonl files appear")
    folders.add_argument("--output", type=Path, help="where their answers go")
    parser.add_argument(
        "--model-folder",
        default=f"runs/serving/{TABLE.pipeline}",
        help="folder of numbered versions, of which the newest answers",
    )
    parser.add_argument("--most-bytes", type=int, default=Stream.most_bytes, help="of a message")
    parser.add_argument("--poll-seconds", type=float, default=Stream.poll_seconds)
    parser.add_argument("--most-messages", type=int, help="end after so many; by default, never")
    parser.add_argument("--request-log", type=Path, help="folder that gets what is answered, too")
    parser.add_argument("--request-log-share", type=share, default=1.0, help="of messages; all")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not (source := _source(chosen)):
        print(
            "error: It is not said what to answer, or twice.\nGive --subscription, --answers and "
            "--dead-letters; or --input and --output.",
            file=sys.stderr,
        )
        return BAD_SETTINGS
    stream = Stream(
        source,
        chosen.model_folder,
        chosen.most_bytes,
        chosen.poll_seconds,
        chosen.most_messages,
        chosen.request_log
        and RequestLogSettings(chosen.request_log.expanduser(), chosen.request_log_share),
    )
    try:
        counts = launch(stream, lambda said: print(said, file=sys.stderr, flush=True))
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return FAILED
    print(summary(counts))
    return DONE


def _source(chosen: argparse.Namespace) -> Source | None:
    """The one source that is named, if one is."""
    topics = (chosen.subscription, chosen.answers, chosen.dead_letters)
    folders = (chosen.input, chosen.output)
    if all(topics) and not any(folders):
        return Subscription(*topics, chosen.state, chosen.id_attribute, chosen.remember_hours)
    if all(folders) and not any(topics):
        return Folders(*folders)
    return None
