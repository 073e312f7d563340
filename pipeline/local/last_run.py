"""What the last run left, by which the next one can tell at once that it would only repeat it.

TFX asks its cache component by component, and must be loaded for it, with TensorFlow and Beam: most
of the time of an unchanged run. So a run that ended leaves a file beside its metadata, with digests
of all that TFX's cache looks at and of all that it gives back. Where every digest is the same when
the next run starts, TFX would take every component from the cache; that is then written into ML
Metadata as TFX would write it. Where any is not, TFX decides: this file only ever says "the same".
"""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from pydantic import TypeAdapter, ValidationError

from common.files import write_atomically
from data.source import open_source
from pipeline.caching import name_by_content, rooms_fingerprint
from pipeline.cli.status import Observer, State
from pipeline.settings import BIGQUERY, ROOT, LocalSettings
from report.collect.lineage import RUN, read_lineage
from report.runs.metadata_file import METADATA, open_metadata
from report.runs.run_records import RunRecords
from report.runs.summary import RunSummary

FILE = "last_run.json"
"""Name of the file in the run root."""


@dataclass(frozen=True)
class LastRun:
    """The last run on a run root, if it ended and was a whole one.

    Attributes:
        run_id: Its name.
        inputs: Digest of what decides on a run; see `inputs_of`.
        metadata: Digest of ML Metadata as it left it: any run since then changes it.
        places: The files and folders that its artifacts are in.
        files: Digest of what is there.
        summary: What came of it.
    """

    run_id: str
    inputs: str
    metadata: str
    places: tuple[str, ...]
    files: str
    summary: RunSummary

    @classmethod
    def read(cls, run_root: Path) -> LastRun | None:
        """Reads what the last run left; None if that is nothing, or of another version."""
        try:
            return _JSON.validate_python(json.loads((run_root / FILE).read_bytes()))
        except (OSError, ValueError, ValidationError):
            return None

    def write(self, run_root: Path) -> None:
        """Leaves it for the next run."""
        write_atomically(run_root / FILE, json.dumps(asdict(self)))

    def is_repeated_by(self, inputs: str | None, run_root: Path) -> bool:
        """Whether a run that begins now, with these inputs, would take all from the cache."""
        return (
            inputs == self.inputs
            and _metadata_digest(run_root) == self.metadata
            and _files_digest(self.places) == self.files
        )


_JSON = TypeAdapter(LastRun)


def inputs_of(settings: LocalSettings) -> str | None:
    """Digest of what decides on a run: settings, code, source, schema, packages and places.

    Returns:
        The digest; None for a run that is not whole, is to use no cache, or reads from BigQuery.
    """
    if settings.from_ or settings.to or not settings.cache or settings.source == BIGQUERY:
        return None
    chosen = {
        "settings": settings.to_dict(),
        "places": [str(ROOT), str(settings.run_root.resolve()), str(settings.source_path)],
        "code": rooms_fingerprint(ROOT),
        "source": open_source(str(settings.source_path)).fingerprint(),
        "schema": name_by_content(settings.schema_file),
        "packages": sorted(_packages()),
        "python": sys.version,
    }
    return _digest([json.dumps(chosen, sort_keys=True)])


def leave(run_root: Path, run_id: str, inputs: str, summary: RunSummary) -> None:
    """Leaves a run that has ended for the next one; `inputs` is what decided on it."""
    artifacts = read_lineage(open_metadata(run_root), run_id).artifacts.values()
    pushed = [summary.pushed_to] if summary.pushed_to else []
    places = (*sorted({artifact.uri for artifact in artifacts}), *pushed)
    # TFX makes anew what has gone, so the next run is not the same.
    if all(Path(place).exists() for place in places):
        digests = _metadata_digest(run_root), places, _files_digest(places)
        LastRun(run_id, inputs, *digests, summary).write(run_root)


def repeat(last: LastRun, run_root: Path, run_id: str, observer: Observer) -> RunSummary:
    """Writes down a run that took all from the cache, as TFX and the runner would.

    Returns:
        What came of it: the same as of the last one.
    """
    print(f"Nothing has changed since run {last.run_id}: all that it made is in the cache.")
    store = open_metadata(run_root, write=True)
    records = RunRecords(store, run_root)
    lineage = read_lineage(store, last.run_id)
    observer.planned([execution.component for execution in lineage.executions])
    records.begin(run_id, records.read()[last.run_id].known_info())
    run = _new_run(store, last.run_id, run_id)
    for execution in lineage.executions:
        state = _write_again(store, execution.id, run)
        observer.changed(execution.component, state)
    records.repeat(last.run_id, run_id)
    leave(run_root, run_id, last.inputs, last.summary)
    return last.summary


def _new_run(
    store: mlmd.MetadataStore, last_run_id: str, run_id: str
) -> metadata_store_pb2.Context:
    (run,) = [c for c in store.get_contexts_by_type(RUN) if c.name == last_run_id]
    parents = store.get_parent_contexts_by_context(run.id)
    run.name = run_id
    _clear_stored(run)
    (new,) = store.put_contexts([run])
    store.put_parent_contexts(
        [metadata_store_pb2.ParentContext(child_id=new, parent_id=parent.id) for parent in parents]
    )
    (stored,) = store.get_contexts_by_id([new])
    return stored


def _write_again(
    store: mlmd.MetadataStore, execution_id: int, run: metadata_store_pb2.Context
) -> State:
    """Writes an execution of the last run into another run: from the cache, or a look-up."""
    (execution,) = store.get_executions_by_id([execution_id])
    contexts = [
        run if context.type_id == run.type_id else context
        for context in store.get_contexts_by_execution(execution_id)
    ]
    events = store.get_events_by_execution_ids([execution_id])
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    # A look-up is no component: TFX has it done anew each time, and puts it in no cache.
    cached = any(context.type_id == _cache_type(store) for context in contexts)
    if cached:
        execution.last_known_state = metadata_store_pb2.Execution.CACHED
    execution.name = str(uuid.uuid4())
    _clear_stored(execution)
    for event in events:
        event.ClearField("execution_id")
        event.ClearField("milliseconds_since_epoch")
    ends = [(artifacts[event.artifact_id], event) for event in events]
    store.put_execution(execution, ends, contexts)
    return State.CACHED if cached else State.DONE


def _clear_stored(message: metadata_store_pb2.Context | metadata_store_pb2.Execution) -> None:
    """Makes a new one of what was read."""
    for field in ("id", "create_time_since_epoch", "last_update_time_since_epoch"):
        message.ClearField(field)


def _cache_type(store: mlmd.MetadataStore) -> int:
    """Id of the type of the contexts that tie an execution to its key in TFX's cache."""
    return store.get_context_type("execution_cache").id


def _metadata_digest(run_root: Path) -> str:
    file = run_root / METADATA
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _files_digest(places: Iterable[str]) -> str:
    """Digest of what is in some places: folders by name, files by size and time of change too."""
    found = (path for place in places for path in (Path(place), *sorted(Path(place).rglob("*"))))
    return _digest(_described(path) for path in found if path.exists())


def _described(path: Path) -> str:
    stat = path.stat()
    return f"{path}" if path.is_dir() else f"{path} {stat.st_size} {stat.st_mtime_ns}"


def _packages() -> Iterator[str]:
    """Names of the installed packages, with their versions."""
    # Not of sys.path, which packages add to as they load.
    folders = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    return (found.name for folder in folders for found in Path(folder).glob("*.dist-info"))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
