"""The list of runs and the comparison of two, on terminals of any width."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import example_facts
import pytest
from ml_metadata.proto import metadata_store_pb2
from rich.console import Console

from common.errors import UserError
from pipeline.cli.run_root import sole_run
from pipeline.local import report
from pipeline.settings import LocalSettings
from report.collect.lineage import NODE, RUN
from report.runs.metadata_file import open_metadata
from report.runs.run_records import RECORD

IDS = ("20261124-073718", "20261124-073718-2")


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    """Of a run root with two runs: one that was blessed, and one that has not ended."""
    store = open_metadata(tmp_path, write=True)
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RECORD))
    for run_id in IDS:
        run = metadata_store_pb2.Context(type_id=kind, name=run_id)
        if run_id == IDS[0]:
            run.custom_properties["outcome"].string_value = "blessed"
            run.custom_properties["rmse"].double_value = 1.03456
            run.custom_properties["examples"].double_value = 99_398
        store.put_contexts([run])
    return LocalSettings.model_construct(run_root=tmp_path)


def listed(settings: LocalSettings, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    report.run(settings, report.Options(runs=[], run=None, compare=False, open=False), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [120, 80, 60, 45])
def test_ids_rmse_and_verdicts_are_whole(settings: LocalSettings, width: int):
    text = listed(settings, width)
    rows = {line.split()[0]: line.split() for line in text.splitlines()}
    assert rows[IDS[0]][1:3] == ["1.0346", "blessed"]
    assert rows[IDS[1]][1:3] == ["-", "unfinished"]
    assert ("99,398" in text) == (width >= 60)
    assert all(len(line) <= width for line in text.splitlines())


def test_a_run_in_progress_is_called_so(settings: LocalSettings):
    with sole_run(settings.run_root):
        assert f"{IDS[1]}         -  running" in listed(settings, 80)
        with pytest.raises(UserError, match=f"Run {IDS[1]} is still running"):
            report.run(settings, report.Options(run=IDS[1]), Console())  # type: ignore[call-arg]
    assert "running" not in listed(settings, 80)


@pytest.mark.parametrize("width", [80, 60])
def test_a_comparison_is_whole_too(width: int):

    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    a, b = (dataclasses.replace(example_facts.rich(), run_id=run_id) for run_id in IDS)
    report._print_comparison(console, a, b)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(run_id in text for run_id in IDS)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())


def made(settings: LocalSettings, component: str, key: str, kind: str, uri: str) -> None:
    """Has the first run made an artifact, as TFX tells of it."""
    store = open_metadata(settings.run_root, write=True)
    record = store.get_context_by_type_and_name(RECORD, IDS[0])
    assert record is not None
    record.custom_properties["info"].string_value = example_facts.rich().info.to_json()
    run, node = (
        metadata_store_pb2.Context(
            type_id=store.put_context_type(metadata_store_pb2.ContextType(name=type_name)),
            name=name,
        )
        for type_name, name in ((RUN, IDS[0]), (NODE, f"pipeline.{component}"))
    )
    store.put_contexts([record])
    artifact = metadata_store_pb2.Artifact(
        type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind)), uri=uri
    )
    event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
    event.path.steps.add(key=key)
    execution = metadata_store_pb2.Execution(
        type_id=store.put_execution_type(metadata_store_pb2.ExecutionType(name=component)),
        last_known_state=metadata_store_pb2.Execution.COMPLETE,
    )
    store.put_execution(execution, [(artifact, event)], [run, node])


def shown(settings: LocalSettings) -> str:
    console = Console(file=io.StringIO(), width=200)
    options = report.Options(runs=[], run=IDS[0], compare=False, open=False)
    report.run(settings, options, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_run_of_which_something_is_gone_is_told_what(settings: LocalSettings):
    model = f"{settings.run_root}/pipeline/Trainer/model/7"
    made(settings, "Trainer", "model", "Model", model)
    with pytest.raises(UserError, match=f"made is no longer there: {model}") as caught:
        shown(settings)
    assert "lists the other runs" in caught.value.cure


def test_the_page_of_a_root_that_was_moved_is_found(settings: LocalSettings):
    page = settings.run_root / "pipeline" / "Report" / "page" / "7" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    made(settings, "Report", "page", "system.HTML", "/old/root/pipeline/Report/page/7/report.html")
    assert str(page) in shown(settings)
