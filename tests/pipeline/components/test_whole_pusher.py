"""A pushed version appears whole or not at all, wherever the push is cut off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tfx.components.evaluator import constants
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from pipeline.components.whole_pusher import Executor
from serving.versions.push_folder import versions


class Killed(BaseException):
    """As a kill, nothing catches it."""


@pytest.fixture
def model(tmp_path: Path) -> standard_artifacts.Model:
    made = standard_artifacts.Model()
    made.uri = str(tmp_path / "model")
    folder = tmp_path / "model" / "Format-Serving"
    for name in ("saved_model.pb", "variables/variables.index", "assets/words", "fingerprint.pb"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"all of {name}")
    return made


def push(folder: Path, model: standard_artifacts.Model, blessed: int = 1):
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(folder)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(folder / "archive")
    destination = pusher_pb2.PushDestination()
    destination.filesystem.base_directory = str(folder / "serving")
    Executor().Do(
        {"model": [model], "model_blessing": [blessing]},
        {"pushed_model": [pushed]},
        {"push_destination": proto_utils.proto_to_json(destination), "custom_config": "null"},
    )
    return pushed


def contents(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


def test_a_version_has_all_of_the_model(tmp_path: Path, model: standard_artifacts.Model):
    pushed = push(tmp_path, model)
    (version,) = versions(tmp_path / "serving")
    assert contents(version) == contents(Path(model.uri) / "Format-Serving")
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert os.listdir(tmp_path / "serving") == [version.name]


def test_two_pushes_in_a_second_are_two_versions(tmp_path: Path, model: standard_artifacts.Model):
    (tmp_path / "serving" / "9999999999").mkdir(parents=True)
    push(tmp_path, model)
    assert sorted(os.listdir(tmp_path / "serving")) == ["10000000000", "9999999999"]


def test_what_is_not_blessed_is_not_pushed(tmp_path: Path, model: standard_artifacts.Model):
    assert push(tmp_path, model, blessed=0).get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_cut_off_after_any_operation_no_half_version_is_seen(
    tmp_path: Path, model: standard_artifacts.Model, monkeypatch: pytest.MonkeyPatch
):
    whole = contents(Path(model.uri) / "Format-Serving")
    for allowed in range(40):
        folder = tmp_path / str(allowed)
        with monkeypatch.context() as patch:
            left = iter(range(allowed))

            def counted(function, left=left):
                def operation(*args, **kwargs):
                    if next(left, None) is None:
                        raise Killed
                    return function(*args, **kwargs)

                return operation

            for name in ("copy", "makedirs", "mkdir"):
                patch.setattr(fileio, name, counted(getattr(fileio, name)))
            for name in ("rename", "rmdir"):
                patch.setattr(os, name, counted(getattr(os, name)))
            try:
                push(folder, model)
                ended = True
            except Killed:
                ended = False
        for version in versions(folder / "serving"):
            assert contents(version) == whole
        if ended:
            break
        push(folder, model)
        left_over = [n for n in os.listdir(folder / "serving") if not n.isdigit()]
        assert left_over == []
        assert all(contents(version) == whole for version in versions(folder / "serving"))
    assert ended and allowed > 8
