"""Measures speed and quality side by side with the stock way and with the physical limit.

Every row compares within this one run on this one machine, so read the ratios: absolute figures
move with the machine and with what else it does.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Process, run_python
from common.environment import set_environment
from data.table import TABLE
from models.features import LABEL
from pipeline.cli.console import log_to
from pipeline.settings import ROOT, load_settings
from report.collect.lineage import read_lineage
from report.runs.metadata_file import open_metadata
from report.runs.run_records import RunRecords

PARTS = (
    *("run", "edit", "refusals", "quality", "ingestion", "reading", "training", "warm", "workers"),
    *("tuning", "serving", "batch", "stream", "watch", "million", "ten_million"),
)

MANY_STEPS = 20_000
"""Of 512 rows each, for a million."""


def main(arguments: list[str]) -> int:
    """Measures what is asked for and prints a table."""
    set_environment()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        default=PARTS,
        metavar="PART",
        help=f"what to measure, of {', '.join(PARTS)}; all by default, about forty minutes",
    )
    parts = parser.parse_args(arguments).parts
    if unknown := set(parts) - set(PARTS):
        parser.error(
            f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}"
        )
    table = Table("measure", "ours", "against", "theirs", "ours / theirs")
    for column in (1, 3, 4):
        table.columns[column].justify = "right"
    with tempfile.TemporaryDirectory() as folder, log_to(Path(folder) / "log") as console:
        bench = Bench(Path(folder))
        for part in PARTS:
            if part in parts:
                _measure(part, bench, console, table)
        console.print(table)
    return 0


def _measure(part: str, bench: Bench, console: Console, table: Table) -> None:
    with console.status(f"measuring {part}"):
        for row in getattr(bench, part)():
            form, theirs = row.form, row.theirs
            table.add_row(
                row.measure,
                format(row.ours, form),
                row.against,
                "" if theirs is None else format(theirs, form),
                "" if theirs is None else f"{row.ours / theirs:.3g}",
            )


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        measure: What is measured, and its unit.
        form: How to print the figures, as `format` takes it.
        ours: Our figure.
        against: What it is compared with.
        theirs: The figure of that.
    """

    measure: str
    form: str
    ours: float
    against: str = ""
    theirs: float | None = None


class Bench:
    """The measurements.

    Args:
        folder: Somewhere to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ours = folder / "ours"
        self._stock = folder / "stock"

    def run(self) -> Iterator[Row]:
        """The whole pipeline on the sample, in a fresh run root, against the stock way."""
        first, stock = self._our_run.seconds, self._stock_run.seconds
        again = self._local_run(self._ours)
        stock_again = self._stock_pipeline(self._ours, self._stock)
        yield Row("first run, s", ".1f", first, "stock components", stock)
        yield Row("first run, s", ".1f", first, "its steps, on one batch", self._steps_alone)
        yield Row("first run, s", ".1f", first, "aim", 25)
        yield Row("unchanged second run, s", ".1f", again.seconds, "our first run", first)
        yield Row("unchanged second run, s", ".1f", again.seconds, "stock", stock_again.seconds)
        yield Row("unchanged second run, s", ".1f", again.seconds, "aim", 5)

    def edit(self) -> Iterator[Row]:
        """From an edited cross to a verdict, and on to a pushed model and a report."""
        _ = self._our_run, self._stock_run
        checkout, root = self._checkout(), self._folder / "edit"
        self._local_run(root, checkout=checkout)
        file = checkout / "models" / "features.py"
        count = re.compile(r"buckets=([\d_]+)")
        more = count.sub(lambda m: f"buckets={int(m[1]) + 1}", file.read_text(), count=1)
        file.write_text(more)
        ours = self._local_run(root, checkout=checkout).seconds
        stock = self._stock_pipeline(self._ours, self._stock, "edited", checkout=checkout).seconds
        yield Row("an edit, to pushed model and report, s", ".1f", ours, "stock, no report", stock)
        verdict = ours - _seconds_of("Report", root)
        measure = "an edit, to verdict and pushed model, s"
        yield Row(measure, ".1f", verdict, "its steps, on one batch", self._steps_alone)
        yield Row(measure, ".1f", verdict, "aim", 20)

    def refusals(self) -> Iterator[Row]:
        """How long it takes to be told of a mistake."""
        log, missing = self._folder / "log.txt", str(self._folder / "missing.parquet")
        answers = str(self._folder / "answers.parquet")
        root = str(self._folder / "refused")
        idle = run_python(["-c", ""], log).seconds
        stock = run_python(["-m", "benchmarks.stock", missing, root], log, refused=True)
        mistakes = {
            "a source that is not there": ("--source", missing),
            "a setting that is no number": ("--train-steps", "many"),
            "a setting that there is not": ("--train-stepps", "100"),
            "a request for rows that are not there": (
                "predict",
                "--input",
                missing,
                "--output",
                answers,
            ),
        }
        for mistake, arguments in mistakes.items():
            told = run_python(
                ["local_runner.py", "--run-root", root, *arguments], log, refused=True
            ).seconds
            if mistake == "a source that is not there":
                yield Row(f"{mistake}, s", ".2f", told, "stock", stock.seconds)
                yield Row(f"{mistake}, s", ".2f", told, "a Python that does nothing", idle)
            yield Row(f"{mistake}, s", ".2f", told, "aim", 1)

    def quality(self) -> Iterator[Row]:
        """Error on the eval split against other learners on the same rows."""
        from benchmarks.quality import errors, pushed_model_error

        _ = self._our_run  # Pushes the model.
        ours = pushed_model_error(_only(self._ours, f"serving/{TABLE.pipeline}/*"))
        for learner, theirs in errors().items():
            yield Row(f"RMSE on eval, {LABEL.unit}", ".4f", ours, learner, theirs)

    def ingestion(self) -> Iterator[Row]:
        """Rows a second, from a query's answer to files."""
        from benchmarks.ingestion import rates

        ours, stock, query = rates(self._folder / "ingestion")
        yield Row("ingestion, rows/s", ",.0f", ours, "stock executor", stock)
        yield Row("ingestion, rows/s", ",.0f", ours, "the query alone", query)

    def reading(self) -> Iterator[Row]:
        """Examples a second into Beam: what StatisticsGen, Transform and Evaluator read with."""
        from benchmarks.reading import rates

        _ = self._our_run  # Makes the examples.
        files = _only(self._ours, "pipeline/BigQueryExampleGen/examples/*/Split-train")
        ours, stock, alone = rates(files)
        yield Row("into Beam, examples/s", ",.0f", ours, "stock source", stock)
        yield Row("into Beam, examples/s", ",.0f", ours, "read and decoded alone", alone)

    def training(self) -> Iterator[Row]:
        """Examples a second of the training loop."""
        from benchmarks.training import rates

        _ = self._our_run, self._stock_run  # Make what both are fed with.
        ours, stock, memory = rates(
            _only(self._ours, "pipeline/BigQueryExampleGen/examples/*/Split-train"),
            _only(self._ours, "pipeline/Transform/transform_graph/*"),
            _only(self._stock, "pipeline/Transform/transformed_examples/*/Split-train"),
        )
        yield Row("training, examples/s", ",.0f", ours, "TFX's data accessor", stock)
        yield Row("training, examples/s", ",.0f", ours, "one batch from memory", memory)

    def warm(self) -> Iterator[Row]:
        """Training on the rows of a new year: from the model of the years before, and cold."""
        from benchmarks.trainings import steps_to, train

        source = self._generate("years", "--rows", "300000", "--years", "2001-2008", "--seed", "11")
        before, after = (self._transformed(source, years) for years in ("2001-2007", "2008"))
        train(before, self._folder / "before", 1500, 250)
        cold = train(after, self._folder / "cold", 300, 20)
        warm = train(after, self._folder / "warm", 300, 20, base=self._folder / "before")
        unit = LABEL.unit
        errors = {r.step: r.val_rmse for r in cold.records}
        for record in warm.records:
            measure = f"RMSE on a new year after {record.step} steps, warm, {unit}"
            yield Row(measure, ".4f", record.val_rmse, "cold", errors.get(record.step))
        good = 1.002 * cold.best.val_rmse
        yield Row(
            "steps to within 0.2% of the best that cold came to, warm",
            ".0f",
            float("nan") if (found := steps_to(warm, good)) is None else found,
            "cold",
            steps_to(cold, good),
        )

    def workers(self) -> Iterator[Row]:
        """One training by one, two and four processes of this machine."""
        from benchmarks.trainings import BATCH_ROWS, step_milliseconds, train

        root = self._folder / "sharded"
        self._local_run(root, "--shards", "4", "--to", "Transform")
        alone = train(root, self._folder / "alone", 600, 100)
        for count in (2, 4):
            done = train(root, self._folder / f"by-{count}", 600, 100, workers=count)
            rows = ", ".join(f"{worker.rows:,}" for worker in done.workers)
            name = f"{count} processes, reading {rows} rows"
            rmse, times = done.best.val_rmse, [step_milliseconds(t) for t in (done, alone)]
            yield Row(f"RMSE by {name}, {LABEL.unit}", ".4f", rmse, "one", alone.best.val_rmse)
            yield Row(f"a step of {count} processes, ms", ".2f", times[0], "one", times[1])
            rates = [1000 * BATCH_ROWS / time for time in times]
            yield Row(f"examples/s of {count} processes", ",.0f", rates[0], "one", rates[1])

    def tuning(self) -> Iterator[Row]:
        """Four trials of as many steps as a training has, two at a time; then the best of them."""
        from benchmarks.quality import pushed_model_error

        _ = self._our_run  # Pushes a model of what is set.
        root = self._folder / "tuned"
        self._local_run(root, "--tune-trials", "4")
        yield Row("tuning, trials/hour", ".0f", 4 * 3600 / _seconds_of("Tuner", root))
        for split in ("eval", "test"):
            ours, theirs = (
                pushed_model_error(_only(run, f"serving/{TABLE.pipeline}/*"), split)
                for run in (root, self._ours)
            )
            yield Row(f"RMSE on {split}, tuned, {LABEL.unit}", ".4f", ours, "untuned", theirs)

    def serving(self) -> Iterator[Row]:
        """The server of the pushed model, against calling the model in the process."""
        from benchmarks.serving import measure

        _ = self._our_run  # Pushes the model.
        served = measure(_only(self._ours, f"serving/{TABLE.pipeline}/*"), self._folder / "serving")
        for rows, asked in served.asked.items():
            floor = served.floor[rows]
            measure_ = f"{rows:,} rows served, ms" if rows > 1 else "a row served, ms"
            yield Row(f"{measure_}, p50", ".2f", asked.p50, "the model alone", floor.p50)
            yield Row(f"{measure_}, p99", ".2f", asked.p99, "the model alone", floor.p99)
        for clients, rate in served.rate.items():
            yield Row(f"requests/s, {clients} clients", ",.0f", rate)
        yield Row("server's memory, GB", ".2f", served.resident_bytes / 1e9)
        steady, switching = served.steady, served.switching
        yield Row("p99 of a switch, ms", ".1f", switching.p99, "without one", steady.p99)

    def batch(self) -> Iterator[Row]:
        """Batch prediction of the pushed model, against its signature and BulkInferrer."""
        from benchmarks.batch import MORE, MOST, ROWS, measure

        _ = self._our_run  # Pushes the model.
        found = measure(
            _only(self._ours, "pipeline/Trainer/model/*"),
            _only(self._ours, "pipeline/BigQueryExampleGen/examples/*"),
            self._ours / "serving" / TABLE.pipeline,
            self._folder / "batch",
        )
        for rows, rate in found.rates.items():
            yield Row(f"{rows:,} rows, rows/s", ",.0f", rate, "the model alone", found.alone)
        rate = found.rates[MORE]
        yield Row("batch, rows/s", ",.0f", rate, "BulkInferrer", found.bulk)
        yield Row("batch, rows/s", ",.0f", rate, "the model as SQL, in DuckDB", found.as_sql)
        less, most = (found.peak_bytes[rows] / 1e9 for rows in (ROWS, MOST))
        yield Row(f"peak of {MOST:,} rows, GB", ".2f", most, f"{ROWS:,} rows", less)

    def stream(self) -> Iterator[Row]:
        """The stream of the pushed model on Pub/Sub's emulator, against an echo without a model."""
        from pubsub import LACKING, emulator_program

        from benchmarks.stream import measure

        if emulator_program() is None:
            yield Row(f"stream: {LACKING}", ".0f", float("nan"))
            return
        _ = self._our_run  # Pushes the model.
        ours, echo = measure(self._ours / "serving" / TABLE.pipeline, self._folder / "stream")
        limit = "an echo without a model"
        yield Row("stream, messages/s", ",.0f", ours.rate, limit, echo.rate)
        yield Row("publish to answer, ms, p50", ".1f", ours.latency.p50, limit, echo.latency.p50)
        yield Row("publish to answer, ms, p99", ".1f", ours.latency.p99, limit, echo.latency.p99)

    def watch(self) -> Iterator[Row]:
        """The watch on a log of requests of the pushed model."""
        from benchmarks.watching import ROWS, measure

        _ = self._our_run  # Pushes the model.
        process = measure(
            self._ours,
            _only(self._ours, "pipeline/BigQueryExampleGen/examples/*/Split-test"),
            int(_only(self._ours, f"serving/{TABLE.pipeline}/*").name),
            self._folder / "watch",
        )
        yield Row(f"a watch on {ROWS:,} rows, s", ".1f", process.seconds, "aim", 60)
        yield Row("its peak, GB", ".2f", process.peak_bytes / 1e9)

    def _checkout(self) -> Path:
        """A copy of this project, to edit."""
        copy = self._folder / "checkout"
        known = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(known, cwd=ROOT, text=True).splitlines():
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)
        return copy

    def _generate(self, name: str, *arguments: str) -> Path:
        source = self._folder / f"{name}.parquet"
        run_python(
            ["-m", "data.synthetic.generate", *arguments, "--out", str(source)],
            self._folder / "log.txt",
        )
        return source

    def _transformed(self, source: Path, years: str) -> Path:
        """Root of a run up to the transform graph."""
        root = self._folder / f"years-{years}"
        # Years that have not been compared yet differ; it is not them that are measured.
        chosen = ("--source", str(source), "--years", years, "--anomaly-severity", "never")
        self._local_run(root, *chosen, "--to", "Transform")
        return root

    def million(self) -> Iterator[Row]:
        """A run on a million generated rows: time, memory, and its model against a tree."""
        from benchmarks.quality import compare_with_tree
        from benchmarks.reading import decoding_seconds

        source = self._generate("million", "--rows", "1000000", "--seed", "7")
        root = self._folder / "million"
        process = self._local_run(root, "--source", str(source))
        measure = f"a million {TABLE.rows}"
        stock = self._stock_pipeline(root, self._folder / "stock-million")
        yield Row(f"{measure}, s", ".0f", process.seconds, "stock components", stock.seconds)
        decoded = sum(map(decoding_seconds, root.glob("pipeline/BigQueryExampleGen/examples/*/*")))
        yield Row(f"{measure}, s", ".0f", process.seconds, "their examples, decoded once", decoded)
        yield Row(f"{measure}, s", ".0f", process.seconds, "aim", 75)
        peak, stock_peak = process.peak_bytes / 1e9, stock.peak_bytes / 1e9
        yield Row(f"{measure}, peak GB", ".2f", peak, "stock components", stock_peak)
        yield Row(f"{measure}, peak GB", ".2f", peak, "promised", 6)
        report = _seconds_of("Report", root)
        yield Row("their report, s", ".1f", report, "the whole run", process.seconds)
        yield Row("their report, s", ".1f", report, "promised", 20)
        # The default's steps do not see every row once; these see each about seven times.
        self._local_run(
            root, "--source", str(source), "--train-steps", str(MANY_STEPS), "--to", "Trainer"
        )
        models = root.glob("pipeline/Trainer/model/*/Format-Serving")
        for steps, model in zip(
            ("as many steps as for the sample", f"{MANY_STEPS:,} steps"),
            sorted(models, key=lambda model: int(model.parent.name)),
            strict=True,
        ):
            found = compare_with_tree(model, source)
            measure = f"RMSE on their test split (95%: ±{found.margin:.4f}), {steps}, {LABEL.unit}"
            yield Row(measure, ".4f", found.ours, "gradient-boosted tree", found.theirs)
            yield Row(measure, ".4f", found.ours, "the noise floor", found.floor)

    def ten_million(self) -> Iterator[Row]:
        """Ten times as many rows: time in proportion, and memory."""
        took = {}
        for name, rows in (("a million", 1_000_000), ("ten million", 10_000_000)):
            source = self._generate("many", "--rows", str(rows), "--seed", "7")
            root = self._folder / f"many-{rows}"
            took[name] = self._local_run(root, "--source", str(source))
            shutil.rmtree(root)
        ten, one = took["ten million"], took["a million"]
        measure = f"ten million {TABLE.rows}"
        yield Row(f"{measure}, s", ".0f", ten.seconds, "ten times a million", 10 * one.seconds)
        yield Row(
            f"{measure}, peak GB", ".2f", ten.peak_bytes / 1e9, "a million", one.peak_bytes / 1e9
        )
        yield Row(f"{measure}, peak GB", ".2f", ten.peak_bytes / 1e9, "aim", 8)

    @cached_property
    def _our_run(self) -> Process:
        return self._local_run(self._ours)

    @cached_property
    def _stock_run(self) -> Process:
        _ = self._our_run  # Its examples are what the stock run imports.
        return self._stock_pipeline(self._ours, self._stock)

    @cached_property
    def _steps_alone(self) -> float:
        """Seconds of the steps of a training, on one batch from memory: no run takes less."""
        from benchmarks.training import BATCH, memory_rate

        settings = load_settings()
        rate = memory_rate(
            _only(self._ours, "pipeline/BigQueryExampleGen/examples/*/Split-train"),
            _only(self._ours, "pipeline/Transform/transform_graph/*"),
        )
        return settings.train_steps * BATCH / rate

    def _stock_pipeline(
        self, ours: Path, stock: Path, *edition: str, checkout: Path = ROOT
    ) -> Process:
        """A run of the stock pipeline on the examples of one of ours, with what its root caches."""
        examples = _only(ours, "pipeline/BigQueryExampleGen/examples/*")
        arguments = ["-m", "benchmarks.stock", str(examples), str(stock), *edition]
        return run_python(arguments, self._folder / "log.txt", checkout)

    def _local_run(self, root: Path, *arguments: str, checkout: Path = ROOT) -> Process:
        arguments = ("local_runner.py", "--run-root", str(root), *arguments)
        return run_python(arguments, self._folder / "log.txt", checkout)


def _seconds_of(component: str, root: Path) -> float:
    """How long a component of the last run on a root took, as ML Metadata has it."""
    run_id = max(RunRecords.open(root).read())
    lineage = read_lineage(open_metadata(root), run_id)
    taken = [e.seconds for e in lineage.executions if e.component == component]
    (seconds,) = (s for s in taken if s is not None)
    return seconds


def _only(root: Path, pattern: str) -> Path:
    (found,) = root.glob(pattern)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
