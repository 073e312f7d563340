"""Versions come, go and are refused, and no answer is lost or mixed up meanwhile."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served_rows import ROW, answers, wait_until_ready
from small_model import write_model
from starlette.testclient import TestClient

from serving.refusals import LabelError, NotFoundError, UnavailableError
from serving.server.application import create_application
from serving.server.server_settings import ServerSettings
from serving.versions.watcher import VersionStatus, Watcher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pushed"


@pytest.fixture
def events() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def watcher(folder: Path, events: list[tuple[str, int]]) -> Watcher:
    return Watcher(
        str(folder),
        "model",
        labels={"stable": 1},
        largest=4,
        report=lambda event, version, reason: events.append((event, version)),
    )


def refused(watcher: Watcher, version: int) -> str:
    (status,) = (s for s in watcher.statuses() if s.version == version)
    assert status.state == "END"
    return status.reason


def test_nothing_is_answered_before_a_version_is_there(watcher, folder):
    watcher.look()
    assert not watcher.ready
    with pytest.raises(UnavailableError, match=f"Push one to {folder}"):
        watcher.model()


def test_the_newest_and_the_labelled_versions_answer(watcher, folder, push, events):
    for version in (1, 2, 3):
        push(version, folder)
    (folder / "notes").mkdir()
    watcher.look()
    assert watcher.versions == [3, 1]
    assert watcher.model().version == 3
    assert watcher.model(label="stable").version == watcher.model(version=1).version == 1
    assert events == [("loaded", 3), ("loaded", 1), ("switched", 3)]
    with pytest.raises(NotFoundError, match="Ask for one of 3, 1, stable, or"):
        watcher.model(version=2)
    with pytest.raises(LabelError, match="canary"):
        watcher.model(label="canary")


def test_taking_a_version_away_goes_back_to_the_one_before(watcher, folder, push, events):
    push(2, folder)
    push(3, folder)
    watcher.look()
    shutil.rmtree(folder / "3")
    watcher.look()
    assert watcher.versions == [2]
    assert events == [
        *(("loaded", 3), ("switched", 3)),
        *(("loaded", 2), ("switched", 2), ("unloaded", 3)),
    ]
    shutil.rmtree(folder / "2")
    watcher.look()
    assert watcher.versions == [2], "the last goes on answering"


def test_a_folder_of_one_saved_model_is_version_one(models, tmp_path):
    watcher = Watcher(str(models[3]), "model", largest=4)
    watcher.look()
    assert watcher.versions == [1]


def test_a_version_that_is_being_written_is_taken_once_it_is_whole(watcher, folder, push, events):
    push(2, folder)
    watcher.look()
    push(3, folder)
    whole = (folder / "3" / "saved_model.pb").rename(folder / "whole")
    watcher.look()
    assert "no saved_model.pb yet" in refused(watcher, 3)
    assert watcher.versions == [2]
    watcher.look()
    assert events.count(("refused", 3)) == 1, "not tried again before its files change"
    whole.rename(folder / "3" / "saved_model.pb")
    watcher.look()
    assert watcher.versions == [3]
    assert watcher.statuses() == [VersionStatus(3, "AVAILABLE")]


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index"])
@pytest.mark.parametrize("damage", ["cut", "gone", "noise"])
def test_a_corrupt_version_is_refused_with_the_reason(watcher, folder, models, push, file, damage):
    push(2, folder)
    watcher.look()
    push(3, folder)
    broken = folder / "3" / file
    content = broken.read_bytes()
    if damage == "gone":
        broken.unlink()
    else:
        broken.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\xff" * 200)
    watcher.look()
    if file == "saved_model.pb":
        assert refused(watcher, 3)
    assert watcher.model(version=watcher.versions[0]).version in (2, 3)
    assert watcher.ready


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"factor": float("nan")}, "no finite number"),
        ({"offset": 2.0}, "answers the example request with"),
        ({"mixes_rows": True}, "a row alone and in a batch differently"),
    ],
)
def test_a_version_that_answers_wrongly_is_refused(watcher, folder, push, wrong, reason):
    push(2, folder)
    watcher.look()
    write_model(folder, 9, **wrong)
    watcher.look()
    assert reason in refused(watcher, 9)
    assert watcher.versions == [2]


def test_a_version_that_takes_other_features_is_refused(watcher, folder):
    write_model(folder, 9, lacks="mother_age")
    watcher.look()
    assert "other features than models/features.py declares (mother_age)" in refused(watcher, 9)
    with pytest.raises(UnavailableError, match="Version 9 was refused"):
        watcher.model()


def test_no_answer_is_lost_or_mixed_up_across_switches(folder, push):
    """Clients ask all the while as versions come and are refused, until they see the newest."""
    push(1, folder)
    settings = ServerSettings(
        model_folder=str(folder), model_name="model", poll_seconds=0.01, access_log=False
    )
    with TestClient(create_application(settings)) as client:
        wait_until_ready(client)

        def ask_until_the_newest_answers() -> list[int]:
            seen = [0]
            while seen[-1] != 3:
                response = client.post("/v1/models/model:predict", json={"instances": [ROW]})
                assert response.status_code == 200, response.text
                predictions = response.json()["predictions"]
                (version,) = (v for v in (1, 2, 3) if predictions == answers([ROW], v))
                seen.append(version)
            return seen

        with ThreadPoolExecutor() as threads:
            clients = [threads.submit(ask_until_the_newest_answers) for _ in range(8)]
            for version in (2, 3):
                write_model(folder, version + 10, factor=float("nan"))
                push(version, folder)
                shutil.rmtree(folder / str(version + 10))
            for seen in (client.result() for client in clients):
                assert seen == sorted(seen), "once a newer version answers, no older one does"
