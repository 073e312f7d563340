"""Brings metadata and folders of a run root into agreement before a run, and removes leftovers.

Only call what is here where no run can be alive on the same root.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from report.runs.artifact_places import PIPELINE, is_there, moved_from, relocated

SET_ASIDE = "set-aside"
"""Folder of the run root for what a run found there and nobody knows."""

CHECKPOINTS = "checkpoints"

CHECKPOINTS_KEPT = 3
"""Trainings that were given up for so many others are not taken up again."""

_LIVE = metadata_store_pb2.Artifact.LIVE
_DELETED = metadata_store_pb2.Artifact.DELETED
_PARTIAL_AGE = 3600.0
"""Seconds after which nobody is writing the page of a past run any more."""


def make_ready(store: mlmd.MetadataStore, run_root: Path, run_id: str) -> list[str]:
    """Does all that is needed before a run.

    Args:
        store: ML Metadata of the run root.
        run_root: The run root, resolved.
        run_id: The run that is to begin; what is set aside is put in a folder of that name.

    Returns:
        What the user should know, a sentence each.
    """
    clear_killed_runs(store, run_root / PIPELINE)
    tidy(run_root)
    said = [follow_move(store, run_root), set_aside_unknown(store, run_root, run_id)]
    return [*filter(None, said), *pass_over_gone(store)]


def clear_killed_runs(store: mlmd.MetadataStore, pipeline_root: Path) -> list[int]:
    """Marks executions that a killed run left running as cancelled, and removes what they wrote.

    Returns:
        Ids of the executions cleared.
    """
    active = (metadata_store_pb2.Execution.NEW, metadata_store_pb2.Execution.RUNNING)
    stale = [e for e in store.get_executions() if e.last_known_state in active]
    for execution in stale:
        execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        # TFX puts each output in <component>/<output>/<execution id>.
        for folder in pipeline_root.glob(f"*/*/{execution.id}"):
            shutil.rmtree(folder)
    if stale:
        store.put_executions(stale)
    return [execution.id for execution in stale]


def tidy(run_root: Path) -> None:
    """Removes what no execution owns: working folders, half-written files, abandoned training."""
    remove(run_root.glob(f"{PIPELINE}/*/.system"))
    remove(run_root.glob("schema/*/.*"))
    half_written = run_root.glob("reports/.*")
    remove(p for p in half_written if time.time() - p.stat().st_mtime > _PARTIAL_AGE)
    trainings = sorted(
        (run_root / CHECKPOINTS).glob("*"), key=lambda p: p.stat().st_mtime, reverse=True
    )
    remove(trainings[CHECKPOINTS_KEPT:])


def remove(places: Iterable[Path]) -> None:
    """Removes files and folders; what is gone already is no error."""
    for place in list(places):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def follow_move(store: mlmd.MetadataStore, run_root: Path) -> str | None:
    """Gives artifacts the paths that they have since the root was moved, or copied.

    Returns:
        What was done, a sentence; None if nothing.
    """
    moved = relocate(store.get_artifacts(), run_root)
    if not moved:
        return None
    store.put_artifacts([artifact for of_one in moved.values() for artifact in of_one])
    return (
        f"This run root was at {' and '.join(sorted(moved))}: its metadata now has the paths of "
        "today. Most components run once more."
    )


def relocate(
    artifacts: Iterable[metadata_store_pb2.Artifact], run_root: Path
) -> dict[str, list[metadata_store_pb2.Artifact]]:
    """Changes the paths of those artifacts that were made where this root was before.

    Returns:
        Those, by the root they were made in.
    """
    moved: dict[str, list[metadata_store_pb2.Artifact]] = {}
    for artifact in artifacts:
        if not (other := moved_from(artifact.uri, run_root)):
            continue
        artifact.uri = relocated(artifact.uri, other, run_root)
        for values in (artifact.properties, artifact.custom_properties):
            for value in values.values():
                if value.WhichOneof("value") == "string_value":
                    value.string_value = relocated(value.string_value, other, run_root)
        moved.setdefault(other, []).append(artifact)
    return moved


def set_aside_unknown(store: mlmd.MetadataStore, run_root: Path, run_id: str) -> str | None:
    """Takes away artifacts that the metadata does not know, as where its file was moved away.

    Ids would start again, and new files come to lie among old ones.

    Returns:
        What was done, a sentence; None if nothing.
    """
    executions = {str(execution.id) for execution in store.get_executions()}
    unknown = [
        folder
        for folder in (run_root / PIPELINE).glob("*/*/*")
        if folder.name.isdigit() and folder.name not in executions
    ]
    checkpoints = run_root / CHECKPOINTS
    # A checkpoint is found again by the paths of its examples, which may be others' now.
    if checkpoints.is_dir() and any(checkpoints.iterdir()) and (unknown or not executions):
        unknown.append(checkpoints)
    if not unknown:
        return None
    aside = run_root / SET_ASIDE / run_id
    for folder in unknown:
        place = aside / folder.relative_to(run_root)
        place.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(place)
    return (
        f"{len(unknown)} folders that its metadata does not know were set aside in {aside}: remove "
        "them if you don't miss anything."
    )


def pass_over_gone(store: mlmd.MetadataStore) -> Iterator[str]:
    """Has TFX pass over artifacts whose files are gone, and no longer over those that are back.

    Yields:
        What was done, a sentence, if anything.
    """
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    changed = []
    for artifact in store.get_artifacts():
        if artifact.state in (_LIVE, _DELETED):
            state = _LIVE if is_there(types[artifact.type_id], artifact.uri) else _DELETED
            if artifact.state != state:
                artifact.state = state
                changed.append(artifact)
    if changed:
        store.put_artifacts(changed)
    gone = [artifact.uri for artifact in changed if artifact.state == _DELETED]
    if gone:
        yield f"No longer there, so passed over and made anew if needed: {_named(gone)}."


def _named(uris: Sequence[str]) -> str:
    """Some of them, without the root that they were made in, be it this one or another."""
    named = [uri.rpartition(f"/{PIPELINE}/")[2] for uri in uris[:3]]
    more = f" and {len(uris) - len(named)} more" if len(uris) > len(named) else ""
    return ", ".join(named) + more
