"""What the server of a deployed model would answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.features import FEATURES
from models.names import PREDICTION, SERVING
from models.request import check_request


def predict(model: Path, instances: Sequence[Mapping[str, Any]]) -> list[float]:
    """Asks a SavedModel.

    Args:
        model: Its folder.
        instances: Requests, which may leave out what may be unknown.

    Returns:
        A prediction for each.

    Raises:
        RequestError: If a request can't be answered.
        OSError: If the folder holds no model.
    """
    import tensorflow as tf  # Loaded by now, as the pipeline was compiled.

    signature = tf.saved_model.load(str(model)).signatures[SERVING]
    rows = [check_request(instance) for instance in instances]
    columns = {f.name: tf.constant([row[f.name] for row in rows]) for f in FEATURES}
    return [float(value) for value in signature(**columns)[PREDICTION].numpy()]
