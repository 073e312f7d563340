"""Puts Pub/Sub's emulator where Dataflow has Pub/Sub: its part of a staged stream.

Beam's client stages a read and a write that only a runner can fill in; both hand over the bytes of
a message. Here a step takes what waits in the subscription, once, and one publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2 as api

READ, WRITE = "beam:transform:pubsub_read:v1", "beam:transform:pubsub_write:v1"


def fill_in(pipeline: api.Pipeline, emulator: str) -> None:
    """Fills in the reads and writes of Pub/Sub; a read ends once nothing waits.

    Args:
        pipeline: As it was staged.
        emulator: Its address.
    """
    transforms = pipeline.components.transforms
    for name, step in list(transforms.items()):
        if step.spec.urn == WRITE:
            topic = api.PubSubWritePayload.FromString(step.spec.payload).topic
            step.spec.CopyFrom(_spec(_publishing(emulator, topic)))
        elif step.spec.urn == READ:
            subscription = api.PubSubReadPayload.FromString(step.spec.payload).subscription
            (messages,) = step.outputs.values()
            collections = pipeline.components.pcollections
            begin, take = f"{name}-begin", f"{name}-take"
            collections[begin].CopyFrom(collections[messages])
            collections[begin].unique_name = begin
            transforms[begin].unique_name = begin
            transforms[begin].spec.urn = common_urns.primitives.IMPULSE.urn
            transforms[begin].outputs["out"] = begin
            transforms[take].CopyFrom(step)
            transforms[take].unique_name = take
            transforms[take].spec.CopyFrom(_spec(_taking(emulator, subscription)))
            transforms[take].inputs["in"] = begin
            step.ClearField("spec")
            step.ClearField("environment_id")
            step.subtransforms.extend([begin, take])


def _taking(emulator: str, subscription: str) -> Callable[[bytes], Iterator[bytes]]:
    # Inner functions travel as they are: the workers have no module of tests.
    def take(_: bytes) -> Iterator[bytes]:
        import grpc
        from google import pubsub_v1
        from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

        transport = SubscriberGrpcTransport(channel=grpc.insecure_channel(emulator))
        client = pubsub_v1.SubscriberClient(transport=transport)
        asked = {"subscription": subscription, "max_messages": 1000, "return_immediately": True}
        while received := client.pull(request=asked).received_messages:
            yield from (pubsub_v1.PubsubMessage.serialize(one.message) for one in received)
            ids = [one.ack_id for one in received]
            client.acknowledge(subscription=subscription, ack_ids=ids)

    return take


def _publishing(emulator: str, topic: str) -> Callable[[bytes], Iterable[Any]]:
    def publish(message: bytes) -> Iterable[Any]:
        import grpc
        from google import pubsub_v1
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

        transport = PublisherGrpcTransport(channel=grpc.insecure_channel(emulator))
        client = pubsub_v1.PublisherClient(transport=transport)
        parsed: Any = pubsub_v1.PubsubMessage.deserialize(message)
        client.publish(topic=topic, messages=[parsed])
        return ()

    return publish


def _spec(step: Callable[[bytes], Iterable[Any]]) -> api.FunctionSpec:
    """What Beam's client would stage for a step."""
    pipeline = beam.Pipeline(options=PipelineOptions(["--pickle_library=cloudpickle"]))
    _ = pipeline | beam.Impulse() | beam.FlatMap(step)
    staged = pipeline.to_runner_api().components.transforms.values()
    (spec,) = (s.spec for s in staged if s.spec.urn == common_urns.primitives.PAR_DO.urn)
    return spec
