"""What the transform graph computed, and how the hashed crosses use their buckets: measured."""

# TensorFlow and pandas carry no types that fit each other.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_transform as tft

from models.declaration import Category, Cross
from models.feature_kinds import categories, numbers
from models.features import CROSSES, FEATURES
from models.signatures import raw_columns
from models.transform import bucket_name, quantile_name
from report.facts import CrossUse, Transformed

_FEATURES = [feature.name for feature in FEATURES]


def describe_transform(uri: str, examples: Mapping[str, pd.DataFrame]) -> Transformed:
    """Describes a TransformGraph.

    Crosses, computed boundaries and shares are measured on the first examples of the train split
    and, if there is one, of the eval split.
    """
    graph = tft.TFTransformOutput(uri)
    vocabularies = {
        c.name: tuple(word.decode() for word in graph.vocabulary_by_name(c.name))
        for c in categories()
    }
    train = _apply(graph, examples["train"])
    return Transformed(
        boundaries=dict(_boundaries(train)),
        vocabularies=vocabularies,
        unseen={
            name: float((~examples["eval"][name].isin(words)).mean())
            for name, words in vocabularies.items()
            if "eval" in examples
        },
        crosses=tuple(_use(cross, train) for cross in CROSSES),
        examples=len(examples["train"]),
    )


def _apply(graph: tft.TFTransformOutput, examples: pd.DataFrame) -> pd.DataFrame:
    """The distinct rows of the features, what they become, and how many `examples` each stands for.

    What they become is under names of its own: a category and its index have the same name.
    """
    rows = examples.groupby(_FEATURES, observed=True, sort=False, dropna=False).size()
    rows = rows.rename("examples").reset_index()
    values = {
        f.name: tf.constant(rows[f.name].astype(object).to_numpy())
        if isinstance(f, Category)
        else tf.constant(rows[f.name].to_numpy(np.float32))
        for f in FEATURES
    }
    outputs = graph.transform_features_layer()(raw_columns(values, graph))
    for name, output in outputs.items():
        rows[_output(name)] = output.numpy()
    return rows


def _output(name: str) -> str:
    return f"transformed {name}"


def _boundaries(train: pd.DataFrame) -> Iterator[tuple[str, tuple[float, ...]]]:
    for number in numbers():
        if number.boundaries:
            yield bucket_name(number), number.boundaries
        if number.quantiles:
            # The graph has them as constants without a name; a bucket begins at its least value.
            lows = train.groupby(_output(quantile_name(number)))[number.name].min()
            yield quantile_name(number), tuple(float(low) for low in lows.iloc[1:])


def _use(cross: Cross, train: pd.DataFrame) -> CrossUse:
    parents = [_part(parent) for parent in cross.parents]
    bucket = _output(cross.name)
    combinations = train.groupby([*parents, bucket], observed=True)["examples"].sum().reset_index()
    shared = combinations.groupby(bucket)["examples"].transform("size") > 1
    count = len(combinations)
    return CrossUse(
        parents=cross.parents,
        buckets=cross.buckets,
        combinations=count,
        used=combinations[bucket].nunique(),
        colliding=float(shared.mean()),
        expected=1 - (1 - 1 / cross.buckets) ** (count - 1),
        colliding_examples=float(
            combinations.loc[shared, "examples"].sum() / combinations["examples"].sum()
        ),
    )


def _part(parent: str) -> str:
    """What a cross hashes of a parent: its word, or its bucket."""
    number = next((n for n in numbers() if n.name == parent), None)
    return parent if number is None else _output(bucket_name(number))
