"""An error is estimated without labels, with an interval that holds it, also after a shift."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from request_logs import sample

from models.declaration import Category
from models.error_estimate import ErrorModel, fit_errors
from models.features import COPIES_DIFFER_IN, FEATURES, LABEL

SHIFTS = {
    "as learned": lambda births: np.ones(len(births)),
    "more born early": lambda births: np.where(births["gestation_weeks"] < 37, 3.0, 1.0),
    "older mothers": lambda births: np.where(births["mother_age"] >= 35, 4.0, 1.0),
    "no ultrasound": lambda births: np.where(births["is_male"] == "Unknown", 1.0, 0.05),
}


def asked(births: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns as a model takes them."""
    return {
        f.name: births[f.name].fillna("Unknown").str.encode("utf-8").to_numpy()
        if isinstance(f, Category)
        else births[f.name].to_numpy(np.float32)
        for f in FEATURES
    }


def once(births: pd.DataFrame) -> pd.DataFrame:
    """One example of each birth, whichever."""
    told = [n for n in births if n not in COPIES_DIFFER_IN]
    return pd.DataFrame(births.sample(frac=1, random_state=1).drop_duplicates(told))


def predicted(births: pd.DataFrame) -> np.ndarray:
    """By a rule: the errors of those born early are another's."""
    weeks = births["gestation_weeks"].to_numpy()
    return np.where(weeks < 37, 5.0, 7.3 + 0.2 * (weeks - 39))


def rmse(births: pd.DataFrame) -> float:
    return float(np.sqrt(np.mean((predicted(births) - births[LABEL.name]) ** 2)))


@pytest.fixture(scope="module")
def fitted() -> ErrorModel:
    births = sample("eval")
    return fit_errors(predicted(births), births[LABEL.name].to_numpy(), asked(births))


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_interval_holds_the_error_of_a_shift_it_was_not_told_of(fitted: ErrorModel, shift: str):
    """Each birth is asked about once, of the two examples that there are of it."""
    births = once(sample("test"))
    weights = SHIFTS[shift](births)
    drawn = pd.DataFrame(
        births[np.random.default_rng(1).random(len(births)) < weights / weights.max()]
    )
    found = fitted.estimate(predicted(drawn), asked(drawn))
    assert found.low < found.rmse < found.high
    assert found.low <= rmse(drawn) <= found.high
    assert found.high - found.low < 0.2 * found.rmse


def test_an_error_that_grows_is_seen(fitted: ErrorModel):
    """The estimate follows the mix, rather than be wide enough for all."""
    births = sample("test")
    early = pd.DataFrame(births[births["gestation_weeks"] < 37])
    calm = fitted.estimate(predicted(births), asked(births))
    worse = fitted.estimate(predicted(early), asked(early))
    assert rmse(early) > 1.2 * rmse(births)
    assert worse.low > calm.high


def test_it_travels_as_json(fitted: ErrorModel):
    read = TypeAdapter(ErrorModel).validate_json(json.dumps(asdict(fitted), allow_nan=False))
    assert read == fitted


def test_one_row_has_an_estimate(fitted: ErrorModel):
    births = pd.DataFrame(sample("test").head(1))
    columns: Mapping[str, np.ndarray] = asked(births)
    found = fitted.estimate(predicted(births), columns)
    assert 0 <= found.low < found.rmse < found.high
