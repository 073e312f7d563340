"""Quality: what simpler and stronger learners reach on the same rows."""

# scikit-learn, pandas and TensorFlow carry no types that fit each other.
# pyright: reportArgumentType=false

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import tensorflow as tf
from sklearn.metrics import root_mean_squared_error

from data.query import render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.declaration import UNKNOWN
from models.feature_kinds import categories, numbers
from models.features import LABEL
from models.names import PREDICTION, SERVING
from report.collect.reference_models import train_references

WORDS = [category.name for category in categories()]
NUMBERS = [number.name for number in numbers()]


def errors() -> dict[str, float]:
    """RMSE on the eval split of the sample, in the label's unit, by learner."""
    found = train_references(_split("train"), _split("eval"))
    return {name: rmse for name, (rmse, _) in found.items()}


def pushed_model_error(version: Path) -> float:
    """RMSE of a pushed model on the eval split of the sample, asked as a client would.

    Args:
        version: Folder of the pushed version.
    """
    test = _split("eval")
    model = tf.saved_model.load(str(version)).signatures[SERVING]
    columns = {name: tf.constant(test[name]) for name in WORDS}
    columns |= {name: tf.constant(test[name], tf.float32) for name in NUMBERS}
    return root_mean_squared_error(test[LABEL.name], model(**columns)[PREDICTION])


def _split(name: str) -> pd.DataFrame:
    query = render(QueryParameters(), table=TABLE.name, sample=1, split=name)
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        frame = pa.Table.from_batches(warehouse.query(query)).to_pandas()
    return frame.fillna(dict.fromkeys(WORDS, UNKNOWN))
