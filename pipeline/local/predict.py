"""The command `predict`: asks the newest pushed model, for one row or many, or writes it as SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg
from rich.console import Console

from common.errors import UserError
from data.query import SPLITS, render_splits
from data.table import TABLE
from models import interpretation
from models.intervals import Intervals
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTION, SERVING
from models.request import parse_request
from pipeline.cli.config import SettingsError
from pipeline.cli.status import Exit
from pipeline.settings import LocalSettings
from report.wording import declared_wording
from serving.batch.row_files import check
from serving.versions.readable_version import newest_readable, passed_over


class Options(BaseModel):
    """Ask the newest pushed model."""

    request: CliPositionalArg[str | None] = Field(
        default=None,
        description=f"One {TABLE.row} as JSON, such as '{json.dumps(EXAMPLE_REQUEST)}'.",
    )
    sql: bool = Field(
        default=False,
        description="print the model as one query in BigQuery's dialect, which predicts",
    )
    input: str | None = Field(
        default=None,
        description="with --output, the rows to predict: a .parquet, .csv or .jsonl file, a folder "
        f"or a glob; with --sql, a split ({', '.join(SPLITS)}), by default all; with both, a table "
        "as project.dataset.table, or a .sql file",
    )
    output: str | None = Field(
        default=None,
        description="file for the rows with their predictions: .parquet, .csv or .jsonl; or a "
        "table of BigQuery",
    )
    request_log: Path | None = Field(
        default=None,
        description="with --output, folder of a log of requests that gets the rows too, for watch",
    )


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Prints one prediction, or the model as a query; or predicts a file.

    Raises:
        UserError: If the request is not one, or as `predict`, `translate_model` and `launch`.
    """
    many = options.sql or options.output is not None
    twice = (options.sql and options.output is not None) or (options.input and not many)
    if (options.request is None) != many or twice:
        raise SettingsError(
            "It is not said what to predict, or twice.",
            f"Give one request, such as '{json.dumps(EXAMPLE_REQUEST)}'; or --sql; or --input and "
            "--output.",
        )
    if options.output is not None:
        return _batch(settings, options.input, options.output, options.request_log, console)
    if options.request is None:
        console.file.write(_query(settings, options.input))
        return Exit.DONE
    request = parse_request(options.request)  # Told before TensorFlow loads, if it is wrong.
    answer = predict(settings.serving_folder, request)
    console.print(_told(answer), highlight=False, soft_wrap=True)
    for sentence in passed_over(answer.damaged):
        console.print(sentence, markup=False, soft_wrap=True)
    return Exit.DONE


def _query(settings: LocalSettings, rows: str | None) -> str:
    chosen = rows_to_predict(settings, rows)  # Told before TensorFlow loads, if it is wrong.
    from serving.sql.translation import translate_model
    from serving.versions.saved_model import SavedModel

    found = newest_readable(settings.serving_folder, lambda version: SavedModel(version, 0))
    comments = [f"-- {sentence}\n" for sentence in passed_over(found.damaged)]
    return "".join([*comments, translate_model(Path(found.folder), chosen, found.model)])


def _batch(
    settings: LocalSettings,
    given: str | None,
    output: str,
    request_log: Path | None,
    console: Console,
) -> int:
    if given is None:
        raise SettingsError("--output is given, but no --input.", "Name the rows to predict.")
    check(given, output)
    # Takes the seconds of TensorFlow and Beam.
    from serving.batch import launch_batch
    from serving.batch.batch_plan import plan

    log = str(request_log.expanduser()) if request_log else None
    batch = plan(given, output, str(settings.serving_folder), request_log=log)
    flags = [f"--project={settings.project}"] if settings.project else []

    def say(said: str) -> None:
        console.print(said, markup=False, highlight=False, soft_wrap=True)

    outcome = launch_batch.launch(batch, flags, tell=say)
    say(launch_batch.summary(batch, outcome))
    return outcome.status


def _told(answer: Answer) -> str:
    """Such as `7.63 kg, 80% between 6.4 and 8.9`."""
    wording = declared_wording()
    told = wording.amount(answer.prediction, more_digits=-1)
    if answer.interval is None:
        return told
    digits = max(wording.digits - 2, 0)
    level, (low, high) = answer.interval
    return f"{told}, {level}% between {low:,.{digits}f} and {high:,.{digits}f}"


@dataclass(frozen=True)
class Answer:
    """What the newest version that can be read answers.

    Attributes:
        prediction: In the label's unit.
        interval: Its narrowest interval: level in percent, and ends. None of a model without.
        damaged: Newer versions that can't be read, and why.
    """

    prediction: float
    interval: tuple[int, tuple[float, float]] | None = None
    damaged: Mapping[str, str] = field(default_factory=dict)


def predict(folder: Path, request: Mapping[str, str | float]) -> Answer:
    """Makes one prediction with the newest version that can be read.

    Args:
        folder: Where versions of the model are pushed.
        request: A value for every feature, as `models.request` checks them.

    Raises:
        UserError: If there is no pushed model, none that can be read, or it takes other features.
    """
    version = newest_readable(folder, _signature)
    signature, intervals = version.model
    _, wanted = signature.structured_input_signature
    if wanted.keys() != request.keys():
        raise UserError(
            f"The model at {version.folder} was trained on other features than models/features.py "
            f"declares ({', '.join(sorted(wanted.keys() ^ request.keys()))}).",
            "Run local_runner.py, to train and push one on today's.",
        )
    import tensorflow as tf  # Loaded by now.

    asked = {name: tf.constant([value]) for name, value in request.items()}
    prediction = float(signature(**asked)[PREDICTION][0])
    return Answer(prediction, _narrowest(intervals, prediction, request), version.damaged)


def rows_to_predict(settings: LocalSettings, rows: str | None) -> str:
    """The query for the rows to predict, in BigQuery's dialect.

    Args:
        settings: Which rows the pipeline's own query selects.
        rows: A split, a table as `project.dataset.table`, the name of a file with a query; None for
            all splits.

    Raises:
        UserError: If it is something else.
    """
    if rows is None or rows in SPLITS:
        queries = render_splits(settings, table=settings.table, sample=settings.sample)
        chosen = queries.values() if rows is None else [queries[rows]]
        return "\nUNION ALL\n".join(f"(\n{query.strip()}\n)" for query in chosen)
    if Path(rows).is_file():
        return f"(\n{Path(rows).read_text(encoding='utf-8').strip()}\n)"
    if re.fullmatch(r"[\w-]+(\.[\w-]+){2}", rows):
        return f"SELECT * FROM `{rows}`"
    raise UserError(
        f"--input is {rows!r}, which is no split, no table and no file that is there.",
        f"Give one of {', '.join(SPLITS)}, project.dataset.table, or the name of a file.",
    )


def _signature(version: str) -> tuple[Any, Intervals | None]:
    """What a version answers with, and its intervals."""
    import tensorflow as tf  # Takes seconds.

    model = tf.saved_model.load(version)
    signature = model.signatures[SERVING]
    signature.model = model  # Else its variables would go with it.
    found = interpretation.read(version)
    return signature, found.intervals if found else None


def _narrowest(
    intervals: Intervals | None, prediction: float, request: Mapping[str, str | float]
) -> tuple[int, tuple[float, float]] | None:
    if intervals is None:
        return None
    columns = {name: np.array([value]) for name, value in request.items()}
    level, ends = next(iter(intervals.around(np.array([prediction]), columns).items()))
    low, high = ends[0].tolist()
    return level, (low, high)
