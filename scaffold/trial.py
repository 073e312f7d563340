"""What the drafted query gives, tried with quick learners before anything is trained.

From it come the bounds that a model must keep to, crosses worth trying, slices and an example.
"""

# The types that pandas and scikit-learn are given by guessing do not fit.
# pyright: reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder

from common.errors import UserError
from data.columns import Column
from data.query import SPLITS
from data.source import open_source
from data.warehouse import Warehouse
from models.declaration import UNKNOWN, Band, Bounds, Category, Cross, Feature, Label, Number
from scaffold.plan import rounded

_MOST_CROSSES = 3
_TRIED_FOR_CROSSES = 6
_WORTH = 0.002
"""Share of the label's variance that a cross must explain beyond its parents."""

_LEAST_EXAMPLES = 50
_FEW_WORDS = 12
_BANDS = 2
_SEED = 1


@dataclass(frozen=True)
class Trial:
    """What was learned of the table by trying.

    Attributes:
        examples: Number of examples by split.
        mean_rmse: Error on the eval split of always saying the mean of the train split.
        tree_rmse: The same of boosted trees on all features.
        mean: Mean of the label among the training examples.
        spread: Its standard deviation there.
        importance: Share of the label's variance that each feature alone explains.
        crosses: Combinations that explain more than their parts.
        bands: Ranges of numbers to slice the evaluation by.
        slices: What to slice it by.
        bounds: When a model is blessed.
        request: A typical row, as one asks for a prediction.
    """

    examples: Mapping[str, int]
    mean_rmse: float
    tree_rmse: float
    mean: float
    spread: float
    importance: Mapping[str, float]
    crosses: tuple[Cross, ...]
    bands: tuple[Band, ...]
    slices: tuple[str, ...]
    bounds: Bounds
    request: Mapping[str, str | float]


def run(
    query: str,
    sample: Path,
    table: str,
    columns: Sequence[Column],
    label: Label,
    features: Sequence[Feature],
) -> Trial:
    """Runs the query on the sample, and learns from its train split.

    Raises:
        UserError: If the query cannot be run, or a split has too few rows.
    """
    frames = _split(query, sample, table, columns)
    for split, frame in frames.items():
        if len(frame) < _LEAST_EXAMPLES:
            raise UserError(
                f"The {split} split has {len(frame)} rows, too few to judge a model by.",
                "Give more rows, or split them by another column with more different values.",
            )
    train, eval_ = frames["train"], frames["eval"]
    target, truth = train[label.name].to_numpy(float), eval_[label.name].to_numpy(float)
    inputs = {split: _inputs(frame, features) for split, frame in frames.items()}
    is_category = [isinstance(feature, Category) for feature in features]
    trees = _trees(inputs["train"], target, is_category, rounds=100)
    errors = trees.predict(inputs["eval"]) - truth
    mean_errors = target.mean() - truth
    importance = {}
    for i, feature in enumerate(features):
        one = {split: columns[:, [i]] for split, columns in inputs.items()}
        score = _trees(one["train"], target, [is_category[i]], rounds=30).score(one["eval"], truth)
        importance[feature.name] = max(0.0, float(score))
    bands = _bands(train, features, importance)
    slices = _slices(features, bands, importance)
    return Trial(
        examples={split: len(frame) for split, frame in frames.items()},
        mean_rmse=_rmse(mean_errors),
        tree_rmse=_rmse(errors),
        mean=float(target.mean()),
        spread=float(target.std()),
        importance=importance,
        crosses=_crosses(frames, features, importance, label),
        bands=bands,
        slices=slices,
        bounds=_bounds(eval_, errors, _rmse(mean_errors), bands, slices),
        request=_typical(train, features),
    )


def _split(
    query: str, sample: Path, table: str, columns: Sequence[Column]
) -> dict[str, pd.DataFrame]:
    source = open_source(sample, columns)
    with Warehouse({table: source}) as warehouse:
        return {
            split: pa.Table.from_batches(
                warehouse.query(
                    Template(query).substitute(table=table, sample="1", split=split), shuffle_seed=1
                )
            ).to_pandas()
            for split in SPLITS
        }


def _inputs(frame: pd.DataFrame, features: Sequence[Feature]) -> np.ndarray:
    """Numbers as they are, words as their index, missing ones as NaN; `[rows, features]`."""
    columns = []
    for feature in features:
        series = frame[feature.name]
        if isinstance(feature, Category):
            codes = pd.Categorical(series, categories=feature.vocabulary).codes.astype(float)
            columns.append(np.where(codes < 0, np.nan, codes))
        else:
            columns.append(series.to_numpy(float))
    return np.column_stack(columns)


def _trees(
    inputs: np.ndarray, target: np.ndarray, is_category: Sequence[bool], rounds: int
) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=rounds, categorical_features=is_category, random_state=_SEED, early_stopping=False
    ).fit(inputs, target)


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _bands(
    train: pd.DataFrame, features: Sequence[Feature], importance: Mapping[str, float]
) -> tuple[Band, ...]:
    """Thirds of the numbers that matter most."""
    numbers = [f for f in features if isinstance(f, Number)]
    numbers.sort(key=lambda f: -importance[f.name])
    bands = []
    for number in numbers[:_BANDS]:
        known = train[number.name].dropna()
        edges = tuple(sorted({rounded(e, 2) for e in np.quantile(known, (1 / 3, 2 / 3))}))
        edges = tuple(e for e in edges if known.min() < e <= known.max())
        if not edges:
            continue
        middle = [f"{a:g} to {b:g}" for a, b in itertools.pairwise(edges)]
        labels = (f"under {edges[0]:g}", *middle, f"{edges[-1]:g} and over")
        bands.append(Band(f"{number.name}_band", number.name, edges, labels))
    return tuple(bands)


def _slices(
    features: Sequence[Feature], bands: Sequence[Band], importance: Mapping[str, float]
) -> tuple[str, ...]:
    """Categories of few words, those that matter first, and the bands."""
    words = [f for f in features if isinstance(f, Category) and len(f.vocabulary) <= _FEW_WORDS]
    words.sort(key=lambda f: -importance[f.name])
    return (*(f.name for f in words[:4]), *(band.name for band in bands))


def _bounds(
    eval_: pd.DataFrame,
    errors: np.ndarray,
    mean_rmse: float,
    bands: Sequence[Band],
    slices: Sequence[str],
) -> Bounds:
    """Half-way from quick trees to the mean: a model that learned less is of no use."""
    tree_rmse = _rmse(errors)
    # Where trees learn nothing, only what is much worse than the mean is kept from serving.
    highest = (tree_rmse + mean_rmse) / 2 if tree_rmse < 0.95 * mean_rmse else mean_rmse * 1.1
    smallest = max(30, min(200, len(eval_) // 20))
    worst = 0.0
    for name in slices:
        band = next((b for b in bands if b.name == name), None)
        if band is None:
            groups = eval_[name].fillna(UNKNOWN)
        else:
            groups = pd.Series(np.digitize(eval_[band.source], band.edges), index=eval_.index)
            groups = groups.where(eval_[band.source].notna(), -1)
        of_each = pd.Series(errors, index=eval_.index).groupby(groups)
        worst = max([worst, *(_rmse(e.to_numpy()) for _, e in of_each if len(e) >= smallest)])
    # Errors of two models differ by chance alone; more so where examples are few.
    chance, slice_chance = 1 / np.sqrt(2 * len(eval_)), 1 / np.sqrt(2 * smallest)
    # The wide-and-deep network may do a slice less well than trees that do another one worse.
    return Bounds(
        max_rmse=_round_up(highest),
        max_slice_rmse=_round_up(max(worst * 1.5, highest * 1.25)),
        max_rmse_rise=_round_up(max(0.02, chance) * tree_rmse),
        max_slice_rmse_rise=_round_up(max(0.1, slice_chance) * tree_rmse),
        min_slice_size=smallest,
        judged_slices=tuple(slices),
    )


def _round_up(value: float) -> float:
    """Two digits, not below the value."""
    if value <= 0:
        return 1e-6
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.ceil(value / unit) * unit:.6g}")


def _typical(train: pd.DataFrame, features: Sequence[Feature]) -> dict[str, str | float]:
    """The most frequent words and the middle numbers."""
    request: dict[str, str | float] = {}
    for feature in features:
        known = train[feature.name].dropna()
        if known.empty:
            continue
        if isinstance(feature, Category):
            request[feature.name] = str(known.mode()[0])
        else:
            middle = rounded(float(known.median()))
            request[feature.name] = min(max(middle, feature.minimum), feature.maximum)
    return request


def _crosses(
    frames: Mapping[str, pd.DataFrame],
    features: Sequence[Feature],
    importance: Mapping[str, float],
    label: Label,
) -> tuple[Cross, ...]:
    """Pairs whose cells predict what is left when each feature has had its say.

    Of the best features, words and buckets are given weights of their own by a linear model; the
    mean of what it leaves, in each cell of a pair, is tried on the eval split.
    """
    usable = [f for f in features if isinstance(f, Category) or f.boundaries]
    usable.sort(key=lambda f: -importance[f.name])
    usable = usable[:_TRIED_FOR_CROSSES]
    if len(usable) < 2:
        return ()
    codes = {split: _cells(frames[split], usable) for split in ("train", "eval")}
    encoder = OneHotEncoder(handle_unknown="ignore").fit(codes["train"])
    target = {split: frames[split][label.name].to_numpy(float) for split in codes}
    linear = Ridge(alpha=1.0).fit(encoder.transform(codes["train"]), target["train"])
    left = {s: target[s] - linear.predict(encoder.transform(codes[s])) for s in codes}
    found = []
    for i, j in itertools.combinations(range(len(usable)), 2):
        cells = {s: pd.Series(codes[s][:, i] * 1000 + codes[s][:, j]) for s in codes}
        of_each = pd.Series(left["train"]).groupby(cells["train"])
        # Cells of few rows are pulled to zero.
        means = of_each.sum() / (of_each.count() + 10)
        residual = left["eval"] - cells["eval"].map(means).fillna(0).to_numpy()
        gain = float(np.mean(left["eval"] ** 2) - np.mean(residual**2)) / float(
            target["eval"].var()
        )
        if gain > _WORTH:
            sizes = [_size(usable[k]) for k in (i, j)]
            buckets = int(np.ceil(2 * sizes[0] * sizes[1] / 100) * 100)
            found.append((gain, Cross((usable[i].name, usable[j].name), buckets)))
    found.sort(key=lambda pair: -pair[0])
    return tuple(cross for _, cross in found[:_MOST_CROSSES])


def _cells(frame: pd.DataFrame, features: Sequence[Feature]) -> np.ndarray:
    """Indices of words and buckets, -1 where there is none; `[rows, features]`."""
    columns = []
    for feature in features:
        if isinstance(feature, Category):
            columns.append(pd.Categorical(frame[feature.name], categories=feature.vocabulary).codes)
        else:
            numbers = frame[feature.name].to_numpy(float)
            columns.append(
                np.where(np.isnan(numbers), -1, np.digitize(numbers, feature.boundaries))
            )
    return np.column_stack(columns).astype(int)


def _size(feature: Feature) -> int:
    return len(feature.vocabulary) if isinstance(feature, Category) else len(feature.boundaries) + 1
