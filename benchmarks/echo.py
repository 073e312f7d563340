"""Publishes what a subscription gives, as it came: SUBSCRIPTION TOPIC. What no stream can beat."""

from __future__ import annotations

import sys

from serving.stream.messages import Reply
from serving.stream.pubsub import PubSub


def main(subscription: str, topic: str) -> None:
    """Goes on until it is ended."""
    pubsub = PubSub(subscription, None)
    while True:
        messages = pubsub.pull(1.0)
        replies = [Reply(m.data, m.attributes, m.ordering_key) for m in messages]
        pubsub.publish(topic, replies)
        pubsub.acknowledge(messages)


if __name__ == "__main__":
    main(*sys.argv[1:])
