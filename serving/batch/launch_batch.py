"""The program: runs a batch, and says what came of it."""

from __future__ import annotations

import argparse
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineResult

from common.errors import UserError, causes
from common.lean_beam import lean_beam
from data.table import TABLE
from serving.batch.batch_plan import Batch, input_files, plan
from serving.batch.output_shards import clear
from serving.batch.row_files import check, is_remote
from serving.batch.scoring import COUNTERS, score
from serving.batch.shard_names import ANSWERS, DEAD, UNFINISHED, rows_in, shards
from serving.records.request_log import share

RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Beam's own, in this process, where no other is named."""

KINDS = ANSWERS, UNFINISHED, DEAD
"""Of shards, whose rows are done."""

ANSWERED, FAILED, BAD_SETTINGS, DEAD_LETTERS = 0, 1, 2, 3
"""Exit statuses: every row is answered; nothing was written; wrong arguments; all was written, but
some rows are dead letters."""

PROGRESS_SECONDS, REMOTE_PROGRESS_SECONDS = 5.0, 30.0
"""Between looks at what is written; those into a bucket are billed."""


@dataclass(frozen=True)
class Outcome:
    """How many rows there were, by what became of them."""

    answered: int
    dead: int

    @property
    def status(self) -> int:
        """The exit status."""
        return DEAD_LETTERS if self.dead else ANSWERED


def launch(
    batch: Batch, beam_flags: Sequence[str] = (), tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Predicts; the output appears once all of it is there.

    Where the options of Beam name no runner, it runs in this process; every few seconds it tells
    how far it is.

    Raises:
        UserError: If it failed; the output is as it was.
    """
    with progress(batch.staging, tell):
        return wait(batch, start(batch, beam_flags))


def start(batch: Batch, beam_flags: Sequence[str] = ()) -> PipelineResult:
    """Starts a batch, with options as for `launch`; in this process, it also runs.

    Raises:
        UserError: If it failed, or there is nothing to read.
    """
    here = not any(flag.startswith("--runner") for flag in beam_flags)
    flags = [*beam_flags, f"--runner={RUNNER}"] if here else list(beam_flags)
    return start_with(batch, PipelineOptions(["--pickle_library=cloudpickle", *flags]))


def start_with(batch: Batch, options: PipelineOptions) -> PipelineResult:
    """Starts a batch as `start` does, with options of Beam that name a runner."""
    FileSystems.set_options(options)
    clear(batch.staging)
    if not is_remote(batch.staging):
        Path(batch.staging).mkdir(parents=True, exist_ok=True)
    try:
        files = input_files(batch, project=options.view_as(GoogleCloudOptions).project)
        pipeline = beam.Pipeline(options=options)
        here = options.view_as(StandardOptions).runner == RUNNER
        with lean_beam() if here else nullcontext(), _causes_told():
            score(pipeline, batch, files)
            return pipeline.run()
    except BaseException:
        clear(batch.staging)
        raise


def wait(batch: Batch, result: PipelineResult) -> Outcome:
    """Waits for a batch that was started; counts its rows as the pipeline itself does.

    Raises:
        UserError: If it failed; the output is as it was.
    """
    try:
        with _causes_told():
            result.wait_until_finish()
            counts = counted(result)
        return Outcome(counts["answers"], counts["dead"])
    finally:
        # Elsewhere it may still be at work, when only the waiting has ended.
        if not is_remote(batch.staging):
            clear(batch.staging)


def counted(result: PipelineResult) -> Counter[str]:
    """What the counters of a pipeline have come to, by name, over all its steps."""
    counts: Counter[str] = Counter()
    for counter in result.metrics().query(MetricsFilter().with_namespace(COUNTERS))["counters"]:
        counts[counter.key.metric.name] += counter.result or 0
    return counts


@contextmanager
def _causes_told() -> Iterator[None]:
    try:
        yield
    # A worker's errors come as those of its runner, of any kind.
    except Exception as error:
        raise _explained(error) from error


def _explained(error: Exception) -> UserError:
    """What Beam hands on as text of a worker, by its last line."""
    for cause in causes(error):
        if isinstance(cause, UserError):
            return cause
    if told := re.search(r"UserError: (.+?)(?: \[while running .*)?$", str(error), re.MULTILINE):
        cause, _, cure = told[1].rpartition(". ")
        return UserError(f"{cause}.", cure)
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
    return UserError(
        f"The batch failed: {said.strip()[:500] or type(error).__name__}",
        "Nothing was written; mend that and run it again.",
    )


@contextmanager
def progress(staging: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Tells how many rows are done, again and again."""
    ended, began = threading.Event(), time.monotonic()
    seconds = REMOTE_PROGRESS_SECONDS if is_remote(staging) else PROGRESS_SECONDS

    def look() -> None:
        while not ended.wait(seconds):
            rows = sum(rows_in(s) for kind in KINDS for s in shards(staging, kind))
            if rows:
                tell(f"{rows:,} {TABLE.rows}, {rows / (time.monotonic() - began):,.0f}/s")

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()


def summary(batch: Batch, outcome: Outcome) -> str:
    """What came of it, in words."""
    said = f"{outcome.answered:,} {TABLE.rows} predicted to {batch.output}"
    if outcome.dead:
        said += f"; {outcome.dead:,} not, and told with their causes in {batch.dead_letters}"
    return "\n".join([f"{said}.", *batch.remarks])


def main(arguments: Sequence[str]) -> int:
    """Runs the command line, where Beam's options stand behind `--`; returns the exit status."""
    flags = list(arguments)
    beam_flags = flags[flags.index("--") + 1 :] if "--" in flags else []
    parser = argparse.ArgumentParser(
        prog="python -m serving.batch",
        description="Predicts for many rows; each keeps its columns. Beam's options stand behind "
        "--, such as -- --runner=DataflowRunner --project=...",
        epilog=f"Exit status: {ANSWERED} all answered, {DEAD_LETTERS} some rows are dead letters, "
        f"{FAILED} failed and nothing written, {BAD_SETTINGS} wrong arguments.",
    )
    files = "a .parquet, .csv or .jsonl file"
    parser.add_argument(
        "--input",
        required=True,
        help=f"{files}, folder or glob; bq:project.dataset.table; or a query",
    )
    parser.add_argument("--output", required=True, help=f"{files}, or bq:project.dataset.table")
    parser.add_argument("--dead-letters", help="file of the rows not answered; beside the output")
    parser.add_argument(
        "--model-folder",
        default=f"runs/serving/{TABLE.pipeline}",
        help="folder of numbered versions, of which the newest that can be read predicts",
    )
    parser.add_argument("--staging", help="folder for what is not yet the output; beside it")
    parser.add_argument("--run", help="what the run is called in each row; by default the time")
    parser.add_argument("--request-log", help="folder of a log of requests that gets the rows too")
    parser.add_argument("--request-log-share", type=share, default=1.0, help="of rows; all")
    chosen = parser.parse_args(flags[: flags.index("--")] if "--" in flags else flags)
    try:
        check(chosen.input, chosen.output)
        batch = plan(
            chosen.input,
            chosen.output,
            chosen.model_folder,
            dead_letters=chosen.dead_letters,
            staging=chosen.staging,
            run=chosen.run,
            request_log=chosen.request_log,
            request_log_share=chosen.request_log_share,
        )
        outcome = launch(batch, beam_flags, lambda said: print(said, file=sys.stderr, flush=True))
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return FAILED
    print(summary(batch, outcome))
    return outcome.status
