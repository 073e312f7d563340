"""What came of a run, for the terminal.

It is shown at once where nothing has changed: what loads TFX and TFMA is imported where it is
needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from models import history
from report.collect.run_artifacts import RunArtifacts
from report.facts import Slice


@dataclass(frozen=True)
class RunSummary:
    """What a reader wants to know of a run; what the run did not get to is empty or None.

    Attributes:
        rows: Examples per split.
        anomalies: What the gate found, a sentence each; None if it was not reached.
        overall: The model over all examples of the eval split, and its baseline if there is one.
        reasons: Why it may not, a sentence for each bound that was crossed.
        pushed_to: Folder of the pushed version.
        training_log: Folder of the TensorBoard log.
        start: Where training started, if there was a model that it was to go on from.
        replay: How the model answered in its server, a sentence.
        scored: What came of the rows that were predicted after the push, a sentence.
    """

    rows: dict[str, int]
    anomalies: tuple[str, ...] | None
    overall: Slice | None
    blessed: bool | None
    reasons: tuple[str, ...]
    pushed_to: str | None
    training_log: str | None
    page: str
    start: str | None = None
    replay: str | None = None
    scored: str | None = None


def summarise(run: RunArtifacts, page: str) -> RunSummary:
    """Reads the summary of a run from its artifacts."""
    from report.collect.data_quality import read_split_statistics, row_counts
    from report.collect.replayed_requests import read_replay
    from report.collect.slice_metrics import read_slices
    from report.collect.verdict import blessed, pushed_to, read_reasons
    from schema.validation import read_findings

    replay = read_replay(run.replay.uri) if run.replay else None
    findings = read_findings(run.findings.uri) if run.findings else None
    return RunSummary(
        rows=row_counts(read_split_statistics(run)),
        anomalies=None if findings is None else tuple(map(str, findings)),
        overall=read_slices(run.evaluation.uri)[0] if run.evaluation else None,
        blessed=blessed(run),
        reasons=(
            *(read_reasons(run.evaluation.uri) if run.evaluation else ()),
            *(replay.reasons if replay else ()),
        ),
        pushed_to=pushed_to(run),
        training_log=run.training.uri if run.training else None,
        page=page,
        start=_start(history.read(run.training.uri)) if run.training else None,
        replay=replay.sentence if replay else None,
        scored=run.scored.properties.get("summary") if run.scored else None,
    )


def _start(training: history.History) -> str | None:
    if training.base is None:
        return None
    if training.base.differences:
        differences = "; ".join(training.base.differences)
        return f"cold, as the last blessed model does not fit: {differences}"
    return f"warm, from step {training.base.step:,} of the last blessed model"
