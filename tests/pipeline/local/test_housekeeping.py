"""Before a run, metadata and folders of its root agree, whatever was done to them since."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from number_pipeline import numbers, run

from common.errors import UserError
from pipeline.cli.status import State
from pipeline.local.housekeeping import CHECKPOINTS_KEPT, clear_killed_runs, make_ready
from report.runs.metadata_file import METADATA, connection_config, open_metadata

ALL_CACHED = [(name, State.CACHED) for name in ("Start", "Double", "End")]


class Root:
    """A run root of its own pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def store(self) -> mlmd.MetadataStore:
        return open_metadata(self.folder, write=True)

    def ready(self, run_id: str = "now") -> list[str]:
        return make_ready(self.store, self.folder, run_id)

    def run(self, name: str, value: int = 1) -> list[tuple[str, State]]:
        return run(numbers(self.folder, connection_config(self.folder), value), name).ends

    def files(self, pattern: str = "pipeline/*/*/[0-9]*") -> list[Path]:
        return sorted(self.folder.glob(pattern))

    def states(self) -> dict[str, int]:
        """By path below the folder of artifacts."""
        return {a.uri.partition("/pipeline/")[2]: a.state for a in self.store.get_artifacts()}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path / "root")
    root.run("first")
    return root


def test_nothing_is_said_of_a_root_that_is_as_it_was_left(root: Root):
    before = root.files()
    assert root.ready() == []
    assert root.files() == before
    assert root.run("second") == ALL_CACHED


def test_what_killed_runs_left_is_cleared(root: Root):
    store = root.store
    (kind,) = [t for t in store.get_execution_types() if t.name.endswith("Double")]
    killed, fresh = store.put_executions(
        [
            metadata_store_pb2.Execution(type_id=kind.id, last_known_state=state)
            for state in (metadata_store_pb2.Execution.RUNNING, metadata_store_pb2.Execution.NEW)
        ]
    )
    written = root.folder / "pipeline" / "Double" / "doubled" / str(killed)
    written.mkdir(parents=True)
    (written / "half").touch()
    whole = root.files("pipeline/*/*/*/value")
    assert whole

    pipeline_root = root.folder / "pipeline"
    assert sorted(clear_killed_runs(store, pipeline_root)) == [killed, fresh]

    assert not written.exists()
    assert all(path.exists() for path in whole)
    states = [e.last_known_state for e in store.get_executions_by_id([killed, fresh])]
    assert states == [metadata_store_pb2.Execution.CANCELED] * 2
    assert clear_killed_runs(store, pipeline_root) == []
    assert root.run("b")[-1] == ("End", State.CACHED)


class TestGone:
    def test_what_is_gone_is_passed_over_and_made_anew(self, root: Root):
        shutil.rmtree(root.folder / "pipeline" / "Start")
        (said,) = root.ready()
        assert (
            said == "No longer there, so passed over and made anew if needed: Start/number/1/value."
        )
        assert root.run("second") == [(name, State.DONE) for name in ("Start", "Double", "End")]
        assert root.ready() == [], "it is said once"

    def test_what_is_back_counts_again(self, root: Root, tmp_path: Path):
        shutil.move(root.folder / "pipeline", tmp_path / "elsewhere")
        root.ready()
        assert set(root.states().values()) == {metadata_store_pb2.Artifact.DELETED}
        shutil.move(tmp_path / "elsewhere", root.folder / "pipeline")
        assert root.ready() == []
        assert set(root.states().values()) == {metadata_store_pb2.Artifact.LIVE}

    def test_a_model_without_its_file_is_gone(self, root: Root):
        store = root.store
        kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
        folder = root.folder / "pipeline" / "Trainer" / "model" / "1"
        saved = folder / "Format-Serving" / "saved_model.pb"
        saved.parent.mkdir(parents=True)
        saved.touch()
        model = metadata_store_pb2.Artifact(
            type_id=kind, uri=str(folder), state=metadata_store_pb2.Artifact.LIVE
        )
        store.put_artifacts([model])
        assert root.ready() == []
        saved.unlink()
        assert "Trainer/model/1" in root.ready()[0]


class TestMoved:
    @pytest.mark.parametrize("copied", [False, True], ids=["moved", "copied"])
    def test_a_root_that_was_moved_goes_on(self, root: Root, tmp_path: Path, copied: bool):
        old, new = root.folder, tmp_path / "new"
        shutil.copytree(old, new)
        if not copied:
            shutil.rmtree(old)
        moved = Root(new)
        (said,) = moved.ready()
        assert str(old) in said
        assert "has the paths of today" in said
        assert all(a.uri.startswith(f"{new}/pipeline/") for a in moved.store.get_artifacts())
        assert moved.run("second")[0] == ("Start", State.CACHED)
        assert moved.run("third") == ALL_CACHED
        assert moved.ready() == []

    def test_paths_that_artifacts_tell_of_move_too(self, root: Root, tmp_path: Path):
        store = root.store
        artifact = store.get_artifacts()[0]
        pushed = artifact.custom_properties["pushed_destination"]
        pushed.string_value = f"{root.folder}/serving/m/7"
        artifact.custom_properties["note"].string_value = f"see {root.folder}/x"
        store.put_artifacts([artifact])
        moved = Root(Path(shutil.move(root.folder, tmp_path / "new")))
        moved.ready()
        found = moved.store.get_artifacts()[0].custom_properties
        assert found["pushed_destination"].string_value == f"{moved.folder}/serving/m/7"
        assert found["note"].string_value == f"see {root.folder}/x"


class TestUnknown:
    def test_artifacts_of_a_metadata_that_was_moved_away_are_set_aside(self, root: Root):
        (root.folder / METADATA).unlink()
        training = root.folder / "checkpoints" / "abc" / "best.json"
        training.parent.mkdir(parents=True)
        training.touch()
        made = root.files()
        (said,) = root.ready("second")
        aside = root.folder / "set-aside" / "second"
        assert said.startswith(f"{len(made) + 1} folders that its metadata does not know")
        assert str(aside) in said
        assert root.files() == []
        assert all((aside / path.relative_to(root.folder)).exists() for path in made)
        assert (aside / "checkpoints" / "abc" / "best.json").exists()
        # Ids start again, in folders of their own.
        assert root.run("second", value=5)[0] == ("Start", State.DONE)
        assert (root.folder / "pipeline" / "Start" / "number" / "1" / "value").read_text() == "5"

    def test_of_a_copy_of_the_metadata_only_what_came_later_is(self, root: Root):
        saved = (root.folder / METADATA).read_bytes()
        root.run("second", value=2)
        later = set(root.files())
        (root.folder / METADATA).write_bytes(saved)
        assert "set aside" in root.ready()[0]
        assert 0 < len(root.files()) < len(later)
        assert root.run("third") == ALL_CACHED


class TestTidy:
    def test_working_folders_and_half_written_files_go(self, root: Root):
        assert root.files("pipeline/*/.system")
        half = [root.folder / "schema" / "d" / ".s.x", root.folder / "reports" / ".r.html.x"]
        fresh = root.folder / "reports" / ".s.html.x"
        for folder in (*half, fresh):
            folder.mkdir(parents=True)
        os.utime(half[1], (0, 0))
        root.ready()
        assert not root.files("pipeline/*/.system")
        assert not any(folder.exists() for folder in half)
        assert fresh.exists(), "a page of a past run may be in writing"

    def test_trainings_given_up_for_many_others_go(self, root: Root):
        folders = [root.folder / "checkpoints" / str(n) for n in range(CHECKPOINTS_KEPT + 2)]
        for age, folder in enumerate(folders):
            (folder / "best").mkdir(parents=True)
            moment = time.time() - age
            os.utime(folder, (moment, moment))
        root.ready()
        assert [folder.exists() for folder in folders] == [True] * CHECKPOINTS_KEPT + [False] * 2


class TestMetadataFile:
    def test_a_damaged_file_is_told_and_its_loss_made_harmless(self, root: Root):
        file = root.folder / METADATA
        content = bytearray(file.read_bytes())
        content[4096:12288] = b"\xff" * 8192
        file.write_bytes(content)
        with pytest.raises(UserError, match="is damaged") as caught:
            open_metadata(root.folder, write=True)
        assert "move that file away" in caught.value.cure
        assert file.read_bytes() == content

    def test_a_killed_change_is_undone(self, root: Root):
        kill_in_a_change(root.folder / METADATA)
        assert (root.folder / f"{METADATA}-journal").exists()
        assert len(open_metadata(root.folder).get_executions()) == 3
        assert root.run("second") == ALL_CACHED

    def test_one_that_this_library_does_not_know_is_told_as_that(self, root: Root):
        with sqlite3.connect(root.folder / METADATA) as connection:
            connection.execute("UPDATE MLMDEnv SET schema_version = 99")
        with pytest.raises(UserError, match="none that this version of ML Metadata opens") as told:
            open_metadata(root.folder)
        assert "environment that wrote it" in told.value.cure

    def test_a_folder_in_its_place(self, tmp_path: Path):
        (tmp_path / METADATA).mkdir()
        with pytest.raises(UserError, match="can't be written: is a directory"):
            open_metadata(tmp_path, write=True)


def kill_in_a_change(file: Path) -> None:
    """Leaves a file as a process does that is killed while it writes: with a hot journal."""
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")  # So that it writes before it commits.
        connection.execute("BEGIN")
        connection.execute("DELETE FROM Event")
        connection.execute("DELETE FROM Execution")
        connection.execute("CREATE TABLE big AS SELECT randomblob(100000)")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
