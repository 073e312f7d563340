"""`clean` removes what old runs made, and nothing that a kept or the next run needs."""

from __future__ import annotations

import io
from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from number_pipeline import numbers, run
from rich.console import Console

from common.errors import UserError
from pipeline.cli.run_root import sole_run
from pipeline.cli.status import State
from pipeline.local import clean
from pipeline.local.housekeeping import make_ready
from pipeline.settings import LocalSettings
from report.runs import reports_of_versions
from report.runs.metadata_file import connection_config, open_metadata
from report.runs.run_records import RunRecords

LIVE = metadata_store_pb2.Artifact.LIVE


class Root:
    """A run root of the small pipeline, with a log per run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "logs").mkdir()

    @property
    def store(self) -> mlmd.MetadataStore:
        return open_metadata(self.folder, write=True)

    def run(self, name: str, value: int) -> list[State]:
        (self.folder / "logs" / f"{name}.log").touch()
        ends = run(numbers(self.folder, connection_config(self.folder), value), name).ends
        return [state for _, state in ends]

    def clean(self, keep: int, *, dry_run: bool = False) -> str:
        console = Console(file=io.StringIO(), width=100)
        settings = LocalSettings.model_construct(run_root=self.folder)
        assert clean.run(settings, clean.Options(keep=keep, dry_run=dry_run), console) == 0
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def runs(self) -> list[str]:
        return list(RunRecords(self.store, self.folder).read())

    def made(self) -> list[str]:
        return sorted(p.parent.name for p in self.folder.glob("pipeline/*/*/*/value"))

    def has(self, kind: str, uri: Path | str, **properties: int | str) -> int:
        """An artifact that the oldest run made, and its folder."""
        store = self.store
        artifact = metadata_store_pb2.Artifact(
            type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind)),
            uri=str(uri),
            state=LIVE,
        )
        for name, value in properties.items():
            kind = "int_value" if isinstance(value, int) else "string_value"
            setattr(artifact.custom_properties[name], kind, value)
        (artifact.id,) = store.put_artifacts([artifact])
        store.put_events(
            [
                metadata_store_pb2.Event(
                    artifact_id=artifact.id,
                    execution_id=1,
                    type=metadata_store_pb2.Event.OUTPUT,
                )
            ]
        )
        return artifact.id


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Of five runs: two that differ, and three that are alike."""
    root = Root(tmp_path / "root")
    for name, value in (("a", 1), ("b", 2), ("c", 3), ("d", 3), ("e", 3)):
        root.run(name, value)
    return root


def test_old_runs_go_with_all_they_made(root: Root):
    said = root.clean(2)
    assert "3 removed, the newest 2 stay" in said
    assert root.runs() == ["e", "d"]
    # Made by c, but e and d have it from the cache.
    assert root.made() == ["7", "8"]
    assert sorted(p.stem for p in (root.folder / "logs").iterdir()) == ["d", "e"]
    assert {a.id for a in root.store.get_artifacts()} == {5, 6}
    assert not {1, 2, 3, 4, 5, 6} & {e.id for e in root.store.get_executions()}
    assert make_ready(root.store, root.folder, "f") == []
    assert root.run("f", 3) == [State.CACHED] * 3
    assert root.run("g", 1) == [State.DONE] * 3
    assert "1" not in root.made(), "no id is given twice"


def test_only_said(root: Root):
    before = root.made(), root.runs(), len(root.store.get_executions())
    said = root.clean(2, dry_run=True)
    assert "3 would be removed" in said
    assert said.startswith("pipeline/")
    assert {"logs/a.log", "logs/b.log", "logs/c.log"} <= set(said.splitlines())
    assert (root.made(), root.runs(), len(root.store.get_executions())) == before


def test_nothing_is_removed_where_all_is_kept(root: Root):
    before = root.made(), root.runs(), len(root.store.get_executions())
    assert "0 removed" in root.clean(10)
    assert (root.made(), root.runs(), len(root.store.get_executions())) == before


@pytest.mark.parametrize("whose", ["accepted statistics", "baseline", "pushed", "page", "none"])
def test_what_the_next_run_and_a_pushed_model_need_stays(root: Root, tmp_path: Path, whose: str):
    if whose == "accepted statistics":
        root.has("ExampleStatistics", "x", accepted=1)
    elif whose == "baseline":
        model = root.has("Model", "x")
        root.has("ModelBlessing", "x", blessed=1, current_model_id=model)
    elif whose == "pushed":
        root.has("PushedModel", "x", pushed=1, pushed_destination=str(tmp_path))
    elif whose == "page":
        page = root.folder / "pipeline" / "Start" / "number" / "1" / "value"
        (root.folder / "serving" / "m" / "7").mkdir(parents=True)
        link = reports_of_versions(root.folder) / "7.html"
        link.parent.mkdir(parents=True)
        link.symlink_to(page)
    else:
        root.has("ExampleStatistics", "x")
        root.has("ModelBlessing", "x", blessed=0)
        root.has("PushedModel", "x", pushed=1, pushed_destination=str(tmp_path / "removed"))
    root.clean(1)
    assert (1 in {e.id for e in root.store.get_executions()}) == (whose != "none")
    assert ("1" in root.made()) == (whose != "none")


def push(root: Root, *numbers: int) -> None:
    """Versions that the oldest run pushed."""
    for number in numbers:
        version = root.folder / "serving" / "m" / str(number)
        version.mkdir(parents=True)
        (version / "saved_model.pb").touch()
        root.has("PushedModel", root.folder / "x", pushed=1, pushed_destination=str(version))


def pushed(root: Root) -> list[str]:
    return sorted(p.parent.name for p in root.folder.glob("serving/m/*/saved_model.pb"))


def test_old_versions_go_but_for_the_one_to_go_back_to(root: Root):
    push(root, 1, 2, 3, 4)
    (root.folder / "serving" / "m" / "2").rename(root.folder / "by-hand")
    (root.folder / "by-hand").rename(root.folder / "serving" / "m" / "0")
    assert "1 would be removed" in root.clean(1, dry_run=True)
    assert pushed(root) == ["0", "1", "3", "4"]
    root.clean(1)
    assert pushed(root) == ["0", "3", "4"], "of 0, nobody knows who pushed it"


def test_versions_of_kept_runs_stay(root: Root):
    push(root, 1, 2, 3, 4)
    root.clean(5)
    assert pushed(root) == ["1", "2", "3", "4"]


def test_what_a_version_needs_stays_in_a_root_that_was_moved(root: Root, tmp_path: Path):
    made = root.folder / "pipeline" / "Start" / "number" / "1" / "value"
    version = root.folder / "serving" / "m" / "1"
    version.mkdir(parents=True)
    root.has("PushedModel", made, pushed=1, pushed_destination=str(version))
    root.folder = root.folder.rename(tmp_path / "moved")
    root.clean(1)
    assert "1" in root.made()


def test_not_while_a_run_is_under_way(root: Root):
    with sole_run(root.folder), pytest.raises(UserError, match="Another run is using"):
        root.clean(1)


def test_where_there_has_been_no_run(tmp_path: Path):
    settings = LocalSettings.model_construct(run_root=tmp_path)
    with pytest.raises(UserError, match="There has been no run"):
        clean.run(settings, clean.Options(), Console())  # type: ignore[call-arg]
