"""Predictions come from the newest model that was pushed whole."""

from __future__ import annotations

import json
import re
import shutil
from io import StringIO
from pathlib import Path

import pytest
import tensorflow as tf
from rich.console import Console
from small_model import WIDTHS, expected, write_model

from common.errors import UserError
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTION, SERVING
from pipeline.local.predict import Answer, Options, predict, run
from pipeline.settings import load_settings
from serving.versions.push_folder import versions


class Answers(tf.Module):
    """A pushed model that always answers the same."""

    def __init__(self, pounds: float) -> None:
        super().__init__()
        self._pounds = tf.Variable(tf.constant(pounds))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="mother_age")])
    def answer(self, mother_age: tf.Tensor) -> dict[str, tf.Tensor]:
        return {PREDICTION: tf.ones_like(mother_age) * self._pounds}


def push(folder: Path, version: str, pounds: float) -> Path:
    model = Answers(pounds)
    tf.saved_model.save(model, str(folder / version), signatures={SERVING: model.answer})
    return folder / version


ASKED = {"mother_age": 28.0}


def test_the_newest_version_answers(tmp_path: Path):
    push(tmp_path, "999", 6.5)
    push(tmp_path, "1000", 7.5)  # Newer, though it sorts before.
    push(tmp_path, "backup", 8.5)  # No version.
    assert [version.name for version in versions(tmp_path)] == ["1000", "999"]
    assert predict(tmp_path, ASKED) == Answer(7.5)


def test_a_half_pushed_version_is_passed_over(tmp_path: Path):
    push(tmp_path, "1000", 7.5)
    half = push(tmp_path, "2000", 6.5)
    (half / "saved_model.pb").unlink()  # The Pusher copies it last.
    assert predict(tmp_path, ASKED) == Answer(7.5)


@pytest.mark.parametrize("made", [True, False], ids=["empty", "missing"])
def test_without_a_model_it_says_what_to_do(tmp_path: Path, made: bool):
    folder = tmp_path / "serving"
    if made:
        folder.mkdir()
    with pytest.raises(UserError, match="No model has been pushed") as caught:
        predict(folder, ASKED)
    assert "local_runner.py" in caught.value.cure


def cut(file: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


DAMAGES = {
    "no model": lambda v: (v / "saved_model.pb").write_bytes(b"not a model"),
    "empty model": lambda v: cut(v / "saved_model.pb", 0),
    "cut model": lambda v: cut(v / "saved_model.pb", 0.6),
    "empty variables": lambda v: cut(v / "variables" / "variables.data-00000-of-00001", 0),
    "cut variables": lambda v: cut(v / "variables" / "variables.data-00000-of-00001", 0.5),
    "cut index": lambda v: cut(v / "variables" / "variables.index", 0.5),
    "no variables": lambda v: shutil.rmtree(v / "variables"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_older_version_answers_for_a_damaged_one(tmp_path: Path, damage, capfd):
    push(tmp_path, "1000", 7.5)
    version = push(tmp_path, "2000", 6.5)
    damage(version)
    answer = predict(tmp_path, ASKED)
    assert answer.prediction == 7.5
    assert list(answer.damaged) == [str(version)]


def test_where_all_are_damaged_each_is_named(tmp_path: Path):
    for name in ("1000", "2000"):
        cut(push(tmp_path, name, 7.5) / "saved_model.pb", 0)
    with pytest.raises(UserError, match=r"can be read: 2000 \(\w+\), 1000 \(\w+\)\."):
        predict(tmp_path, ASKED)


def test_a_model_of_other_features_is_named(tmp_path: Path):
    version = push(tmp_path, "1000", 7.5)
    with pytest.raises(UserError, match=r"other features .*\(plurality\)") as caught:
        predict(tmp_path, ASKED | {"plurality": "Single(1)"})
    assert str(version) in caught.value.cause
    assert "local_runner.py" in caught.value.cure


@pytest.mark.parametrize(
    ("interpreted", "told"),
    [(True, r"[\d.]+ lb, 80% between [\d.]+ and [\d.]+\n"), (False, r"[\d.]+ lb\n")],
)
def test_the_interval_is_told_where_the_model_has_one(tmp_path: Path, interpreted: bool, told: str):
    settings = load_settings(["--run-root", str(tmp_path)])
    write_model(settings.serving_folder, 1000, interpreted=interpreted)
    console = Console(file=StringIO(), width=40)
    assert run(settings, Options(request=json.dumps(EXAMPLE_REQUEST)), console) == 0
    printed = console.file.getvalue()
    assert re.fullmatch(told, printed)
    numbers = [float(number) for number in re.findall(r"\d+\.\d+", printed)]
    assert numbers[0] == pytest.approx(expected(EXAMPLE_REQUEST), abs=0.01)
    if interpreted:
        ends = [numbers[0] - WIDTHS[80], numbers[0] + WIDTHS[80]]
        assert numbers[1:] == pytest.approx(ends, abs=0.06)
