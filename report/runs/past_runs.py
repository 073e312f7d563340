"""The runs there were on this machine: what is remembered of each, read without loading TFX.

A run's context in ML Metadata carries what no artifact of it does: what the runner told when it
began, and what came of it, be it that a component failed.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from common.errors import UserError
from report.collect.lineage import RUN, read_lineage
from report.collect.run_artifacts import Run
from report.run_info import About

UNFINISHED = "unfinished"
"""What came of a run that was stopped or killed."""


@dataclass(frozen=True)
class PastRun:
    """A run that was.

    Attributes:
        run_id: Its name.
        began: When its first component began.
        about: What the runner told of it; None if it was killed, or is of another version of the
            project.
        outcome: The verdict in a word, or `UNFINISHED`.
        examples: Examples over all splits; None if it did not get to count them.
        rmse: Over all examples of the eval split, in pounds; None before the evaluation.
        failure: What failed, a sentence.
    """

    run_id: str
    began: datetime.datetime
    about: About | None
    outcome: str
    examples: int | None
    rmse: float | None
    failure: str | None

    def known(self) -> About:
        """What the runner told of it.

        Raises:
            UserError: If it is not known.
        """
        if self.about is None:
            raise UserError(
                f"The settings of run {self.run_id} are not known: it was killed, or made by "
                "another version of this project.",
                "Run local_runner.py again: it continues with what is done.",
            )
        return self.about


def open_metadata(run_root: Path) -> mlmd.MetadataStore:
    """Opens ML Metadata of a run root, to read.

    Raises:
        UserError: If there is none, or it can't be read.
    """
    file = run_root / "metadata.sqlite"
    if not file.is_file():
        raise UserError(
            f"There has been no run in {run_root}.",
            "Run local_runner.py first, or name another folder with --run-root.",
        )
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(file.resolve())
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    try:
        return mlmd.MetadataStore(config)
    except (mlmd.errors.StatusError, RuntimeError) as error:
        raise UserError(
            f"{file} can't be read ({error}).",
            "Move it away, or name another folder with --run-root.",
        ) from error


def remember(store: mlmd.MetadataStore, run_id: str, **told: str | float) -> None:
    """Writes on a run what there is to remember; a run that never began has nowhere to.

    Args:
        store: ML Metadata.
        run_id: The run.
        told: Any of `about`, `outcome`, `examples`, `rmse` and `failure`.
    """
    context = store.get_context_by_type_and_name(RUN, run_id)
    if context is None:
        return
    for name, value in told.items():
        if isinstance(value, str):
            context.custom_properties[name].string_value = value
        else:
            context.custom_properties[name].double_value = value
    store.put_contexts([context])


def past_runs(store: mlmd.MetadataStore) -> dict[str, PastRun]:
    """The runs there were, the newest first, by name."""
    contexts = store.get_contexts_by_type(RUN)
    newest_first = sorted(contexts, key=lambda c: c.create_time_since_epoch, reverse=True)
    return {context.name: _past_run(context) for context in newest_first}


def page_file(pages: Path, name: str) -> Path:
    """Where a page is that was not written by the run itself."""
    return pages / f"{name}.html"


def written_page(store: mlmd.MetadataStore, past: PastRun, pages: Path) -> Path | None:
    """The page of a run: its own, or one that was made after it; None if there is none yet.

    Args:
        store: ML Metadata.
        past: The run.
        pages: Folder of pages that were made after runs.
    """
    page = Run.from_lineage(read_lineage(store, past.run_id)).page
    places = ([Path(page.uri)] if page else []) + [page_file(pages, past.run_id)]
    return next((place for place in places if place.exists()), None)


def _past_run(context: metadata_store_pb2.Context) -> PastRun:
    told = context.custom_properties
    began = context.create_time_since_epoch / 1000
    return PastRun(
        run_id=context.name,
        began=datetime.datetime.fromtimestamp(began, datetime.timezone.utc),
        about=_about(told["about"].string_value) if "about" in told else None,
        outcome=told["outcome"].string_value if "outcome" in told else UNFINISHED,
        examples=int(told["examples"].double_value) if "examples" in told else None,
        rmse=told["rmse"].double_value if "rmse" in told else None,
        failure=told["failure"].string_value if "failure" in told else None,
    )


def _about(text: str) -> About | None:
    """What the runner told; None if it told it in the words of another version of the project."""
    try:
        return About.from_json(text)
    except (KeyError, TypeError):
        return None
