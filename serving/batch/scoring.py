"""The pipeline: read, check, predict, write aside, and at the end make the output of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from serving.batch.blocks import Checked, Key, check
from serving.batch.logged_answers import AnswersLog
from serving.batch.model_handler import Answered
from serving.batch.output_shards import clear, commit, write_shard
from serving.batch.readers import read_blocks
from serving.dead_letters import DeadLetter

Count = tuple[str, int]
"""What rows became, and how many."""

Letters = tuple[Key, list[DeadLetter]]

COUNTERS = "batch"
"""Namespace of Beam's counters of rows that are `read`, got `answers` and are `dead`."""


def score(
    pipeline: beam.Pipeline,
    files: Sequence[str],
    handler: ModelHandler[Checked, Answered, Any],
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
        staging: Folder for what is not yet the output; all workers must reach it.
        output: A file, or a table of BigQuery.
        dead_letters: A file for the rows that are not answered.
        log: Gets the rows that are answered, where the handler gives it some.
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
    counts = (
        read.counts,
        answered | "WriteAnswers" >> beam.Map(_write_answers, staging),
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
        for count, good, bad in _ahead(_checked(file)):
            if good:
                yield (place, good.block.numbers[0]), good
            if bad:
                yield from _dead(place, bad)
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
    """The same, made by a thread one ahead: while the model works, the next block is read."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _dead(place: int, letters: list[DeadLetter]) -> Iterator[Any]:
    yield beam.pvalue.TaggedOutput("dead", ((place, letters[0].row), letters))


def _failed(failure: tuple[Sequence[tuple[Key, Checked]], tuple[Any, str, Any]]) -> list[Letters]:
    """Dead letters of blocks at which the model itself failed."""
    batch, (_, said, _) = failure
    found = []
    for key, checked in batch:
        block = checked.block
        cause = f"The model failed: {said.splitlines()[0]}"
        found.append((key, [block.dead_letter(i, cause) for i in range(block.table.num_rows)]))
    return found


def _write_answers(element: tuple[Key, Answered], staging: str) -> Count:
    key, answered = element
    rows = answered.table.num_rows
    write_shard(staging, "answers", key, rows, answered.table)
    if answered.logged is not None:
        write_shard(staging, "logged", key, rows, answered.logged)
    return _counted("answers", rows)


def _write_dead(element: Letters, staging: str) -> Count:
    key, letters = element
    lines = b"".join(letter.to_json() for letter in letters)
    write_shard(staging, "dead", key, len(letters), lines)
    return _counted("dead", len(letters))


def _counted(kind: str, rows: int) -> Count:
    """Also for who looks at the pipeline while it runs, or waits for its end."""
    Metrics.counter(COUNTERS, kind).inc(rows)
    return kind, rows
