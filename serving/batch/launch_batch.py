"""The program: what to read, with which version of the model, and what came of it."""

from __future__ import annotations

import argparse
import datetime
import gc
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from common.errors import UserError, causes
from data.table import TABLE
from serving.batch.bigquery_tables import export
from serving.batch.model_handler import SavedModelHandler
from serving.batch.output_shards import clear, is_table, rows_in, shards
from serving.batch.readers import check_columns, kind_of
from serving.batch.scoring import score

RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Beam's own, in this process, where no other is named."""

ANSWERED, FAILED, BAD_SETTINGS, DEAD_LETTERS = 0, 1, 2, 3
"""Exit statuses: every row is answered; nothing was written; wrong arguments; all was written, but
some rows are dead letters."""

PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Batch:
    """What to predict.

    Attributes:
        input: A file, a folder or a glob; a table of BigQuery; a query, or a file of one.
        output: A file, or a table of BigQuery.
        dead_letters: A file for the rows that are not answered.
        version: Folder of the model's version.
        staging: Folder for what is not yet the output.
        run: What the run is called in each row.
    """

    input: str
    output: str
    dead_letters: str
    version: str
    staging: str
    run: str


@dataclass(frozen=True)
class Outcome:
    """How many rows there were, by what became of them."""

    answered: int
    dead: int

    @property
    def status(self) -> int:
        """The exit status."""
        return DEAD_LETTERS if self.dead else ANSWERED


def plan(
    given: str,
    output: str,
    model_folder: str,
    *,
    dead_letters: str | None = None,
    staging: str | None = None,
    run: str | None = None,
) -> Batch:
    """Fills in what was not said, and checks what was.

    Args:
        given: What to read; see `Batch.input`.
        output: What to write.
        model_folder: Folder of numbered versions; the newest predicts.
        dead_letters: By default beside the output.
        staging: By default beside the output.
        run: By default the time.

    Raises:
        UserError: If no version is there, or a name says no format.
    """
    if not is_table(output):
        kind_of(output)
    staging = staging or _staging(output)
    dead_letters = dead_letters or f"{output}.dead.jsonl"
    now = datetime.datetime.now(datetime.timezone.utc)
    return Batch(
        given,
        output,
        dead_letters,
        newest_version(model_folder),
        staging,
        run or f"{now:%Y%m%d-%H%M%S}",
    )


def newest_version(folder: str) -> str:
    """The newest whole version of a model.

    Raises:
        UserError: If there is none.
    """
    whole = [Path(file).parent.name for file in tf.io.gfile.glob(f"{folder}/*/saved_model.pb")]
    numbers = [int(name) for name in whole if name.isdigit()]
    if not numbers:
        raise UserError(
            f"No model has been pushed to {folder}.",
            "Run the pipeline first, or name the folder that holds a model's numbered versions.",
        )
    return f"{folder}/{max(numbers)}"


def _staging(output: str) -> str:
    if is_table(output):
        return tempfile.mkdtemp(prefix="scoring-")
    folder, _, name = output.rpartition("/")
    return f"{folder or '.'}/.scoring-{name}"


def launch(
    batch: Batch, beam_flags: Sequence[str] = (), tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Predicts; the output appears once all of it is there.

    Args:
        batch: What to predict.
        beam_flags: Options of Beam; where they name no runner, it runs in this process.
        tell: Told every few seconds how far it is.

    Returns:
        What became of the rows.

    Raises:
        UserError: If it failed; the output is as it was.
    """
    gc.freeze()  # Going through all that TensorFlow and Beam have loaded takes half a second.
    here = not any(flag.startswith("--runner") for flag in beam_flags)
    flags = [*beam_flags, f"--runner={RUNNER}"] if here else list(beam_flags)
    clear(batch.staging)
    if "://" not in batch.staging:
        Path(batch.staging).mkdir(parents=True, exist_ok=True)
    try:
        files = _files(batch, project=_flag(beam_flags, "project"))
        facts = {"model_version": Path(batch.version).name, "batch_run": batch.run}
        pipeline = beam.Pipeline(options=PipelineOptions(["--pickle_library=cloudpickle", *flags]))
        handler = SavedModelHandler(batch.version, facts)
        score(pipeline, files, handler, batch.staging, batch.output, batch.dead_letters)
        with _progress(batch.staging, tell):
            try:
                pipeline.run().wait_until_finish()
            # A worker's errors come as those of its runner, of any kind.
            except Exception as error:
                raise _explained(error) from error
        counts = {
            kind: sum(map(rows_in, shards(batch.staging, kind))) for kind in ("answers", "dead")
        }
        return Outcome(counts["answers"], counts["dead"])
    finally:
        clear(batch.staging)


def _flag(flags: Sequence[str], name: str) -> str | None:
    return next((f.partition("=")[2] for f in flags if f.startswith(f"--{name}=")), None)


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


def _files(batch: Batch, project: str | None) -> list[str]:
    """The files to read, with what BigQuery holds written to some."""
    pattern = batch.input
    if is_table(pattern) or " " in pattern.strip() or pattern.endswith(".sql"):
        query = pattern
        if is_table(pattern):
            query, project = f"SELECT * FROM `{pattern}`", project or pattern.split(".")[0]
        elif pattern.endswith(".sql"):
            query = Path(pattern).read_text(encoding="utf-8")
        pattern = export(query, batch.staging, project)
    elif Path(pattern).is_dir() or pattern.endswith("/"):
        pattern = f"{pattern.rstrip('/')}/*"
    (found,) = FileSystems.match([pattern])
    names = sorted(file.path for file in found.metadata_list)
    files = [name for name in names if not Path(name).name.startswith((".", "_"))]
    if not files:
        raise UserError(f"There is nothing to read at {batch.input}.", "Correct the name.")
    for file in files:
        check_columns(file)
    return files


@contextmanager
def _progress(staging: str, tell: Callable[[str], None]) -> Iterator[None]:
    ended, began = threading.Event(), time.monotonic()

    def look() -> None:
        while not ended.wait(PROGRESS_SECONDS):
            rows = sum(rows_in(s) for kind in ("answers", "dead") for s in shards(staging, kind))
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
    return f"{said}."


def main(arguments: Sequence[str]) -> int:
    """Runs the command line.

    Args:
        arguments: Those after the program's name; Beam's own stand behind `--`.

    Returns:
        The exit status.
    """
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
        "--input", required=True, help=f"{files}, folder or glob; project.dataset.table; or a query"
    )
    parser.add_argument("--output", required=True, help=f"{files}, or project.dataset.table")
    parser.add_argument("--dead-letters", help="file of the rows not answered; beside the output")
    parser.add_argument(
        "--model-folder",
        default=f"runs/serving/{TABLE.pipeline}",
        help="folder of numbered versions, of which the newest predicts",
    )
    parser.add_argument("--staging", help="folder for what is not yet the output; beside it")
    parser.add_argument("--run", help="what the run is called in each row; by default the time")
    chosen = parser.parse_args(flags[: flags.index("--")] if "--" in flags else flags)
    try:
        batch = plan(
            chosen.input,
            chosen.output,
            chosen.model_folder,
            dead_letters=chosen.dead_letters,
            staging=chosen.staging,
            run=chosen.run,
        )
        outcome = launch(batch, beam_flags, lambda said: print(said, file=sys.stderr, flush=True))
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return FAILED
    print(summary(batch, outcome))
    return outcome.status
