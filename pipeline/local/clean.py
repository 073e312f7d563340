"""The command `clean`: removes what old runs made and nothing needs any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from pydantic import BaseModel, Field
from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import show_places
from pipeline.cli.run_root import sole_run
from pipeline.local.housekeeping import clear_killed_runs, remove, tidy
from pipeline.settings import LocalSettings
from report.collect.lineage import RUN
from report.runs import metadata_file, reports_of_versions
from report.runs.artifact_places import PIPELINE
from report.runs.run_records import RECORD, RunRecords

_BLESSED_KEPT = 2
"""The newest blessed models, of which a run may be the one and be compared with the other."""

_SCHEMA_VERSION = 10
"""Of ML Metadata's tables, which have no interface to remove rows."""

_OUTPUT = metadata_store_pb2.Event.OUTPUT


class Options(BaseModel):
    """Remove what old runs made; never what a kept run, the next one or a pushed model needs."""

    keep: int = Field(10, ge=1, le=100_000, description="newest runs of which everything stays")
    dry_run: bool = Field(False, description="only say what would be removed")


@dataclass(frozen=True)
class Cleaning:
    """What is to be removed.

    Attributes:
        runs: Names of the runs.
        artifacts: Ids.
        executions: Ids.
        contexts: Ids of what ML Metadata has on the runs.
        places: Files and folders.
    """

    runs: tuple[str, ...]
    artifacts: frozenset[int]
    executions: frozenset[int]
    contexts: frozenset[int]
    places: tuple[Path, ...]


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Removes it, or says what would be removed.

    Args:
        settings: What the user chose; only the run root matters.
        options: How many runs to keep.
        console: Where to tell.

    Returns:
        Zero.

    Raises:
        UserError: If there has been no run, or one is under way.
    """
    root = settings.run_root.resolve()
    if not (root / metadata_file.METADATA).exists():
        raise UserError(
            f"There has been no run in {settings.run_root}.", "Name another one with --run-root."
        )
    with sole_run(settings.run_root):
        store = metadata_file.open_metadata(root, write=not options.dry_run)
        if not options.dry_run:
            clear_killed_runs(store, root / PIPELINE)
            tidy(root)
        found = plan(store, root, options.keep)
        freed = sum(_size(place) for place in found.places)
        done = "would be removed" if options.dry_run else "removed"
        if not options.dry_run:
            # Files first: the next run passes over artifacts that are gone.
            remove(found.places)
            del store
            _remove_rows(root / metadata_file.METADATA, found)
    show_places(
        console,
        {
            "Runs": f"{len(found.runs):,} {done}, the newest {options.keep:,} stay",
            "Artifacts": f"{len(found.artifacts):,} {done}",
            "Room": f"{freed / 1e6:,.0f} MB",
        },
    )
    return 0


def plan(store: mlmd.MetadataStore, root: Path, keep: int) -> Cleaning:
    """Finds out what nothing needs any more.

    Args:
        store: ML Metadata of the run root.
        root: The run root, resolved.
        keep: Number of newest runs of which everything stays.

    Returns:
        What is to be removed.
    """
    names = list(RunRecords(store, root).read())
    kept, old = names[:keep], names[keep:]
    executions = {e.id: e for e in store.get_executions()}
    events = store.get_events_by_execution_ids(sorted(executions)) if executions else []
    makers: dict[int, set[int]] = {}
    for event in events:
        complete = metadata_store_pb2.Execution.COMPLETE
        if event.type == _OUTPUT and executions[event.execution_id].last_known_state == complete:
            makers.setdefault(event.artifact_id, set()).add(event.execution_id)

    runs = {c.name: c for c in store.get_contexts_by_type(RUN)}
    of_kept = {
        execution.id
        for name in kept
        if name in runs
        for execution in store.get_executions_by_context(runs[name].id)
    }
    artifacts = {e.artifact_id for e in events if e.execution_id in of_kept}
    pages = _pages_of_versions(root)
    artifacts |= _needed_next(store, events) | {
        a.id for a in store.get_artifacts() if Path(a.uri) in pages
    }
    needed = of_kept | {maker for artifact in artifacts for maker in makers.get(artifact, ())}
    # All that one execution made stays together.
    artifacts |= {e.artifact_id for e in events if e.execution_id in needed and e.type == _OUTPUT}

    gone = frozenset(executions.keys() - needed)
    places = [
        *(folder for id_ in gone for folder in (root / PIPELINE).glob(f"*/*/{id_}")),
        *(place for name in old for place in _files(root, name) if place.exists()),
    ]
    records = {c.name: c for c in store.get_contexts_by_type(RECORD)}
    return Cleaning(
        runs=tuple(old),
        artifacts=frozenset(a.id for a in store.get_artifacts()) - artifacts,
        executions=gone,
        contexts=frozenset(c.id for of in (runs, records) for n, c in of.items() if n in old),
        places=tuple(place for place in places if place not in pages),
    )


def _pages_of_versions(root: Path) -> set[Path]:
    """The pages of the runs that pushed what is still there."""
    links = reports_of_versions(root).glob("*.html")
    serving = root / "serving"
    return {link.resolve() for link in links if any(serving.glob(f"*/{link.stem}"))}


def _files(root: Path, run_id: str) -> tuple[Path, ...]:
    return root / "logs" / f"{run_id}.log", root / "reports" / f"{run_id}.html"


def _needed_next(store: mlmd.MetadataStore, events: Iterable[metadata_store_pb2.Event]) -> set[int]:
    """What a run may be compared with, and what versions that are still there were pushed from."""
    from pipeline.components.accepted_statistics import ACCEPTED  # Loads TFX, which takes seconds.

    types = {kind.name for kind in store.get_artifact_types()}

    def of_type(name: str) -> list[metadata_store_pb2.Artifact]:
        return store.get_artifacts_by_type(name) if name in types else []

    accepted = [a.id for a in of_type("ExampleStatistics") if _number(a, ACCEPTED)]
    blessings = [a for a in of_type("ModelBlessing") if _number(a, "blessed")]
    blessings = sorted(blessings, key=lambda a: a.id)[-_BLESSED_KEPT:]
    pushed = {
        a.id
        for a in of_type("PushedModel")
        if _number(a, "pushed")
        and Path(a.custom_properties["pushed_destination"].string_value).exists()
    }
    events = list(events)
    pushers = {e.execution_id for e in events if e.artifact_id in pushed and e.type == _OUTPUT}
    return {
        *accepted[-1:],
        *(blessing.id for blessing in blessings),
        *(_number(blessing, "current_model_id") for blessing in blessings),
        *(e.artifact_id for e in events if e.execution_id in pushers),
    }


def _number(artifact: metadata_store_pb2.Artifact, name: str) -> int:
    return artifact.custom_properties[name].int_value if name in artifact.custom_properties else 0


def _size(place: Path) -> int:
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove_rows(file: Path, found: Cleaning) -> None:
    """Removes rows in one transaction; of tables that this does not know, none."""
    of = {
        "artifact": (("Artifact", "id"), ("ArtifactProperty",), ("Event",), ("Attribution",)),
        "execution": (("Execution", "id"), ("ExecutionProperty",), ("Event",), ("Association",)),
        "context": (
            *(("Context", "id"), ("ContextProperty",), ("Association",), ("Attribution",)),
            *(("ParentContext",), ("ParentContext", "parent_context_id")),
        ),
    }
    ids = {"artifact": found.artifacts, "execution": found.executions, "context": found.contexts}
    with sqlite3.connect(file) as connection:
        (version,) = connection.execute("SELECT schema_version FROM MLMDEnv").fetchone()
        if version != _SCHEMA_VERSION:
            return
        for kind, tables in of.items():
            connection.execute(f"CREATE TEMP TABLE old_{kind} (id INTEGER PRIMARY KEY)")
            rows = [(id_,) for id_ in ids[kind]]
            connection.executemany(f"INSERT INTO old_{kind} VALUES (?)", rows)
            for table, *column in tables:
                name = column[0] if column else f"{kind}_id"
                connection.execute(
                    f"DELETE FROM {table} WHERE {name} IN (SELECT id FROM old_{kind})"
                )
        connection.execute("DELETE FROM EventPath WHERE event_id NOT IN (SELECT id FROM Event)")
    connection.close()
