"""Small real runs on a root of their own, made as the command line makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from pipeline.cli.status import State
from pipeline.local.run import report_failure, run_pipeline
from pipeline.settings import LocalSettings, load_settings
from report.collect.lineage import read_lineage
from report.collect.run_artifacts import RunArtifacts
from report.facts import Facts
from report.runs.metadata_file import open_metadata
from report.runs.run_records import PastRun, RunRecords
from report.runs.summary import RunSummary

QUICK = (
    *("--sample", "0.2", "--train-steps", "60", "--checkpoint-interval", "20"),
    *("--batch-size", "128", "--max-rmse", "20", "--max-slice-rmse", "20"),
    *("--max-rmse-rise", "20", "--max-slice-rmse-rise", "20"),
)
"""A model that is blessed, however bad."""


class Witness:
    """An observer who remembers what a user should know."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def loading(self) -> None: ...

    def planned(self, components: Sequence[str]) -> None: ...

    def noticed(self, sentence: str) -> None:
        self.said.append(sentence)

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None: ...


class Runs:
    """Runs on a root of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.witness = Witness()

    def settings(self, *flags: str) -> LocalSettings:
        return load_settings([*QUICK, "--run-root", str(self.root), *flags])

    def make(self, run_id: str, *flags: str) -> RunSummary | None:
        """Makes a run as the command line does; None if it failed."""
        settings = self.settings(*flags)
        try:
            return run_pipeline(settings, run_id, self.witness)
        except UserError as error:
            report_failure(settings, run_id, error.cause)
            return None

    @property
    def records(self) -> RunRecords:
        return RunRecords.open(self.root)

    def past(self, run_id: str) -> PastRun:
        return self.records.read()[run_id]

    def artifacts(self, run_id: str) -> RunArtifacts:
        return RunArtifacts.from_lineage(read_lineage(open_metadata(self.root), run_id))

    def facts(self, run_id: str) -> Facts:
        return self.records.facts(self.past(run_id))

    def page(self, run_id: str) -> str:
        """The page of a run that did not get to write its own."""
        return (self.root / "reports" / f"{run_id}.html").read_text()
