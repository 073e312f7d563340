"""The official emulator of Pub/Sub on loopback, with a subscription to each of its topics."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google import pubsub_v1
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

PROGRAM = "pubsub-emulator/bin/cloud-pubsub-emulator"
PLACES = ("/usr/lib/google-cloud-sdk/platform", "/usr/share/google-cloud-sdk/platform")
LACKING = "no Pub/Sub emulator: install google-cloud-cli-pubsub-emulator, or with gcloud"
NAMES = ("asked", "answers", "dead")


def topic(name: str) -> str:
    """The full name of a topic."""
    return f"projects/any-project/topics/{name}"


def subscription(name: str) -> str:
    """The full name of the subscription to a topic."""
    return f"projects/any-project/subscriptions/{name}"


@dataclass
class Emulator:
    """A running emulator.

    Attributes:
        address: Good for PUBSUB_EMULATOR_HOST.
    """

    address: str

    def __post_init__(self) -> None:
        channel = grpc.insecure_channel(self.address)
        self.publisher = pubsub_v1.PublisherClient(
            transport=PublisherGrpcTransport(channel=channel)
        )
        self.subscriber = pubsub_v1.SubscriberClient(
            transport=SubscriberGrpcTransport(channel=channel)
        )

    def create(self) -> None:
        """Makes the topics anew, with a subscription each."""
        for name in NAMES:
            self.publisher.create_topic(name=topic(name))
            self.subscriber.create_subscription(
                request={
                    "name": subscription(name),
                    "topic": topic(name),
                    "ack_deadline_seconds": 10,
                    "enable_message_ordering": True,
                }
            )

    def delete(self) -> None:
        """Removes them."""
        for name in NAMES:
            self.subscriber.delete_subscription(subscription=subscription(name))
            self.publisher.delete_topic(topic=topic(name))

    def publish(self, messages: list[pubsub_v1.PubsubMessage]) -> None:
        """Asks."""
        for first in range(0, len(messages), 500):
            self.publisher.publish(topic=topic("asked"), messages=messages[first : first + 500])

    def read(self, name: str) -> list[pubsub_v1.PubsubMessage]:
        """All that waits in a topic."""
        found: list[pubsub_v1.PubsubMessage] = []
        while received := self._pull(name):
            self.subscriber.acknowledge(
                subscription=subscription(name), ack_ids=[one.ack_id for one in received]
            )
            found += [one.message for one in received]
        return found

    def _pull(self, name: str) -> Sequence[pubsub_v1.ReceivedMessage]:
        pulled = self.subscriber.pull(
            request={
                "subscription": subscription(name),
                "max_messages": 1000,
                "return_immediately": True,
            }
        )
        return pulled.received_messages


def emulator_program() -> str | None:
    """The emulator's program, if it can be run here."""
    paths = (shutil.which(PROGRAM.rpartition("/")[2]), *(f"{place}/{PROGRAM}" for place in PLACES))
    program = next((path for path in paths if path and Path(path).exists()), None)
    return program if shutil.which("java") else None


@contextmanager
def emulated(folder: Path) -> Iterator[Emulator]:
    """Runs the emulator; a test is skipped where it is not installed, unless in CI.

    Args:
        folder: Gets its log.
    """
    program = emulator_program()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(LACKING)
        pytest.skip(LACKING)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "emulator.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "--host=127.0.0.1", f"--port={port}"], stdout=out, stderr=out
        )
        try:
            while b"Server started" not in log.read_bytes():
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield Emulator(f"127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(timeout=20)
