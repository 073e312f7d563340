"""The pipeline: read, check, predict, write aside, and at the end make the output of it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.transforms.window import GlobalWindows

from serving.batch.blocks import Checked, Key, check
from serving.batch.logged_answers import AnswersLog
from serving.batch.model_handler import Answered
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


def score(
    pipeline: beam.Pipeline,
    files: Sequence[str],
    handler: ModelHandler[Checked, Answered, Any],
    facts: Mapping[str, str],
    staging: str,
    output: str,
    dead_letters: str,
    log: AnswersLog | None = None,
) -> None:
    """Adds the steps to a pipeline.

    Args:
        pipeline: Run by any of Beam's runners.
        files: What to read.
        handler: Answers.
        facts: Columns of the output that are the same for every row.
        staging: Folder for what is not yet the output; all workers must reach it.
        output: A file, or a table of BigQuery.
        dead_letters: A file for the rows that are not answered.
        log: Gets the rows that are answered; None for none.
    """
    read = (
        pipeline
        | "Files" >> beam.Create(list(enumerate(files)))
        | "ToWorkers" >> beam.Reshuffle()
        | "Read" >> beam.ParDo(_Read()).with_outputs("dead", "counts", main="blocks")
    )
    inference = RunInference(KeyedModelHandler(handler)).with_exception_handling()
    answered, failed = read.blocks | "Predict" >> inference
    dead = (
        read.dead,
        failed.failed_inferences | "Failed" >> beam.FlatMap(_failed),
    ) | "DeadLetters" >> beam.Flatten()
    writing = _WriteAnswers(staging, facts, parquet=is_parquet(output), logged=log is not None)
    counts = (
        read.counts,
        answered | "WriteAnswers" >> beam.ParDo(writing),
        dead | "WriteDeadLetters" >> beam.Map(_write_dead, staging),
    ) | "Counts" >> beam.Flatten()
    committed = (
        counts
        | "Add" >> beam.CombinePerKey(sum)  # pyright: ignore[reportArgumentType]
        | "All" >> beam.combiners.ToDict()
        | "Commit" >> beam.Map(lambda all_of: commit(staging, output, dead_letters, all_of, log))
    )
    # Only what a step before has finished for good may be cleared: a commit that is tried again
    # must find it all.
    _ = committed | "Committed" >> beam.Reshuffle() | "Clear" >> beam.Map(lambda _: clear(staging))


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

    def __init__(
        self, staging: str, facts: Mapping[str, str], *, parquet: bool, logged: bool
    ) -> None:
        super().__init__()
        self._staging = staging
        self._facts = dict(facts)
        self._parquet = parquet
        self._logged = logged

    def setup(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    def start_bundle(self) -> None:
        # Not in setup: a bundle that is tried again must not count what the failed one wrote.
        self._writing: deque[Future[int]] = deque()
        self._shards = ParquetShards(self._staging)

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
        table = answered.table(self._facts)
        if self._parquet:
            self._shards.write(key, table)
        else:
            write_shard(self._staging, ANSWERS, key, table.num_rows, table)
        if self._logged:
            write_shard(self._staging, LOGGED, key, table.num_rows, answered.logged())
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
