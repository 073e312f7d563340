"""Columns that know the label are suspected, those that only predict it well are not."""

# The types that pandas and scikit-learn are given by guessing do not fit.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from scaffold import leaks
from scaffold.profile import profile, values
from scaffold.rows import Rows, typed_rows


def suspects(rows: Rows, label: str) -> dict[str, leaks.Suspect]:
    profiles = profile(rows)
    return leaks.find(label, {name: values(rows, name) for name in profiles}, profiles)


def of(label: str = "price", **columns) -> dict[str, leaks.Suspect]:
    table = pa.table(pd.DataFrame(columns))
    return suspects(typed_rows(table, "p.d.t", "t", table.num_rows), label)


RANDOM = np.random.default_rng(1)
PRICE = np.round(RANDOM.gamma(2, 10, 2000), 2)
NOISE = RANDOM.normal(0, 1, 2000)


def test_what_is_computed_from_the_fare_is_left_out(trips):
    found = suspects(trips, "fare")
    assert {name for name, suspect in found.items() if suspect.left_out} == {"tip", "total"}
    assert found["total"].why == "It alone explains 97% of the variance of fare."


def test_what_is_named_like_something_later_is_asked_about(trips):
    payment = suspects(trips, "fare")["payment"]
    assert not payment.left_out
    assert "'payment'" in payment.why


def test_what_explains_most_is_no_suspect_by_that_alone(trips):
    assert "miles" not in suspects(trips, "fare")


def test_numbers_that_give_the_label_together_are_left_out():
    found = of(price=PRICE, net=PRICE + 30 * NOISE, rest=-30 * NOISE, other=NOISE[::-1])
    assert found.keys() == {"net", "rest"}
    assert found["net"].why == "Together with rest it gives price exactly."


def test_a_word_that_says_the_label_is_left_out():
    price = RANDOM.uniform(0, 100, 2000)
    assert of(price=price, grade=pd.cut(price, 15).astype(str))["grade"].left_out


@pytest.mark.parametrize("name", ["weekend", "dependents", "totality", "tipi"])
def test_parts_of_words_are_no_hints(name):
    assert of(price=PRICE, **{name: NOISE}) == {}


def test_the_order_of_the_rows_does_not_hide_a_leak():
    price = np.sort(PRICE)
    assert of(price=price, total=price + NOISE)["total"].left_out


def test_a_name_for_each_row_explains_nothing():
    assert of(price=PRICE, name=[f"n{i}" for i in range(len(PRICE))]) == {}
