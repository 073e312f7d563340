"""The page of a run is shown whole or not at all, wherever its making is cut off."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import example_facts
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.io import fileio

from pipeline.local.housekeeping import clear_killed_runs
from report.artifact import HTML
from report.collect.lineage import NODE, RUN
from report.component import Executor
from report.runs.metadata_file import open_metadata
from report.runs.run_records import RunRecords

NAME = "20261125-124710"


class Killed(BaseException):
    """As a kill, nothing catches it."""


class CutOff:
    """Lets so many operations on files pass."""

    def __init__(self, allowed: int) -> None:
        self.left = allowed

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if not self.left:
                raise Killed
            self.left -= 1
            return function(*args, **kwargs)

        return operation

    def open(self, path: str, mode: str) -> io.TextIOBase:
        """A file that is cut in the middle of what is written, if that may not pass."""
        file: Any = Path(path).open(mode)  # noqa: SIM115, the caller closes it
        write = self(file.write)

        def half_at_least(text: str) -> int:
            try:
                return write(text)
            except Killed:
                write_half = type(file).write
                write_half(file, text[: len(text) // 2])
                file.flush()
                raise

        file.write = half_at_least
        return file


def test_cut_off_after_any_operation_no_half_page_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = open_metadata(tmp_path, write=True)
    records = RunRecords(store, tmp_path)
    records.begin(NAME, example_facts.rich().info)
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Report"))
    html = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="system.HTML"))
    contexts = [
        metadata_store_pb2.Context(
            type_id=store.put_context_type(metadata_store_pb2.ContextType(name=type_name)),
            name=name,
        )
        for type_name, name in ((RUN, NAME), (NODE, "pipeline.Report"))
    ]
    for context, id_ in zip(contexts, store.put_contexts(contexts), strict=True):
        context.id = id_
    halves = 0
    for allowed in range(10):
        execution = metadata_store_pb2.Execution(
            type_id=kind, last_known_state=metadata_store_pb2.Execution.RUNNING
        )
        (execution.id,) = store.put_executions([execution])
        folder = tmp_path / "pipeline" / "Report" / "page" / str(execution.id)
        # As TFX does before it calls an executor.
        event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
        event.path.steps.add(key="page")
        artifact = metadata_store_pb2.Artifact(type_id=html, uri=str(folder / "report.html"))
        store.put_execution(execution, [(artifact, event)], contexts)

        page = HTML()
        page.uri = str(folder)
        with monkeypatch.context() as patch:
            cut = CutOff(allowed)
            patch.setattr(fileio, "makedirs", cut(fileio.makedirs))
            patch.setattr(fileio, "open", cut(cut.open))
            try:
                properties = {"run_info": example_facts.rich().info.to_json(), "metadata": ""}
                Executor().Do({}, {"page": [page]}, properties)
            except Killed:
                halves += (folder / "report.html").exists()
            else:
                break
        assert records.page(records.read()[NAME]) is None
        clear_killed_runs(store, tmp_path / "pipeline")
        assert not folder.exists()
    assert allowed == 3 and halves
    execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
    store.put_executions([execution])
    whole = records.page(records.read()[NAME])
    assert whole is not None and whole.read_text().rstrip().endswith("</html>")
