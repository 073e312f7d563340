"""A version is taken back, and the server, `predict` and the next push go on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from served_rows import ROW, answers, wait_until_ready
from small_model import write_model
from starlette.testclient import TestClient

from common.errors import UserError
from models.request import parse_request
from pipeline.cli.config import load_command
from pipeline.local.commands import COMMANDS
from pipeline.local.predict import predict
from pipeline.local.release import Options, run
from pipeline.settings import LocalSettings, load_settings
from serving.server.application import create_application
from serving.server.server_settings import ServerSettings
from serving.versions import push_folder

REQUEST = parse_request('{"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three versions, of which only the names and dates matter."""
    folder = load_settings(["--run-root", str(tmp_path)]).serving_folder
    for version in (1, 2, 3):
        push(folder, version)
    return folder


def push(folder: Path, version: int) -> None:
    (folder / str(version)).mkdir(parents=True)
    (folder / str(version) / "saved_model.pb").touch()


def numbers(versions: list[Path]) -> list[int]:
    return [int(version.name) for version in versions]


def release(root: Path, *words: str) -> str:
    """What the command prints."""
    arguments = ["--run-root", str(root), "release", *words]
    settings, _, options = load_command(LocalSettings, arguments, COMMANDS)
    assert isinstance(options, Options)
    console = Console(record=True, width=80)
    assert run(settings, options, console) == 0
    return console.export_text()


def test_the_server_and_predict_go_back_and_on(tmp_path: Path):
    folder = load_settings(["--run-root", str(tmp_path)]).serving_folder
    for version in (1, 2, 3):
        write_model(folder, version, offset=version / 10)
    served = ServerSettings(
        model_folder=str(folder), model_name="model", poll_seconds=0.01, access_log=False
    )
    with TestClient(create_application(served)) as client:
        wait_until_ready(client)

        def wait_for(version: int) -> None:
            while True:  # A test's time limit ends it otherwise.
                response = client.post("/v1/models/model:predict", json={"instances": [ROW]})
                assert response.status_code == 200
                if response.json()["predictions"] == answers([ROW], version):
                    break
            answer = predict(folder, REQUEST)
            assert [answer.prediction] == answers([ROW], version)
            assert not answer.damaged

        wait_for(3)
        assert release(tmp_path, "rollback") == "3 is taken back.\n2 answers.\n"
        wait_for(2)
        assert push_folder.newest_number(folder) == 3, "no number is given twice"
        write_model(folder, 4, offset=0.4)
        wait_for(4)
        assert release(tmp_path, "rollback", "--to", "1").endswith("1 answers.\n")
        wait_for(1)
        assert release(tmp_path, "restore") == "4 is back.\n4 answers.\n"
        wait_for(4)


def test_status_lists_every_version(tmp_path: Path, folder: Path):
    release(tmp_path, "rollback")
    lines = release(tmp_path, "status").splitlines()
    assert [(line.split()[0], line[28:].strip()) for line in lines[1:]] == [
        ("3", "taken back"),
        ("2", "answers"),
        ("1", "kept"),
    ]


def test_status_of_nothing(tmp_path: Path):
    assert "No model has been pushed" in release(tmp_path, "status")


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        ("", "not said what release is to do"),
        ("rollback --to 7", "no version 7"),
        ("rollback --to 3", "is the newest"),
        ("restore", "was taken back"),
    ],
)
def test_what_can_not_be_done_is_told(tmp_path: Path, folder: Path, command: str, cause: str):
    with pytest.raises(UserError, match=cause):
        release(tmp_path, *command.split())
    assert numbers(push_folder.versions(folder)) == [3, 2, 1]


def test_the_last_version_is_not_taken_back(tmp_path: Path, folder: Path):
    push_folder.remove_old(folder, 1)
    with pytest.raises(UserError, match=r"has 3 only.* versions_kept"):
        release(tmp_path, "rollback")


def test_old_versions_are_removed(folder: Path):
    push_folder.roll_back(folder, 1)
    push_folder.remove_old(folder, 2)
    assert numbers(push_folder.taken_back(folder)) == [3, 2]
    for version in (4, 5, 6):
        push(folder, version)
    push_folder.remove_old(folder, 2)
    assert numbers(push_folder.versions(folder)) == [6, 5]
    assert numbers(push_folder.taken_back(folder)) == []
