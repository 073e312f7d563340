"""What a batch is to read, with which version of the model, and where its rows go."""

from __future__ import annotations

import datetime
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from serving.batch.bigquery_tables import export
from serving.batch.logged_answers import AnswersLog
from serving.batch.row_files import (
    BIGQUERY,
    check_columns,
    files_at,
    is_query,
    is_table,
    kind_of,
)
from serving.dead_letters import SUFFIX
from serving.versions.readable_version import newest_readable, passed_over


@dataclass(frozen=True)
class Batch:
    """What to predict.

    Attributes:
        input: A file, a folder or a glob; a table of BigQuery; a query, or a file of one.
        output: A file, or a table of BigQuery.
        dead_letters: A file for the rows that are not answered.
        version: Folder of the model's version.
        version_name: What the version is called in each row.
        staging: Folder for what is not yet the output.
        run: What the run is called in each row.
        remarks: What the user should know about the choice of the version.
        log: Log of requests that gets the rows that are answered; None for none.
    """

    input: str
    output: str
    dead_letters: str
    version: str
    version_name: str
    staging: str
    run: str
    remarks: tuple[str, ...] = ()
    log: AnswersLog | None = None


def plan(
    given: str,
    output: str,
    model_folder: str,
    *,
    version_name: str | None = None,
    dead_letters: str | None = None,
    staging: str | None = None,
    run: str | None = None,
    request_log: str | None = None,
    request_log_share: float = 1.0,
) -> Batch:
    """Fills in what was not said, and checks what was.

    Args:
        given: What to read; see `Batch.input`.
        output: What to write.
        model_folder: Folder of numbered versions, of which the newest that can be read predicts;
            where `version_name` is given, of that one version.
        version_name: What the version is called; by default its number.
        dead_letters: By default beside the output.
        staging: By default beside the output.
        run: By default the time.
        request_log: Folder of a log of requests that gets the rows as well; None for none.
        request_log_share: Of rows that it gets.

    Raises:
        UserError: If no version is there that can be read, or a name says no format.
    """
    given, output = (place.removeprefix(BIGQUERY) for place in (given, output))
    if not is_table(output):
        kind_of(output)
    version, remarks = model_folder, ()
    if version_name is None:
        found = newest_readable(model_folder, _load)
        version, version_name = found.folder, str(found.number)
        remarks = tuple(passed_over(found.damaged))
    run = run or new_run()
    log = None
    if request_log:
        log = AnswersLog(request_log, run, int(version_name), time.time(), request_log_share)
    return Batch(
        given,
        output,
        dead_letters or f"{output}{SUFFIX}",
        version,
        version_name,
        staging or _staging(output),
        run,
        remarks,
        log,
    )


def _load(version: str) -> None:
    """Loads a version as workers will, and lets go of it."""
    from serving.batch.model_handler import SavedModelHandler

    SavedModelHandler(version).load_model()


def new_run() -> str:
    """What a run is called that got no name: the time."""
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M%S}"


def input_files(batch: Batch, project: str | None) -> list[str]:
    """The files to read, with what BigQuery holds written to some.

    A query is paid for by `project`; where that is None, by that of the credentials or the table.

    Raises:
        UserError: If there are none, or one lacks a column.
    """
    pattern = batch.input
    if is_query(pattern):
        query = pattern
        if is_table(pattern):
            query, project = f"SELECT * FROM `{pattern}`", project or pattern.split(".")[0]
        elif pattern.endswith(".sql"):
            query = Path(pattern).read_text(encoding="utf-8")
        pattern = export(query, batch.staging, project)
    files = files_at(pattern, batch.input)
    for file in files:
        check_columns(file)
    return files


def _staging(output: str) -> str:
    if is_table(output):
        return tempfile.mkdtemp(prefix="scoring-")
    folder, _, name = output.rpartition("/")
    return f"{folder or '.'}/.scoring-{name}"
