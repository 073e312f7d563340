"""The pipeline: read messages, check, predict, publish; and rows of a table, if one is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.bigquery import BigQueryDisposition, WriteToBigQuery
from apache_beam.io.gcp.bigquery_tools import RetryStrategy
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub, WriteToPubSub
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import RunInference
from apache_beam.ml.inference.utils import WatchFilePattern

from models.request import RequestError
from serving.stream.answering import Asked
from serving.stream.messages import Message, Reply, dead_letter, parse
from serving.stream_pipeline.message_handler import MessageHandler, Told
from serving.versions.places import MODEL_FILE

ORDERING_KEY = "message_ordering_key"
"""Attribute with the key that a message had: Beam's runners publish in no order."""

COUNTERS = "stream"
"""Namespace of Beam's counters of messages that got an `answer` and are `dead`."""

LOOK_SECONDS = 60
"""Between looks for a new version; each is billed."""


@dataclass(frozen=True)
class StreamJob:
    """What to answer.

    Attributes:
        subscription: As projects/P/subscriptions/S.
        answers: Topic of the answers, as projects/P/topics/T.
        dead_letters: Topic of the messages that are not answered.
        version: Folder of the model's version to begin with.
        version_number: Its number.
        watched: Folder of versions, of which one that is pushed later takes over; None for none.
        id_attribute: Attribute that holds a message's id; None for Pub/Sub's own.
        most_bytes: Longest message that is read.
        table: Table of BigQuery that gets the answers as well, as project.dataset.table.
    """

    subscription: str
    answers: str
    dead_letters: str
    version: str
    version_number: int
    watched: str | None = None
    id_attribute: str | None = None
    most_bytes: int = 65_536
    table: str | None = None


def answer_stream(pipeline: beam.Pipeline, job: StreamJob) -> None:
    """Adds the steps to a pipeline of a streaming runner that knows Pub/Sub."""
    messages = pipeline | "Read" >> ReadFromPubSub(
        subscription=job.subscription, id_label=job.id_attribute, with_attributes=True
    )
    newer = None
    if job.watched:
        newer = pipeline | "NewVersions" >> WatchFilePattern(
            f"{job.watched}/*/{MODEL_FILE}", interval=LOOK_SECONDS
        )
    answers, dead = answered(messages, job, newer)
    if job.table:
        refused = _to_table(answers, job.table)
        dead = (dead, refused) | "AllDead" >> beam.Flatten()
    _ = answers | "Answers" >> _Publish(job.answers)
    _ = dead | "DeadLetters" >> _Publish(job.dead_letters)


def answered(
    messages: beam.PCollection[PubsubMessage], job: StreamJob, newer: beam.PCollection | None = None
) -> tuple[beam.PCollection[Reply], beam.PCollection[Reply]]:
    """What is published for messages: answers, and dead letters.

    The latest version, if one is pushed later, is a side input of RunInference.
    """
    parsed = messages | "Parse" >> beam.ParDo(_Parse(job)).with_outputs("dead", main="asked")
    handler = MessageHandler(job.version, job.version_number)
    # None, which its type leaves out, is its default.
    inference = RunInference(handler, model_metadata_pcoll=newer)  # pyright: ignore[reportArgumentType]
    told, failed = parsed.asked | "Predict" >> inference.with_exception_handling()
    sorted_out = told | "Sort" >> beam.ParDo(_Sort()).with_outputs("dead", main="answers")
    dead = (
        parsed.dead,
        sorted_out.dead,
        failed.failed_inferences | "Failed" >> beam.FlatMap(_failed),
    ) | "Dead" >> beam.Flatten()
    return sorted_out.answers, dead


class _Parse(beam.DoFn):
    """From messages to those that can be answered, and dead letters of the others."""

    def __init__(self, job: StreamJob) -> None:
        self._job = job

    def process(self, element: PubsubMessage) -> Iterator[Any]:
        message = _message(element, self._job.id_attribute)
        try:
            yield Asked(message, *parse(message, self._job.most_bytes))
        except RequestError as error:
            Metrics.counter(COUNTERS, "dead").inc()
            yield beam.pvalue.TaggedOutput("dead", dead_letter(message, str(error)))


class _Sort(beam.DoFn):
    """Tells answers from dead letters of rows at which the model fails."""

    def process(self, element: Told) -> Iterator[Any]:
        kind, reply = element
        Metrics.counter(COUNTERS, kind).inc()
        yield beam.pvalue.TaggedOutput("dead", reply) if kind == "dead" else reply


class _Publish(beam.PTransform):
    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic

    def expand(self, replies: beam.PCollection[Reply]) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return (
            replies
            | beam.Map(published).with_output_types(PubsubMessage)
            | WriteToPubSub(self._topic, with_attributes=True)
        )


def published(reply: Reply) -> PubsubMessage:
    """A reply as Beam publishes it."""
    attributes = dict(reply.attributes)
    if reply.ordering_key:
        attributes[ORDERING_KEY] = reply.ordering_key
    return PubsubMessage(reply.data, attributes)


def _message(came: PubsubMessage, id_attribute: str | None) -> Message:
    attributes = dict(came.attributes or {})
    given = attributes.get(id_attribute) if id_attribute else None
    return Message(
        given or came.message_id or "",
        came.data or b"",
        attributes,
        came.ordering_key or "",
        came.publish_time.isoformat() if came.publish_time else "",
        # Runners acknowledge what they have taken over: no second delivery is counted.
    )


def _failed(failure: tuple[Sequence[Asked], tuple[Any, str, Any]]) -> list[Reply]:
    """Dead letters of a batch that failed as a whole."""
    batch, (_, said, _) = failure
    cause = f"The model failed: {said.splitlines()[0] if said else 'it does not say why'}"
    Metrics.counter(COUNTERS, "dead").inc(len(batch))
    return [dead_letter(asked.message, cause) for asked in batch]


def _to_table(answers: beam.PCollection[Reply], table: str) -> beam.PCollection[Reply]:
    """Writes rows; gives dead letters of those that BigQuery refuses, though they are answered."""
    project, dataset, name = table.split(".")
    written = (
        answers
        | "Rows" >> beam.Map(row_of).with_output_types(dict)
        | "ToTable"
        >> WriteToBigQuery(
            f"{project}:{dataset}.{name}",
            method=WriteToBigQuery.Method.STREAMING_INSERTS,
            create_disposition=BigQueryDisposition.CREATE_NEVER,
            write_disposition=BigQueryDisposition.WRITE_APPEND,
            insert_retry_strategy=RetryStrategy.RETRY_ON_TRANSIENT_ERROR,
            ignore_unknown_columns=True,
        )
    )
    return written.failed_rows_with_errors | "Refused" >> beam.Map(refused_row)


def row_of(reply: Reply) -> dict[str, Any]:
    """The row of an answer: its fields, and which message it answers."""
    told = {name: reply.attributes[name] for name in ("message_id", "publish_time")}
    return json.loads(reply.data) | told


def refused_row(failure: tuple[str, dict[str, Any], Any]) -> Reply:
    """The dead letter of a row that BigQuery refuses."""
    table, row, errors = failure
    fields = dict(row)
    told = {name: str(fields.pop(name, "")) for name in ("message_id", "publish_time")}
    data = json.dumps(fields).encode()
    message = Message(told["message_id"], data, published=told["publish_time"])
    return dead_letter(message, f"It is answered, but {table} refuses the row: {errors}")
