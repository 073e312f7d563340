"""What came of the runs on this machine: begun, ended and read here and nowhere else.

ML Metadata keeps a record of each run beside TFX's own: what the runner knew when it began, and
what came of it, be it that a component failed. A list of runs is to come at once: what loads TFX
and TFMA is imported where it is needed.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from pydantic import ValidationError

from common.errors import UserError
from common.files import replacing, write_atomically
from report.collect.lineage import RUN, read_lineage
from report.collect.run_artifacts import OUTPUTS, RunArtifacts
from report.run_info import RunInfo
from report.runs import reports_of_versions
from report.runs.artifact_places import as_placed, is_there
from report.runs.metadata_file import open_metadata

if TYPE_CHECKING:
    from report.facts import Facts, Lineage
    from report.runs.summary import RunSummary

RECORD = "run_record"
"""Type of the contexts that hold the records. TFX's own begin with a run's first component only."""

UNFINISHED = "unfinished"
"""What came of a run that has not ended, or was stopped or killed."""


@dataclass(frozen=True)
class PastRun:
    """A run that was.

    Attributes:
        info: What the runner knew of it; None if another version of the project made it.
        outcome: The verdict in a word, or `UNFINISHED`.
        examples: Examples over all splits; None if it did not get to count them.
        rmse: Over all examples of the eval split; None before the evaluation.
        failure: What failed, a sentence.
    """

    run_id: str
    began: datetime.datetime
    info: RunInfo | None
    outcome: str
    examples: int | None
    rmse: float | None
    failure: str | None

    def known_info(self) -> RunInfo:
        """What the runner knew of it.

        Raises:
            UserError: If that is not known.
        """
        if self.info is None:
            raise UserError(
                f"The settings of run {self.run_id} are not known: another version of this "
                "project made it.",
                "Run local_runner.py again: it continues with what is done.",
            )
        return self.info


class RunRecords:
    """The records of the runs on a run root, and their pages.

    Args:
        store: ML Metadata of the run root.
        run_root: The run root; its folder `reports` is for pages of runs that did not get to write
            their own.
    """

    def __init__(self, store: mlmd.MetadataStore, run_root: Path) -> None:
        self._store = store
        self._root = run_root.resolve()
        self._pages = self._root / "reports"
        self._of_versions = reports_of_versions(self._root)

    @classmethod
    def open(cls, run_root: Path) -> RunRecords:
        """Opens the records of a run root, to read.

        Raises:
            UserError: If there are none, or they can't be read.
        """
        return cls(open_metadata(run_root), run_root)

    def begin(self, run_id: str, info: RunInfo) -> None:
        """Records that a run begins."""
        self._write(run_id, info=info.to_json())

    def end(self, run_id: str, failure: str | None = None) -> RunSummary:
        """Records what came of a run, and what failed, if anything did; and sees to its page."""
        from report.runs.summary import summarise

        if failure is not None:
            self._write(run_id, failure=failure)
        run = RunArtifacts.from_lineage(self._lineage(run_id))
        if run.page is not None:
            page, outcome = run.page.uri, run.page.properties["outcome"]
        else:
            facts = self.facts(self.read()[run_id])
            page, outcome = str(self.write_page(facts)), facts.verdict.outcome
        summary = summarise(run, page)
        self._write(run_id, outcome=outcome, examples=sum(summary.rows.values()))
        if summary.overall is not None:
            self._write(run_id, rmse=summary.overall.rmse.value)
        if summary.pushed_to is not None:
            self._link(summary.pushed_to.rstrip("/").rpartition("/")[2], Path(page))
        return summary

    def _link(self, version: str, page: Path) -> None:
        """Lets a server find the page of a version; relative, so that the run root may move."""
        with replacing(self._of_versions / f"{version}.html") as link:
            link.symlink_to(os.path.relpath(page.resolve(), self._of_versions))

    def repeat(self, last_run_id: str, run_id: str) -> None:
        """Records of a run that has begun that it came to the same as another one."""
        last = self._store.get_context_by_type_and_name(RECORD, last_run_id)
        self._write(run_id, **_values(last))

    def read(self) -> dict[str, PastRun]:
        """The runs there were, the newest first, by name."""
        # Other versions of the project wrote what they had to say on TFX's own contexts.
        found = {
            c.name: c for kind in (RUN, RECORD) for c in self._store.get_contexts_by_type(kind)
        }
        newest_first = sorted(found.values(), key=lambda c: -c.create_time_since_epoch)
        return {context.name: _past_run(context) for context in newest_first}

    def pushed(self) -> dict[int, PastRun]:
        """The newest run of each version that was pushed from here, by version."""
        found: dict[int, PastRun] = {}
        for past in self.read().values():
            pushed = self.artifacts(past).pushed
            if pushed and str(pushed.properties.get("pushed_version", "")).isdigit():
                found.setdefault(int(pushed.properties["pushed_version"]), past)
        return found

    def artifacts(self, past: PastRun) -> RunArtifacts:
        """What a run made, or took from the cache."""
        return RunArtifacts.from_lineage(self._lineage(past.run_id))

    def facts(self, past: PastRun) -> Facts:
        """Reads the facts of a run.

        Raises:
            UserError: If what the runner knew of it is not known, or what it made is gone.
        """
        from report.collect.collector import collect_facts

        info = past.known_info()
        lineage = self._lineage(past.run_id)
        run = RunArtifacts.from_lineage(lineage)
        if gone := _gone(run):
            raise UserError(
                f"What run {past.run_id} made is no longer there: {', '.join(gone)}.",
                "Its page can't be made any more; local_runner.py report lists the other runs.",
            )
        return collect_facts(run, info, past.run_id, lineage, past.failure)

    def page(self, past: PastRun) -> Path | None:
        """The page of a run: its own, or one that was made since; None if there is none yet."""
        own = RunArtifacts.from_lineage(self._lineage(past.run_id)).page
        places = ([Path(own.uri)] if own else []) + [self._file(past.run_id)]
        return next((place for place in places if place.exists()), None)

    def write_page(self, facts: Facts) -> Path:
        """Writes the page of a run into the folder of pages."""
        from report.render.page import render

        return write_atomically(self._file(facts.run_id), render(facts))

    def write_served(self, facts: Facts) -> Path:
        """Writes the page of a run, with what its model was asked, beside its own page."""
        from report.render.page import render

        return write_atomically(self._file(f"{facts.run_id}-served"), render(facts))

    def write_comparison(self, a: Facts, b: Facts) -> Path:
        """Writes the page that compares two runs into the folder of pages."""
        from report.render.page import render_comparison

        return write_atomically(self._file(f"{a.run_id}-and-{b.run_id}"), render_comparison(a, b))

    def _lineage(self, run_id: str) -> Lineage:
        return as_placed(read_lineage(self._store, run_id), self._root)

    def _file(self, name: str) -> Path:
        return self._pages / f"{name}.html"

    def _write(self, run_id: str, **values: str | float) -> None:
        kind = self._store.put_context_type(metadata_store_pb2.ContextType(name=RECORD))
        context = self._store.get_context_by_type_and_name(RECORD, run_id)
        context = context or metadata_store_pb2.Context(type_id=kind, name=run_id)
        for name, value in values.items():
            kind = "string_value" if isinstance(value, str) else "double_value"
            setattr(context.custom_properties[name], kind, value)
        self._store.put_contexts([context])


def _gone(run: RunArtifacts) -> list[str]:
    """What the page of a run is made of, and is no longer there."""
    parts = [getattr(run, name) for name in OUTPUTS if name != "page"]
    return [part.uri for part in parts if part and not is_there(part.type, part.uri)]


def _past_run(context: metadata_store_pb2.Context) -> PastRun:
    values = _values(context)
    began = context.create_time_since_epoch / 1000
    return PastRun(
        run_id=context.name,
        began=datetime.datetime.fromtimestamp(began, datetime.timezone.utc),
        info=_info(values.get("info")),
        outcome=values.get("outcome", UNFINISHED),
        examples=int(values["examples"]) if "examples" in values else None,
        rmse=values.get("rmse"),
        failure=values.get("failure"),
    )


def _values(context: metadata_store_pb2.Context) -> dict[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("value"))
        for name, value in context.custom_properties.items()
    }


def _info(text: str | None) -> RunInfo | None:
    """What the runner knew; None if it is in the form of another version of the project."""
    try:
        return RunInfo.from_json(text) if text else None
    except ValidationError:
        return None
