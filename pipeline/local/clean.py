"""The command `clean`: removes what old runs made and nothing needs any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from pydantic import BaseModel, Field
from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import show_places
from pipeline.cli.run_root import sole_run
from pipeline.local.housekeeping import clear_killed_runs, relocate, remove, tidy
from pipeline.settings import LocalSettings
from report.collect.lineage import RUN
from report.runs import metadata_file, reports_of_versions
from report.runs.artifact_places import PIPELINE
from report.runs.run_records import RECORD, RunRecords
from serving.versions.push_folder import versions

_BLESSED_KEPT = 2
"""The newest blessed models, of which a run may be the one and be compared with the other."""

_VERSIONS_KEPT = 2
"""The newest versions: the one that answers, and the one that would after a rollback."""

_SCHEMA_VERSION = 10
"""Of ML Metadata's tables, which have no interface to remove rows."""

_OUTPUT = metadata_store_pb2.Event.OUTPUT

ByType = dict[str, list[metadata_store_pb2.Artifact]]
"""Artifacts by the name of their type."""


class Options(BaseModel):
    """Remove what old runs made and pushed; never what a kept run, the next or a rollback needs."""

    keep: int = Field(10, ge=1, le=100_000, description="newest runs of which everything stays")
    dry_run: bool = Field(False, description="only say what would be removed")


@dataclass(frozen=True)
class Cleaning:
    """What is to be removed.

    Attributes:
        runs: Names of the runs.
        versions: Folders of pushed models.
        artifacts: Ids.
        executions: Ids.
        contexts: Ids of what ML Metadata has on the runs.
        places: Files and folders, those of the versions too.
    """

    runs: tuple[str, ...]
    versions: tuple[Path, ...]
    artifacts: frozenset[int]
    executions: frozenset[int]
    contexts: frozenset[int]
    places: tuple[Path, ...]


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Removes it, or says what would be removed.

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
    if options.dry_run:
        for place in found.places:
            console.print(str(place.relative_to(root)), markup=False, soft_wrap=True)
    show_places(
        console,
        {
            "Runs": f"{len(found.runs):,} {done}, the newest {options.keep:,} stay",
            "Artifacts": f"{len(found.artifacts):,} {done}",
            "Versions": f"{len(found.versions):,} {done}",
            "Room": f"{freed / 1e6:,.0f} MB",
        },
    )
    return 0


def plan(store: mlmd.MetadataStore, root: Path, keep: int) -> Cleaning:
    """Finds out what nothing needs any more."""
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
    there = store.get_artifacts()
    relocate(there, root)  # Of a root that was moved, and has seen no run since.
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    by_type: ByType = {name: [] for name in types.values()}
    for artifact in there:
        by_type[types[artifact.type_id]].append(artifact)
    old_versions = _old_versions(by_type, root, artifacts)
    pages = _pages_of_versions(root, old_versions)
    artifacts |= _needed_next(by_type, events, old_versions)
    artifacts |= {a.id for a in there if Path(a.uri) in pages}
    needed = of_kept | {maker for artifact in artifacts for maker in makers.get(artifact, ())}
    # All that one execution made stays together.
    artifacts |= {e.artifact_id for e in events if e.execution_id in needed and e.type == _OUTPUT}

    gone = frozenset(executions.keys() - needed)
    places = [
        *old_versions,
        *(folder for id_ in gone for folder in (root / PIPELINE).glob(f"*/*/{id_}")),
        *(root / "logs" / f"{name}.log" for name in old),
        *(root / "reports" / f"{name}.html" for name in old),
    ]
    records = {c.name: c for c in store.get_contexts_by_type(RECORD)}
    return Cleaning(
        runs=tuple(old),
        versions=old_versions,
        artifacts=frozenset(a.id for a in there) - artifacts,
        executions=gone,
        contexts=frozenset(c.id for of in (runs, records) for n, c in of.items() if n in old),
        places=tuple(place for place in places if place.exists() and place not in pages),
    )


def _old_versions(by_type: ByType, root: Path, kept: Collection[int]) -> tuple[Path, ...]:
    """Versions of which it is known that no kept run pushed them, and nobody goes back to them."""
    pushed = {_destination(artifact): artifact.id for artifact in by_type.get("PushedModel", ())}
    return tuple(
        version
        for folder in (root / "serving").glob("*")
        for version in versions(folder)[_VERSIONS_KEPT:]
        if version in pushed and pushed[version] not in kept
    )


def _pages_of_versions(root: Path, gone: Collection[Path]) -> set[Path]:
    """The pages of the runs that pushed what stays."""
    stay = {version.name for version in (root / "serving").glob("*/*") if version not in gone}
    links = reports_of_versions(root).glob("*.html")
    return {link.resolve() for link in links if link.stem in stay}


def _needed_next(
    by_type: ByType,
    events: Iterable[metadata_store_pb2.Event],
    gone: Collection[Path],
) -> set[int]:
    """What a run may be compared with, and what the versions that stay were pushed from."""
    from pipeline.components.accepted_statistics import ACCEPTED  # Loads TFX, which takes seconds.

    accepted = [a.id for a in by_type.get("ExampleStatistics", ()) if _number(a, ACCEPTED)]
    blessings = [a for a in by_type.get("ModelBlessing", ()) if _number(a, "blessed")]
    blessings = sorted(blessings, key=lambda a: a.id)[-_BLESSED_KEPT:]
    pushed = {
        a.id
        for a in by_type.get("PushedModel", ())
        if _number(a, "pushed") and _destination(a).exists() and _destination(a) not in gone
    }
    events = list(events)
    pushers = {e.execution_id for e in events if e.artifact_id in pushed and e.type == _OUTPUT}
    return {
        *accepted[-1:],
        *(blessing.id for blessing in blessings),
        *(_number(blessing, "current_model_id") for blessing in blessings),
        *(e.artifact_id for e in events if e.execution_id in pushers),
    }


def _destination(pushed: metadata_store_pb2.Artifact) -> Path:
    return Path(pushed.custom_properties["pushed_destination"].string_value)


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
