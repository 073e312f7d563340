"""What came of a rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.cli.status import State
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.spec import Job
from pipeline.rehearsal.store import Artifact, Outputs


@dataclass
class Rehearsed:
    """What came of a rehearsal.

    Attributes:
        logs: Folder with a log per task, and the requests to Vertex AI.
        states: How each task ended.
        blessed: Whether the model was; None if nothing judged it.
        baseline: Whether there was a blessed model to compare with.
        evaluation: Folder of the Evaluator's results, on this machine.
        replay: Folder of what came of the replay, on this machine.
        pushed: Folder of the pushed model, on this machine; None if none was pushed.
        page: The report, or the page of a watch, on this machine.
        drifted: Whether a watch found what is asked to be not as learned; None without a watch.
    """

    logs: Path
    states: dict[str, State] = field(default_factory=dict)
    blessed: bool | None = None
    baseline: bool = False
    evaluation: Path | None = None
    replay: Path | None = None
    pushed: Path | None = None
    page: Path | None = None
    drifted: bool | None = None


def conclude(
    outcome: Rehearsed,
    job: Job,
    made: Mapping[str, Outputs],
    buckets: Buckets,
    deployed: Callable[[str], Path | None],
) -> None:
    """Fills in what became of the model."""
    for name, outputs in made.items():
        for artifact in (a for found in outputs.values() for a in found):
            if job.tasks[name].container is None:
                outcome.baseline |= artifact.title == "tfx.Model"
            elif artifact.title in ("tfx.ModelBlessing", "tfx.InfraBlessing"):
                passed = bool(artifact.metadata.get("blessed"))
                outcome.blessed = passed and outcome.blessed is not False
                if artifact.title == "tfx.InfraBlessing":
                    outcome.replay = buckets.path(artifact.uri)
            elif artifact.title == "tfx.ModelEvaluation":
                outcome.evaluation = buckets.path(artifact.uri)
            elif artifact.title == "tfx.PushedModel":
                outcome.pushed = _folder(artifact, buckets, deployed)
            elif artifact.title == "system.HTML":
                outcome.page = buckets.path(artifact.uri)
                if (drifted := artifact.metadata.get("drifted")) is not None:
                    outcome.drifted = bool(drifted)


def _folder(
    pushed: Artifact, buckets: Buckets, deployed: Callable[[str], Path | None]
) -> Path | None:
    destination = str(pushed.metadata.get("pushed_destination", ""))
    if not pushed.metadata.get("pushed"):
        return None
    return buckets.path(destination) if destination[:5] == "gs://" else deployed(destination)
