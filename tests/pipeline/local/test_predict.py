"""Predictions come from the newest model that was pushed whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from common.errors import UserError
from models.names import PREDICTION, SERVING
from pipeline.local.predict import newest_version, predict


class Answers(tf.Module):
    """A pushed model that always answers the same."""

    def __init__(self, pounds: float) -> None:
        super().__init__()
        self._pounds = pounds

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="mother_age")])
    def answer(self, mother_age: tf.Tensor) -> dict[str, tf.Tensor]:
        return {PREDICTION: tf.ones_like(mother_age) * self._pounds}


def push(folder: Path, version: str, pounds: float) -> Path:
    model = Answers(pounds)
    tf.saved_model.save(model, str(folder / version), signatures={SERVING: model.answer})
    return folder / version


def test_the_newest_version_answers(tmp_path: Path):
    push(tmp_path, "999", 6.5)
    push(tmp_path, "1000", 7.5)  # Newer, though it sorts before.
    assert newest_version(tmp_path).name == "1000"
    assert predict(tmp_path, {"mother_age": 28.0}) == 7.5


def test_a_half_pushed_version_is_passed_over(tmp_path: Path):
    push(tmp_path, "1000", 7.5)
    half = push(tmp_path, "2000", 6.5)
    (half / "saved_model.pb").unlink()  # The Pusher copies it last.
    assert predict(tmp_path, {"mother_age": 28.0}) == 7.5


def test_other_folders_are_no_versions(tmp_path: Path):
    push(tmp_path, "1000", 7.5)
    push(tmp_path, "backup", 6.5)
    assert newest_version(tmp_path).name == "1000"


@pytest.mark.parametrize("made", [True, False], ids=["empty", "missing"])
def test_without_a_model_it_says_what_to_do(tmp_path: Path, made: bool):
    folder = tmp_path / "serving"
    if made:
        folder.mkdir()
    with pytest.raises(UserError, match="No model has been pushed") as caught:
        newest_version(folder)
    assert "local_runner.py" in caught.value.cure


def test_a_damaged_model_is_named(tmp_path: Path):
    version = push(tmp_path, "1000", 7.5)
    (version / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(UserError, match="can't be read") as caught:
        predict(tmp_path, {"mother_age": 28.0})
    assert str(version) in caught.value.cause


def test_a_model_of_other_features_is_named(tmp_path: Path):
    version = push(tmp_path, "1000", 7.5)
    with pytest.raises(UserError, match=r"other features .*\(plurality\)") as caught:
        predict(tmp_path, {"mother_age": 28.0, "plurality": "Single(1)"})
    assert str(version) in caught.value.cause
    assert "local_runner.py" in caught.value.cure
