"""The pipeline: read, check, predict, write aside, and at the end make the output of it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.transforms.window import GlobalWindows

from serving.batch.batch_plan import Batch
from serving.batch.blocks import Checked, Key, check
from serving.batch.model_handler import Answered, SavedModelHandler
from serving.batch.output_shards import clear, commit, is_parquet, write_shard
from serving.batch.parquet_shards import ParquetShards
from serving.batch.readers import read_blocks
from serving.batch.shard_names import ANSWERS, DEAD, LOGGED
from serving.dead_letters import DeadLetter

Count = tuple[str, int]
"""What rows became, and how many."""

Letters = tuple[int, list[DeadLetter]]
"""Rows that are not answered, with the place of their file."""

IN_FLIGHT = 3
"""Blocks that are read ahead of the model, and that may wait to be written behind it."""

COUNTERS = "batch"
"""Namespace of Beam's counters of rows that are `read`, got `answers` and are `dead`."""


def score(pipeline: beam.Pipeline, batch: Batch, files: Sequence[str]) -> None:
    """Adds the steps to a pipeline of any of Beam's runners.

    Args:
        pipeline: All its workers must reach the batch's `staging`.
        batch: What to predict.
        files: What to read.
    """
    read = (
        pipeline
        | "Files" >> beam.Create(list(enumerate(files)))
        | "ToWorkers" >> beam.Reshuffle()
        | "Read" >> beam.ParDo(_Read()).with_outputs("dead", "counts", main="blocks")
    )
    handler = KeyedModelHandler(SavedModelHandler(batch.version))
    inference = RunInference(handler).with_exception_handling()
    answered, failed = read.blocks | "Predict" >> inference
    dead = (
        read.dead,
        failed.failed_inferences | "Failed" >> beam.FlatMap(_failed),
    ) | "DeadLetters" >> beam.Flatten()
    counts = (
        read.counts,
        answered | "WriteAnswers" >> beam.ParDo(_WriteAnswers(batch)),
        dead | "WriteDeadLetters" >> beam.Map(_write_dead, batch.staging),
    ) | "Counts" >> beam.Flatten()
    committed = (
        counts
        | "Add" >> beam.CombinePerKey(sum)  # pyright: ignore[reportArgumentType]
        | "All" >> beam.combiners.ToDict()
        | "Commit" >> beam.Map(_commit, batch)
    )
    # Only what a step before has finished for good may be cleared: a commit that is tried again
    # must find it all.
    last = committed | "Committed" >> beam.Reshuffle()
    _ = last | "Clear" >> beam.Map(lambda _: clear(batch.staging))


def _commit(counts: dict[str, int], batch: Batch) -> None:
    commit(batch.staging, batch.output, batch.dead_letters, counts, batch.log)


class _Read(beam.DoFn):
    """From a file to blocks that the model takes, the rows it does not take, and counts."""

    def process(self, element: tuple[int, str]) -> Iterator[Any]:
        place, file = element
        blocks = itertools.count()
        for count, good, bad in _ahead(_checked(file)):
            if good:
                yield (place, next(blocks)), good
            if bad:
                yield beam.pvalue.TaggedOutput("dead", (place, bad))
            yield beam.pvalue.TaggedOutput("counts", _counted("read", count))


_Some = tuple[int, Checked | None, list[DeadLetter]]
"""How many rows were read, the good ones, and the others."""


def _checked(file: str) -> Iterator[_Some]:
    for some in read_blocks(file):
        if isinstance(some, DeadLetter):
            yield 1, None, [some]
        else:
            yield some.table.num_rows, *check(some)


def _ahead(items: Iterator[_Some]) -> Iterator[_Some]:
    """The same, made by a thread some ahead: while the model works, the next blocks are read."""
    with ThreadPoolExecutor(1) as thread:
        following = deque(thread.submit(next, items, None) for _ in range(IN_FLIGHT))
        while (item := following.popleft().result()) is not None:
            following.append(thread.submit(next, items, None))
            yield item


def _failed(failure: tuple[Sequence[tuple[Key, Checked]], tuple[Any, str, Any]]) -> list[Letters]:
    """Dead letters of blocks at which the model itself failed."""
    batch, (_, said, _) = failure
    found = []
    for key, checked in batch:
        block = checked.block
        cause = f"The model failed: {said.splitlines()[0]}"
        found.append((key[0], [block.dead_letter(i, cause) for i in range(block.table.num_rows)]))
    return found


class _WriteAnswers(beam.DoFn):
    """Writes rows aside, in a thread that is some behind: meanwhile the model answers the next."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self._batch = batch
        self._facts = {"model_version": batch.version_name, "batch_run": batch.run}

    def setup(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    def start_bundle(self) -> None:
        # Not in setup: a bundle that is tried again must not count what the failed one wrote.
        self._writing: deque[Future[int]] = deque()
        self._shards = ParquetShards(self._batch.staging)

    def process(self, element: tuple[Key, Answered]) -> Iterator[Count]:
        self._writing.append(self._thread.submit(self._write, *element))
        yield from self._written(IN_FLIGHT)

    def finish_bundle(self) -> Iterator[Any]:
        for count in self._written(0):
            yield GlobalWindows.windowed_value(count)
        self._shards.close()

    def teardown(self) -> None:
        self._thread.shutdown()  # It waits: where the batch has failed, all is cleared next.

    def _write(self, key: Key, answered: Answered) -> int:
        table, staging = answered.table(self._facts), self._batch.staging
        if is_parquet(self._batch.output):
            self._shards.write(key, table)
        else:
            write_shard(staging, ANSWERS, key, table.num_rows, table)
        if self._batch.log:
            write_shard(staging, LOGGED, key, table.num_rows, answered.logged())
        return table.num_rows

    def _written(self, rest: int) -> Iterator[Count]:
        """How much the thread has written, until so many blocks are left: it has no counters."""
        while len(self._writing) > rest:
            yield _counted(ANSWERS, self._writing.popleft().result())


def _write_dead(element: Letters, staging: str) -> Count:
    place, letters = element
    lines = b"".join(letter.to_json() for letter in letters)
    write_shard(staging, DEAD, (place, letters[0].row), len(letters), lines)
    return _counted(DEAD, len(letters))


def _counted(kind: str, rows: int) -> Count:
    """Also for who looks at the pipeline while it runs, or waits for its end."""
    Metrics.counter(COUNTERS, kind).inc(rows)
    return kind, rows
