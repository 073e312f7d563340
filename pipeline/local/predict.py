"""Asks the newest pushed model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from common.errors import UserError
from models.names import PREDICTION, SERVING


def newest_version(folder: Path) -> Path:
    """The newest version that was pushed whole.

    Args:
        folder: Holds one numbered folder per version.

    Returns:
        The version's folder.

    Raises:
        UserError: If there is none.
    """
    # The Pusher writes saved_model.pb last, so a version without it was cut off.
    whole = [v.parent for v in folder.glob("*/saved_model.pb") if v.parent.name.isdigit()]
    if not whole:
        raise UserError(
            f"No model has been pushed to {folder}.",
            "Run local_runner.py first, or point --run-root at a root with a pushed model.",
        )
    return max(whole, key=lambda version: int(version.name))


def predict(folder: Path, birth: Mapping[str, str | float]) -> float:
    """Predicts one weight.

    Args:
        folder: Where versions of the model are pushed.
        birth: A value for every feature, as `models.request` checks them.

    Returns:
        Pounds.

    Raises:
        UserError: If there is no pushed model, it is damaged, or it takes other features.
    """
    version = newest_version(folder)
    try:
        model = tf.saved_model.load(str(version))
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"The model at {version} can't be read ({type(error).__name__}).",
            "Remove that folder, to ask the version before, or run local_runner.py --no-cache.",
        ) from error
    signature = model.signatures[SERVING]
    _, wanted = signature.structured_input_signature
    if wanted.keys() != birth.keys():
        raise UserError(
            f"The model at {version} was trained on other features than models/features.py "
            f"declares ({', '.join(sorted(wanted.keys() ^ birth.keys()))}).",
            "Run local_runner.py, to train and push one on today's.",
        )
    return float(signature(**{n: tf.constant([v]) for n, v in birth.items()})[PREDICTION][0])
