"""Quality: what simpler and stronger learners reach on the same rows."""

# scikit-learn, pandas and TensorFlow carry no types that fit each other.
# pyright: reportArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf
from sklearn.metrics import root_mean_squared_error
from threadpoolctl import threadpool_limits

from data.query import render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.declaration import UNKNOWN
from models.feature_kinds import categories, numbers
from models.features import LABEL
from models.names import PREDICTION, SERVING
from report.collect.reference_models import numbered_words, references, train_references

WORDS = [category.name for category in categories()]
NUMBERS = [number.name for number in numbers()]


def errors() -> dict[str, float]:
    """RMSE on the eval split of the sample, in the label's unit, by learner."""
    found = train_references(_split("train"), _split("eval"))
    return {name: rmse for name, (rmse, _) in found.items()}


def pushed_model_error(version: Path, split: str = "eval") -> float:
    """RMSE of a pushed model on a split of the sample, asked as a client would.

    Args:
        version: Folder of the pushed version.
        split: Name of the split.
    """
    test = _split(split)
    return root_mean_squared_error(test[LABEL.name], _predicted(version, test))


@dataclass(frozen=True)
class Comparison:
    """A pushed model and the strongest learner on rows that neither has seen; in label's units.

    Attributes:
        ours: RMSE of the pushed model.
        theirs: RMSE of the learner.
        margin: Half of the 95% interval of `ours - theirs`, which are of the same rows.
        floor: RMSE of the best that could be: each row told the mean label of all that are like
            it in every column, less what a mean of so few is off. Rows that are like none tell
            nothing of it.
    """

    ours: float
    theirs: float
    margin: float
    floor: float


def compare_with_tree(version: Path, source: Path) -> Comparison:
    """Compares a pushed model with a boosted tree, on the test split of what it was trained on.

    Args:
        version: Folder of the pushed version.
        source: The file with all rows.
    """
    train, test = _split("train", source), _split("test", source)
    tree = references()["gradient-boosted tree"]
    with threadpool_limits(1):
        tree.fit(numbered_words(train, train), train[LABEL.name])
        predicted = tree.predict(numbered_words(test, train))
    label = test[LABEL.name].to_numpy()
    ours, theirs = ((label - p) ** 2 for p in (_predicted(version, test), predicted))
    rmse, other = np.sqrt(ours.mean()), np.sqrt(theirs.mean())
    # To first order, RMSEs differ by the squares' difference over their sum.
    margin = 1.96 * (ours - theirs).std() / np.sqrt(len(label)) / (rmse + other)
    return Comparison(float(rmse), float(other), float(margin), _floor(pd.concat([train, test])))


def _floor(rows: pd.DataFrame) -> float:
    alike = rows.groupby([*WORDS, *NUMBERS], dropna=False, observed=True)[LABEL.name]
    squares, count = alike.var(ddof=1) * (alike.count() - 1), alike.count() - 1
    return float(np.sqrt(squares.sum() / count.sum()))


def _predicted(version: Path, rows: pd.DataFrame) -> np.ndarray:
    model = tf.saved_model.load(str(version)).signatures[SERVING]
    columns = {name: tf.constant(rows[name]) for name in WORDS}
    columns |= {name: tf.constant(rows[name], tf.float32) for name in NUMBERS}
    return model(**columns)[PREDICTION].numpy()


def _split(name: str, source: Path = TABLE.sample) -> pd.DataFrame:
    query = render(QueryParameters(), table=TABLE.name, sample=1, split=name)
    with Warehouse({TABLE.name: open_source(source)}) as warehouse:
        frame = pa.Table.from_batches(warehouse.query(query)).to_pandas()
    return frame.fillna(dict.fromkeys(WORDS, UNKNOWN))
