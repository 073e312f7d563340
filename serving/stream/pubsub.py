"""Pub/Sub, in calls that do all or nothing: pull, publish, acknowledge.

The client library's own `publish` takes attributes as keywords, where one named `topic` or `data`
would be an error; so the calls of the API itself are used. It is told of an emulator as that
library is, by PUBSUB_EMULATOR_HOST.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from google import pubsub_v1
from google.api_core import exceptions

from common.errors import UserError
from serving.stream.messages import Message, Reply

MOST_MESSAGES, MOST_BYTES = 1000, 8_000_000
"""Of a call: Pub/Sub takes 10 MB, attributes included."""


class PubSub:
    """A subscription, and topics to publish to.

    Args:
        subscription: As projects/P/subscriptions/S.
        id_attribute: The attribute that holds a message's id; None for Pub/Sub's own ids, of which
            a message that was published twice has two.
    """

    def __init__(self, subscription: str, id_attribute: str | None) -> None:
        self._subscription = subscription
        self._id_attribute = id_attribute
        emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
        if not emulator:
            self._subscriber = pubsub_v1.SubscriberClient()
            self._publisher = pubsub_v1.PublisherClient()
            return
        import grpc
        from google.pubsub_v1.services.publisher import transports as publishing
        from google.pubsub_v1.services.subscriber import transports as subscribing

        channel = grpc.insecure_channel(emulator)
        self._subscriber = pubsub_v1.SubscriberClient(
            transport=subscribing.SubscriberGrpcTransport(channel=channel)
        )
        self._publisher = pubsub_v1.PublisherClient(
            transport=publishing.PublisherGrpcTransport(channel=channel)
        )

    def pull(self, seconds: float) -> list[Message]:
        """Messages that wait, if some come within a time.

        Raises:
            UserError: If there is no such subscription.
        """
        try:
            response = self._subscriber.pull(
                subscription=self._subscription, max_messages=MOST_MESSAGES, timeout=seconds
            )
        except (exceptions.DeadlineExceeded, exceptions.RetryError):
            return []
        except (exceptions.NotFound, exceptions.InvalidArgument) as error:
            raise UserError(
                f"{self._subscription} can't be read ({error.message}).",
                "Name a subscription as projects/PROJECT/subscriptions/NAME, and make it first.",
            ) from error
        return [self._message(received) for received in response.received_messages]

    def publish(self, topic: str, replies: Sequence[Reply]) -> None:
        """Publishes all, in order where they have an ordering key; returns once they are kept.

        Raises:
            UserError: If there is no such topic.
        """
        by_key: dict[str, list[Reply]] = {}  # A call takes messages of one key alone.
        for reply in replies:
            by_key.setdefault(reply.ordering_key, []).append(reply)
        for some in (some for same in by_key.values() for some in _calls(same)):
            messages = [
                pubsub_v1.PubsubMessage(
                    data=reply.data, attributes=reply.attributes, ordering_key=reply.ordering_key
                )
                for reply in some
            ]
            try:
                self._publisher.publish(topic=topic, messages=messages)
            except (exceptions.NotFound, exceptions.InvalidArgument) as error:
                raise UserError(
                    f"Nothing can be published to {topic} ({error.message}).",
                    "Name a topic as projects/PROJECT/topics/NAME, and make it first.",
                ) from error

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Has messages not come again."""
        if messages:
            self._subscriber.acknowledge(
                subscription=self._subscription, ack_ids=[message.ack_id for message in messages]
            )

    def close(self) -> None:
        """Ends the connections."""
        self._subscriber.transport.close()
        self._publisher.transport.close()

    def _message(self, received: pubsub_v1.ReceivedMessage) -> Message:
        message = received.message
        attributes = dict(message.attributes)
        given = attributes.get(self._id_attribute) if self._id_attribute else None
        return Message(
            given or message.message_id,
            message.data,
            attributes,
            message.ordering_key,
            message.publish_time.isoformat(),
            received.delivery_attempt or 1,
            received.ack_id,
        )


def _calls(replies: Sequence[Reply]) -> Iterator[list[Reply]]:
    """Replies in as few calls as their bytes allow."""
    call: list[Reply] = []
    size = 0
    for reply in replies:
        length = len(reply.data) + sum(len(k) + len(v) for k, v in reply.attributes.items())
        if call and (len(call) == MOST_MESSAGES or size + length > MOST_BYTES):
            yield call
            call, size = [], 0
        call.append(reply)
        size += length
    if call:
        yield call
