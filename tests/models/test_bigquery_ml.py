"""The script for BigQuery ML learns from what our own model learns from."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.query import render_splits
from data.table import TABLE, QueryParameters
from models.bigquery_ml import write_script
from models.features import HYPERPARAMETERS

MODEL = "my-project.references.natality"
QUERIES = render_splits(QueryParameters(), table=TABLE.name, sample=1)

TRANSFORM = Path(__file__).with_name("bigquery_ml_transform.sql").read_text(encoding="utf-8")


def script(kind: str = "BOOSTED_TREE_REGRESSOR") -> str:
    return write_script(kind, MODEL, QUERIES, HYPERPARAMETERS)


def test_inputs_are_the_declared_buckets_and_crosses():
    """The text itself: BigQuery ML is not here to try it."""
    begin = script().index("TRANSFORM (\n")
    assert script()[begin : script().index("\n)\nOPTIONS")] + "\n)\n" == TRANSFORM


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LINEAR_REG", ""),
        ("BOOSTED_TREE_REGRESSOR", ""),
        ("DNN_LINEAR_COMBINED_REGRESSOR", ",\n  hidden_units = [64, 32]"),
    ],
)
def test_options_are_those_of_the_kind(kind: str, options: str):
    assert (
        f"OPTIONS (\n  model_type = '{kind}',\n  input_label_cols = ['weight_pounds'],\n"
        f"  data_split_method = 'NO_SPLIT'{options}\n) AS\n"
    ) in script(kind)


def test_it_learns_from_the_train_split_and_is_judged_on_the_eval_split():
    learned, judged = script().split(";\n", maxsplit=1)
    assert f"CREATE OR REPLACE MODEL `{MODEL}`\n" in learned
    assert learned.endswith(") AS\n" + QUERIES["train"].strip())
    evaluated = f"ML.EVALUATE(\n    MODEL `{MODEL}`,\n    (\n{QUERIES['eval'].strip()}\n    )\n  );"
    assert evaluated in judged
    assert "SQRT(mean_squared_error) AS rmse" in judged and "mean_absolute_error AS mae" in judged
