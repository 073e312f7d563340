"""Each column becomes what it is fit for, and the reason is told."""

# The types that pandas and scikit-learn are given by guessing do not fit.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from models.declaration import Category, Feature, Number
from scaffold import plan
from scaffold.rows import Rows, typed_rows


def features(made: plan.Plan) -> dict[str, Feature]:
    return {planned.feature.name: planned.feature for planned in made.features}


def decisions(made: plan.Plan) -> dict[str, str]:
    return {decision.column: decision.role for decision in made.decisions}


def rows_of(**columns) -> Rows:
    table = pa.table(pd.DataFrame(columns))
    return typed_rows(table, "p.d.t", "t", table.num_rows)


@pytest.fixture(scope="module")
def made(trips) -> plan.Plan:
    return plan.make(trips, "fare", "dollars", None)


def test_every_column_is_decided_on(trips, made):
    assert decisions(made).keys() == {column.name for column in trips.columns}
    assert decisions(made) == {
        "fare": "label",
        "trip_id": "left out",
        "driver_id": "key of the splits",
        "pickup_time": "features",
        **dict.fromkeys(("pickup_area", "miles", "minutes", "passengers"), "feature"),
        **dict.fromkeys(("payment", "shared"), "feature"),
        **dict.fromkeys(("tip", "total"), "left out: leak suspect"),
        "company": "left out",
    }


def test_gaps_make_a_feature_optional(made):
    declared = features(made)
    required = {name for name, feature in declared.items() if feature.required}
    assert declared.keys() - required == {"pickup_area", "minutes", "passengers", "payment"}


def test_rare_words_share_one(made):
    area = features(made)["pickup_area"]
    assert isinstance(area, Category)
    assert area.vocabulary[-2:] == ("Other", "Unknown")
    assert not any(word.startswith("Village") for word in area.vocabulary)


def test_of_a_time_hour_day_and_month_come_back(made):
    declared = features(made)
    hour, day = declared["pickup_time_hour"], declared["pickup_time_weekday"]
    assert isinstance(hour, Number) and (hour.minimum, hour.maximum) == (0, 23)
    assert isinstance(day, Category) and day.vocabulary == plan.DAYS
    assert "pickup_time_month" in declared


def test_a_code_is_a_word_and_a_count_is_a_number():
    random = np.random.default_rng(1)
    made = plan.make(
        rows_of(
            price=random.normal(10, 3, 1000),
            zone_code=random.integers(1, 9, 1000),
            rooms=random.integers(1, 9, 1000),
        ),
        *("price", "", None),
    )
    assert isinstance(features(made)["zone_code"], Category)
    assert isinstance(features(made)["rooms"], Number)


def test_the_key_one_names_is_taken(trips):
    made = plan.make(trips, "fare", "", "trip_id")
    assert made.key == "trip_id"
    assert decisions(made)["driver_id"] == "left out"


@given(
    st.lists(st.floats(-1e9, 1e9, width=32), min_size=2, max_size=50),
    st.booleans(),
)
def test_a_range_holds_what_was_seen_and_its_boundaries_rise_inside(numbers, whole):
    known = pd.Series(numbers, dtype=float)
    low, high = plan.limits(known, whole)
    assert low <= known.min() and known.max() <= high
    assert low >= 0 or known.min() < 0
    edges = plan.boundaries(known, low, high)
    assert list(edges) == sorted(set(edges))
    assert all(low < edge <= high for edge in edges)


@pytest.mark.parametrize(
    ("label", "split_by", "message"),
    [
        ("fair", None, "Did you mean fare?"),
        ("payment", None, "The label payment is a category of type STRING"),
        ("company", None, "The label company is a constant"),
        ("fare", "driver", "Did you mean driver_id?"),
        ("fare", "miles", "Rows cannot be split by miles: it is FLOAT64"),
    ],
)
def test_what_cannot_be_is_told(trips, label, split_by, message):
    with pytest.raises(UserError, match=message):
        plan.make(trips, label, "", split_by)


def test_a_table_of_nothing_but_leaks_is_refused():
    price = np.random.default_rng(1).normal(10, 3, 1000)
    with pytest.raises(UserError, match=r"No column .* is fit to predict price: total"):
        plan.make(rows_of(price=price, total=price), "price", "", None)
