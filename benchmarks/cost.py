"""What a run on Google Cloud costs, from measured rates: `python -m benchmarks.cost [--rows N]`.

Bytes that BigQuery reads are exact for columns without NULLs, and a little high for the others.
Worker hours are an estimate: rates of one core here, and a guess at what a cluster wastes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.query import SPLITS
from data.table import EXAMPLES_PER_ROW, SPLIT_SHARES, TABLE, TOTAL_ROWS

BYTES = {"INT64": 8, "FLOAT64": 8, "BOOL": 1}
"""What BigQuery counts for a value of a type; a NULL counts nothing."""

CORES = 4
WASTE = 2.0
"""Core hours paid for one of work: workers that wait, read, write and shuffle."""

START = 0.1
"""Hours that a job's first worker takes to start and to stop."""


@dataclass(frozen=True)
class Prices:
    """US dollars in us-central1, as assumed on 24 November 2026; docs/deploy.md says where to look.

    Attributes:
        bigquery_tib: To read a TiB, on demand.
        dataflow_core: A core of a batch worker for an hour.
        dataflow_gb: A GB of its memory for an hour.
        training_hour: A training job on n2-standard-8, for an hour.
        task_hour: A task of the pipeline, on e2-standard-4, for an hour.
        run: A run of a pipeline.
        endpoint_hour: An n2-standard-2 that serves, for an hour.
        streaming_core: A core of a streaming worker for an hour.
        streaming_gb: A GB that Streaming Engine takes in and gives out.
        pubsub_tib: To publish or to deliver a TiB of messages, in requests of 1 kB at least.
        inserted_gb: A GB of rows that are streamed into BigQuery, of 1 kB at least.
    """

    bigquery_tib: float = 6.25
    dataflow_core: float = 0.056
    dataflow_gb: float = 0.003557
    training_hour: float = 0.4467
    task_hour: float = 0.1541
    run: float = 0.03
    endpoint_hour: float = 0.1117
    streaming_core: float = 0.069
    streaming_gb: float = 0.018
    pubsub_tib: float = 40.0
    inserted_gb: float = 0.05


@dataclass(frozen=True)
class Step:
    """Work on Dataflow.

    Attributes:
        name: The component.
        share: Share of the examples that it reads.
        rate: Examples a second of one core.
    """

    name: str
    share: float
    rate: float


STEPS = (
    # docs/benchmarks.md: the stock executor.
    Step("BigQueryExampleGen", 1.0, 6_183),
    # A run on 2,000,000 examples: 190 s of CPU in all, of which 63, 80
    # and 16 were these three's, by their share of the time. Rounded down.
    Step("StatisticsGen", 1.0, 30_000),
    Step("Transform", SPLIT_SHARES["train"], 18_000),
    Step("Evaluator", SPLIT_SHARES["eval"], 15_000),
)

TRAINING_RATE = 221_997
"""Examples a second, of two cores: docs/benchmarks.md."""


@dataclass(frozen=True)
class Line:
    """One line of the bill: what, how it was computed, how much of it, and US dollars."""

    what: str
    how: str
    amount: str
    dollars: float


def row_bytes() -> int:
    """Bytes that BigQuery counts for the columns of one row that the query reads."""
    return sum(BYTES[column.type] for column in TABLE.columns)


def bill(rows: int, steps: int, batch: int, prices: Prices) -> Iterator[Line]:
    """What a run costs.

    Args:
        rows: Rows that pass the query's filters.
        steps: Steps of training.
        batch: Examples of a step.
        prices: Prices.
    """
    read = row_bytes() * TOTAL_ROWS * len(SPLITS)
    yield Line(
        "BigQuery",
        f"{row_bytes()} B x {TOTAL_ROWS:,} rows x {len(SPLITS)} splits",
        f"{read / 1e9:.1f} GB",
        read / 2**40 * prices.bigquery_tib,
    )
    worker = CORES * (prices.dataflow_core + 4 * prices.dataflow_gb)  # 4 GB a core.
    hours_of_jobs = 0.0
    for step in STEPS:
        examples = rows * EXAMPLES_PER_ROW * step.share
        work = examples / step.rate / 3600 * WASTE / CORES
        hours = work + START
        # Ten workers share the work; the first is there all the time.
        hours_of_jobs += work / 10 + START
        yield Line(
            step.name,
            f"{examples / 1e6:.1f} M examples / {step.rate:,} per s",
            f"{hours:.1f} worker hours",
            hours * worker,
        )
    training = steps * batch / TRAINING_RATE / 3600 + START
    yield Line(
        "Trainer",
        f"{steps:,} steps x {batch} / {TRAINING_RATE:,} per s",
        f"{training:.1f} hours",
        training * prices.training_hour,
    )
    tasks = hours_of_jobs + training + 10 * START  # Each starts, and most wait for their job.
    yield Line("Tasks", "wait for their jobs", f"{tasks:.1f} hours", tasks * prices.task_hour)
    yield Line("Pipeline", "one run", "", prices.run)


BATCH_RATE = 60_000
"""Rows a second of one core, Parquet to Parquet: docs/benchmarks.md."""

MESSAGE_BYTES = 1000
"""What a streamed row and a request to Pub/Sub are billed for at least; a row in JSON is less."""

MONTH = 730
"""Hours."""


def batch_dollars(rows: int, prices: Prices) -> float:
    """What a batch on Dataflow costs, without reading from BigQuery.

    Args:
        rows: Rows.
        prices: Prices.
    """
    hours = rows / BATCH_RATE / 3600 * WASTE / CORES + START
    return hours * CORES * (prices.dataflow_core + 4 * prices.dataflow_gb)


def stream_dollars(messages: int, workers: float, *, to_table: bool, prices: Prices) -> float:
    """What a stream on Dataflow costs in a month.

    Args:
        messages: In the month.
        workers: Of four cores, on average; one is always there.
        to_table: Whether the answers are rows of BigQuery as well.
        prices: Prices.
    """
    amount = messages * MESSAGE_BYTES
    worker = CORES * (prices.streaming_core + 4 * prices.dataflow_gb)
    return (
        workers * MONTH * worker
        + 2 * amount / 1e9 * prices.streaming_gb  # In, and out.
        + 4 * amount / 2**40 * prices.pubsub_tib  # Both topics: published, and delivered.
        + (amount / 1e9 * prices.inserted_gb if to_table else 0.0)
    )


def table(rows: int, steps: int, batch: int, prices: Prices) -> str:
    """The bill as a Markdown table."""
    lines = list(bill(rows, steps, batch, prices))
    body = [f"| {x.what} | {x.how} | {x.amount} | {x.dollars:.2f} |" for x in lines]
    total = sum(line.dollars for line in lines)
    head = ["| what | computed as | amount | US$ |", "|---|---|---|---|"]
    return "\n".join([*head, *body, f"| **a run** | | | **{total:.2f}** |"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the bill of one run.

    Args:
        arguments: Those of the command line.
    """
    parser = argparse.ArgumentParser(description="What a run on Google Cloud costs, estimated.")
    parser.add_argument("--rows", type=int, default=TOTAL_ROWS, help=f"{TABLE.rows} that are used")
    parser.add_argument("--train-steps", type=int, default=400_000, help="steps of training")
    parser.add_argument("--batch-size", type=int, default=512, help="examples of a step")
    chosen = parser.parse_args(arguments)
    print(table(chosen.rows, chosen.train_steps, chosen.batch_size, Prices()))
    prices = Prices()
    print(
        f"\nA batch of {chosen.rows:,} rows on Dataflow: {batch_dollars(chosen.rows, prices):.2f}."
    )
    for messages in (0, 100_000_000):
        dollars = stream_dollars(messages, 1, to_table=True, prices=prices)
        print(f"A stream of {messages:,} messages a month, one worker: {dollars:.0f} a month.")
    print(f"An endpoint: {Prices().endpoint_hour * 24:.2f} a day for each machine that serves.")


if __name__ == "__main__":
    main()
