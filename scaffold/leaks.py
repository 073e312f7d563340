"""Columns that know the label: computed from it, or known only when it is.

A model that reads one looks excellent in every report and is worthless in use. What is said here
is a suspicion, from numbers and from names; a person decides.
"""

# The types that pandas and scikit-learn are given by guessing do not fit.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from scaffold.profile import Profile, name_parts

ALONE = 0.95
"""Share of the label's variance from which a single column predicts it too well to be honest."""

NAMED = 0.5
"""The same, of a column whose name is that of something known only afterwards."""

EXACT = 0.9999
"""The same, of a sum or difference of two columns: arithmetic, not a relation."""

AFTERWARDS = """
total subtotal tip tips gratuity tax fee fees surcharge discount
paid payment refund invoice revenue profit balance billed charged
end ended finish finished dropoff arrival arrived completed closed delivered returned
cancelled canceled outcome result final actual
rating review feedback prediction predicted estimate score
"""
"""Parts of names of what is often known only when the label is."""


@dataclass(frozen=True)
class Suspect:
    """A column that may know the label.

    Attributes:
        column: Its name.
        why: What was seen, as a sentence.
        left_out: Whether that is enough to leave it out of the features.
    """

    column: str
    why: str
    left_out: bool


def find(
    label: str, columns: Mapping[str, pd.Series], profiles: Mapping[str, Profile]
) -> dict[str, Suspect]:
    """Suspects among the columns of a table.

    Args:
        label: Name of the column to predict.
        columns: Values by name, as `scaffold.profile.values` gives them; the label among them.
        profiles: What they are.
    """
    known = columns[label].notna()
    target = columns[label][known].to_numpy()
    strengths = strength_of_each(label, columns, profiles)
    found: dict[str, Suspect] = {}
    for name, strength in strengths.items():
        hints = [part for part in name_parts(name) if part in AFTERWARDS.split()]
        if set(name_parts(label)) <= set(name_parts(name)):
            hints.insert(0, label)
        if strength >= ALONE:
            why = f"It alone explains {strength:.0%} of the variance of {label}."
            found[name] = Suspect(name, why, left_out=True)
        elif hints and strength >= NAMED:
            why = (
                f"It alone explains {strength:.0%} of the variance of {label}, and its name"
                f" ({hints[0]!r}) is that of something often known only afterwards."
            )
            found[name] = Suspect(name, why, left_out=True)
        elif hints:
            why = f"Its name ({hints[0]!r}) is that of something often known only afterwards."
            found[name] = Suspect(name, why, left_out=False)
    numbers = {n: columns[n][known] for n in strengths if profiles[n].kind == "number"}
    for first, second in _exact_pairs(target, numbers):
        for name, other in ((first, second), (second, first)):
            if name not in found or not found[name].left_out:
                why = f"Together with {other} it gives {label} exactly."
                found[name] = Suspect(name, why, left_out=True)
    return found


def strength_of_each(
    label: str, columns: Mapping[str, pd.Series], profiles: Mapping[str, Profile]
) -> dict[str, float]:
    """How well each column alone predicts the label.

    Returns:
        Share of the label's variance explained, on every second row, by a tree grown on the
        others; by name of the column. 0 if it is none, or if the column says nothing.
    """
    known = columns[label].notna().to_numpy()
    target = columns[label].to_numpy()[known]
    # Which half a row is in must not depend on the order of the rows, which may be the label's.
    half = np.random.default_rng(1).random(len(target)) < 0.5
    found = {}
    for name, series in columns.items():
        if name == label or profiles[name].kind in ("text", "constant"):
            continue
        codes = _codes(series[known], target, half)
        tree = DecisionTreeRegressor(max_leaf_nodes=64, min_samples_leaf=20, random_state=1)
        tree.fit(codes[half], target[half])
        found[name] = max(0.0, float(tree.score(codes[~half], target[~half])))
    return found


def _codes(series: pd.Series, target: np.ndarray, half: np.ndarray) -> np.ndarray:
    """The column as one number: words as the mean label of their rows, missing ones as below all.

    Shape `[rows, 1]`.
    """
    if pd.api.types.is_datetime64_any_dtype(series):
        codes = series.astype("int64").to_numpy().astype(float)
        codes[series.isna().to_numpy()] = np.nan
    elif pd.api.types.is_numeric_dtype(series):
        codes = series.to_numpy(float)
    else:
        means = pd.Series(target[half]).groupby(series[half].to_numpy()).mean()
        codes = series.map(means).to_numpy(float)
    below = np.nanmin(codes) - 1 if np.isfinite(codes).any() else 0.0
    return np.nan_to_num(codes, nan=below)[:, None]


def _exact_pairs(target: np.ndarray, numbers: Mapping[str, pd.Series]) -> list[tuple[str, str]]:
    """Pairs of columns whose sum, difference or other linear combination is the label."""
    found = []
    for first, second in itertools.combinations(numbers, 2):
        both = np.column_stack([numbers[first], numbers[second]])
        complete = np.isfinite(both).all(axis=1)
        if complete.sum() < 100:
            continue
        inputs, outputs = both[complete], target[complete]
        score = LinearRegression().fit(inputs, outputs).score(inputs, outputs)
        alone = [
            LinearRegression().fit(inputs[:, [i]], outputs).score(inputs[:, [i]], outputs)
            for i in (0, 1)
        ]
        if score >= EXACT and max(alone) < EXACT:
            found.append((first, second))
    return found
