"""The pushed model as one query: it answers as the model does, wherever its rows lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from tfx.components.trainer.fn_args_utils import FnArgs

from common.errors import UserError
from data.source import open_source
from data.table import TABLE
from data.warehouse import Warehouse
from models.declaration import UNKNOWN
from models.features import FEATURES
from models.names import PREDICTED, PREDICTION, SERVING
from pipeline.cli.config import SettingsError
from pipeline.local import predict
from pipeline.local.predict import rows_to_predict
from pipeline.settings import load_settings
from serving.instances import from_rows
from serving.sql.score_query import VERSION


@pytest.fixture(scope="module")
def run_root(trained: FnArgs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a pipeline that pushed the trained model as version 7."""
    return pushed(trained, tmp_path_factory.mktemp("runs"))


def pushed(trained: FnArgs, root: Path) -> Path:
    version = root / "serving" / TABLE.pipeline / "7"
    version.parent.mkdir(parents=True)
    version.symlink_to(trained.serving_model_dir)
    return root


def printed(run_root: Path, **options: object) -> str:
    """What `local_runner.py predict` prints."""
    out = Console(file=io.StringIO(), width=80)
    settings = load_settings(["--run-root", str(run_root)])
    assert predict.run(settings, predict.Options.model_validate(options), out) == 0
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def answered(query: str) -> list[dict]:
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        return [row for batch in warehouse.query(query) for row in batch.to_pylist()]


LIKE_NONE = {
    "known": {},
    "a word that training never saw": {"mother_race": "'Martian'"},
    "no word": {"cigarette_use": "''"},
    "NULL": {"cigarette_use": "CAST(NULL AS STRING)"},
    "Unknown": {"cigarette_use": "'Unknown'"},
    # As a float32 it is 16, which the bucket above begins with; and one that is not.
    "almost 16": {"mother_age": "15.9999999"},
    "nearly 16": {"mother_age": "15.999"},
    "out of range": {"mother_age": "90", "gestation_weeks": "3.0"},
    "no plurality": {"plurality": "CAST(NULL AS STRING)"},
    "no age": {"mother_age": "CAST(NULL AS FLOAT64)"},
}
"""Rows that the sample has not, by how they differ from the first."""

KNOWN = {
    **{"is_male": "'True'", "mother_age": "28.0", "plurality": "'Single(1)'"},
    **{"gestation_weeks": "39.0", "mother_race": "'White'", "cigarette_use": "'False'"},
    "alcohol_use": "'False'",
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A query that selects the test split and the rows above."""
    split = rows_to_predict(load_settings(), "test")
    names = ", ".join(KNOWN)
    selected = [f"SELECT 'split' AS kind, {names} FROM {split}"]
    for kind, differs in LIKE_NONE.items():
        values = ", ".join(f"{value} AS {name}" for name, value in (KNOWN | differs).items())
        selected.append(f"SELECT '{kind}' AS kind, {values}")
    file = tmp_path_factory.mktemp("query") / "rows.sql"
    file.write_text("\nUNION ALL\n".join(selected), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def query(run_root: Path, rows: Path) -> str:
    """What predicts those rows."""
    return printed(run_root, sql=True, input=str(rows))


@pytest.fixture(scope="module")
def answers(query: str) -> list[dict]:
    """Those rows, predicted by the query."""
    return answered(query)


def test_it_answers_as_the_model_on_every_row_of_the_test_split(answers: list[dict], model):
    rows = [row for row in answers if row["kind"] == "split"]
    assert len(rows) == 12_266
    assert apart(rows, model) < 1e-3
    assert np.std([row[PREDICTED] for row in rows]) > 0.5


def apart(rows: list[dict], model: Any) -> float:
    """How far the query's answers are from the model's at most, in the label's unit."""
    asked = from_rows([{f.name: row[f.name] for f in FEATURES} for row in rows])
    fed = {name: tf.constant(values.tolist()) for name, values in asked.items()}
    expected = model.signatures[SERVING](**fed)[PREDICTION].numpy()
    return float(np.abs([row[PREDICTED] for row in rows] - expected).max())


def test_a_model_that_was_trained_in_mixed_precision_is_a_query_too(mixed: FnArgs, tmp_path: Path):
    rows = answered(printed(pushed(mixed, tmp_path / "runs"), sql=True, input="test"))
    assert apart(rows, tf.saved_model.load(mixed.serving_model_dir)) < 1e-3


def test_it_answers_as_the_model_to_what_the_sample_has_not(answers: list[dict], model):
    by_kind = {row["kind"]: row for row in answers}
    for kind in list(LIKE_NONE)[:-2]:
        row = by_kind[kind]
        fed = {f.name: tf.constant([row[f.name] or UNKNOWN]) for f in FEATURES}
        expected = float(model.signatures[SERVING](**fed)[PREDICTION][0])
        assert row[PREDICTED] == pytest.approx(expected, abs=1e-3), kind
    assert by_kind["NULL"][PREDICTED] == by_kind["Unknown"][PREDICTED]
    assert by_kind["almost 16"][PREDICTED] != pytest.approx(by_kind["nearly 16"][PREDICTED])


def test_what_a_request_must_give_is_not_guessed(answers: list[dict]):
    by_kind = {row["kind"]: row[PREDICTED] for row in answers}
    assert by_kind["no plurality"] is None
    assert by_kind["no age"] is None


def test_rows_keep_their_columns_and_tell_the_version(answers: list[dict]):
    assert list(answers[0]) == ["kind", *KNOWN, PREDICTED, VERSION]
    assert {row[VERSION] for row in answers} == {"7"}


def test_by_default_all_that_the_settings_select_is_predicted():
    def count(*arguments: str, rows: str | None = None) -> int:
        query = rows_to_predict(load_settings(arguments), rows)
        return answered(f"SELECT COUNT(*) AS n FROM ({query})")[0]["n"]

    assert count() == 74_712 + 12_420 + 12_266
    assert count(rows="eval") == 12_420
    assert 0 < count("--sample", "0.1", rows="eval") < 12_420


def test_a_table_is_predicted_where_it_lies():
    assert rows_to_predict(load_settings(), "my-project.d.t") == "SELECT * FROM `my-project.d.t`"


def test_what_to_predict_is_said_once(run_root: Path):
    for options in ({}, {"sql": True, "request": "{}"}, {"sql": True, "output": "x.csv"}):
        with pytest.raises(SettingsError, match="not said what to predict, or twice"):
            printed(run_root, **options)
    with pytest.raises(UserError, match="'tset', which is no split, no table and no file"):
        printed(run_root, sql=True, input="tset")
    with pytest.raises(UserError, match="No model has been pushed"):
        printed(run_root / "empty", sql=True)


def test_a_version_that_is_damaged_is_passed_over_and_told(
    trained: FnArgs, tmp_path: Path, rows: Path, query: str
):
    root = pushed(trained, tmp_path)
    newest = root / "serving" / TABLE.pipeline / "8"
    newest.mkdir()
    (newest / "saved_model.pb").touch()
    first, _, older = printed(root, sql=True, input=str(rows)).partition("\n")
    assert first.startswith(f"-- {newest} can't be read (")
    assert first.endswith("an older version answered. Remove that folder.")
    assert older == query, "as where there is no newer one"
