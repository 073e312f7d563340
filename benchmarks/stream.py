"""Measures the stream on Pub/Sub's emulator against an echo: the same without a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pubsub import Emulator, emulated, subscription, topic

from benchmarks.serving import Latency, latency
from common.environment import PROCESS
from models.judging import EXAMPLE_REQUEST
from pipeline.settings import ROOT
from serving.stream.messages import Reply
from serving.stream.pubsub import MOST_MESSAGES, PubSub

ALONE, PAUSE = 500, 0.02
"""Messages whose latency is measured, and seconds between them."""

MESSAGES = 20_000
"""Published at once."""


@dataclass(frozen=True)
class Flow:
    """How fast messages are answered.

    Attributes:
        latency: From before a message is published to its answer's being pulled, where messages
            come one by one.
        rate: Messages a second, from before the first of many is published to the last answer.
    """

    latency: Latency
    rate: float


def measure(pushed: Path, folder: Path) -> tuple[Flow, Flow]:
    """Measures on one emulator, one after the other.

    Args:
        pushed: Folder of the model's numbered versions.
        folder: Somewhere to write.

    Returns:
        The stream, and the echo.
    """
    folder.mkdir()
    asked, answers = subscription("asked"), topic("answers")
    flags = ["--subscription", asked, "--answers", answers, "--dead-letters", topic("dead")]
    flags += ["--model-folder", str(pushed), "--state", f"{folder}/answered.sqlite"]
    with emulated(folder) as emulator:
        os.environ["PUBSUB_EMULATOR_HOST"] = emulator.address
        ours = _flow(emulator, ["serving.stream", *flags], folder / "stream.log")
        echo = _flow(emulator, ["benchmarks.echo", asked, answers], folder / "echo.log")
    return ours, echo


def _flow(emulator: Emulator, program: Sequence[str], log: Path) -> Flow:
    emulator.create()
    try:
        with _running(program, log) as process, closing(_Exchange(process, log)) as exchange:
            exchange.ask(MOST_MESSAGES)  # What is put off until it is first needed.
            taken = exchange.ask(ALONE, PAUSE)
            started = time.perf_counter()
            exchange.ask(MESSAGES)
            return Flow(latency(taken), MESSAGES / (time.perf_counter() - started))
    finally:
        emulator.delete()


@contextmanager
def _running(program: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", *program]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | PROCESS, stdout=out, stderr=out
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


class _Exchange:
    """Publishes, and pulls what is answered, side by side."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self._to, self._from = (PubSub(subscription(n), None) for n in ("asked", "answers"))

    def ask(self, messages: int, pause: float = 0.0) -> list[float]:
        """Seconds that each took."""
        data = json.dumps(dict(EXAMPLE_REQUEST)).encode()
        replies = [Reply(data, {"number": str(number)}, "") for number in range(messages)]
        sent: dict[str, float] = {}
        at_once = 1 if pause else MOST_MESSAGES

        def publish() -> None:
            for first in range(0, messages, at_once):
                some = replies[first : first + at_once]
                sent.update(dict.fromkeys([r.attributes["number"] for r in some], _now()))
                self._to.publish(topic("asked"), some)
                time.sleep(pause)

        publishing = threading.Thread(target=publish)
        publishing.start()
        taken: dict[str, float] = {}
        while len(taken) < messages:
            if self._process.poll() is not None:
                raise RuntimeError(self._log.read_text(errors="replace")[-3000:])
            pulled = self._from.pull(1.0)
            came = _now()
            for message in pulled:
                number = message.attributes["number"]
                taken.setdefault(number, came - sent[number])
            self._from.acknowledge(pulled)
        publishing.join()
        return list(taken.values())

    def close(self) -> None:
        """Ends the connections."""
        self._to.close()
        self._from.close()


_now = time.perf_counter
