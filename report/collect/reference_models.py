"""What a model must beat to be worth it: simpler and stronger learners, and published figures."""

# scikit-learn and pandas carry no types that fit each other.
# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from models.feature_kinds import categories, numbers
from models.features import LABEL
from models.judging import PUBLISHED
from report.collect.bigquery_reference import train_reference
from report.facts import Reference
from report.run_info import BigQueryModel

_CATEGORIES = [category.name for category in categories()]
_NUMBERS = [number.name for number in numbers()]

_MOST_WORDS = 254
"""Words of a category that are told apart; the rarest beyond are one. Trees take no more."""


def references() -> dict[str, Any]:
    """What the model is held against, untrained, by name, the simplest first.

    They read examples as `numbered_words` gives them.
    """
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    tree = HistGradientBoostingRegressor(
        categorical_features=list(range(len(_CATEGORIES))), random_state=0
    )
    mean = SimpleImputer(add_indicator=True, keep_empty_features=True)
    return {
        "mean predictor": DummyRegressor(),
        "linear regression": make_pipeline(_columns(one_hot, mean), LinearRegression()),
        "gradient-boosted tree": make_pipeline(_columns("passthrough", "passthrough"), tree),
    }


def numbered_words(examples: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Examples as the learners read them: each word by its number.

    Args:
        examples: With the words themselves.
        train: What the learners learn from. Its rarest words, and those that it lacks, are -1.
    """
    numbered = {}
    for name in _CATEGORIES:
        words = train[name].value_counts().index[:_MOST_WORDS].astype(str)
        numbered[name] = pd.Categorical(examples[name], categories=words.sort_values()).codes
    return examples.assign(**numbered)


def train_references(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Trains what the model is held against, on the same columns.

    Args:
        train: Examples to learn from, as `report.collect.example_rows` reads them.
        test: Examples to be judged on.

    Returns:
        RMSE and MAE in the label's unit, by learner, the simplest first.
    """
    found = {}
    test = numbered_words(test, train)
    train = numbered_words(train, train)
    # The threads of these learners wait for each other by turning in circles: on cores that have
    # something else to do, two take thirty times as long as one.
    with threadpool_limits(1):
        for name, learner in references().items():
            predicted = learner.fit(train, train[LABEL.name]).predict(test)
            found[name] = (
                float(root_mean_squared_error(test[LABEL.name], predicted)),
                float(mean_absolute_error(test[LABEL.name], predicted)),
            )
    return found


def compare_references(
    examples: Mapping[str, pd.DataFrame],
    rows: Mapping[str, int],
    bigquery_model: BigQueryModel | None = None,
) -> tuple[Reference, ...]:
    """What the model is held against: on the same rows, then as published.

    Args:
        examples: The first examples of the train and eval splits.
        rows: How many each split has.
        bigquery_model: What BigQuery ML is to train on all of them.

    Raises:
        UserError: If BigQuery refuses.
    """
    train, test = examples["train"], examples["eval"]
    source = f"learned from {_part(len(train), rows['train'])}"
    if len(test) < rows["eval"]:
        source += f", judged on {_part(len(test), rows['eval'])}"
    measured = [
        Reference(name, rmse, mae, source, same_rows=True)
        for name, (rmse, mae) in train_references(train, test).items()
    ]
    published = [
        Reference(p.model, p.rmse, p.mae, f"published: {p.source}", same_rows=False)
        for p in PUBLISHED
    ]
    in_bigquery = [train_reference(bigquery_model)] if bigquery_model else []
    return (*measured, *in_bigquery, *published)


def _part(read: int, of: int) -> str:
    return f"{read:,} examples" if read == of else f"{read:,} of {of:,} examples"


def _columns(category: OneHotEncoder | str, number: SimpleImputer | str):
    """The categories, then the numbers; the label and the context left out."""
    return make_column_transformer((category, _CATEGORIES), (number, _NUMBERS))
