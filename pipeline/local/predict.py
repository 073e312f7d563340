"""The command `predict`: asks the newest pushed model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg
from rich.console import Console

from common.errors import UserError
from data.table import TABLE
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTION, SERVING
from models.request import parse_request
from pipeline.settings import LocalSettings
from report.wording import declared_wording


class Options(BaseModel):
    """Ask the newest pushed model."""

    request: CliPositionalArg[str] = Field(
        description=f"One {TABLE.row} as JSON, such as '{json.dumps(EXAMPLE_REQUEST)}'."
    )


def run(settings: LocalSettings, options: Options, console: Console) -> int:
    """Prints one prediction.

    Args:
        settings: What the user chose; only the run root matters.
        options: What to ask.
        console: Where to print it.

    Returns:
        Zero.

    Raises:
        UserError: If the request is not one, or as `predict`.
    """
    request = parse_request(options.request)  # Told before TensorFlow loads, if it is wrong.
    predicted = predict(settings.serving_folder, request)
    console.print(declared_wording().amount(predicted, more_digits=-1), highlight=False)
    return 0


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


def predict(folder: Path, request: Mapping[str, str | float]) -> float:
    """Predicts one label.

    Args:
        folder: Where versions of the model are pushed.
        request: A value for every feature, as `models.request` checks them.

    Returns:
        The label, in its unit.

    Raises:
        UserError: If there is no pushed model, it is damaged, or it takes other features.
    """
    version = newest_version(folder)
    import tensorflow as tf  # Takes seconds.

    try:
        model = tf.saved_model.load(str(version))
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"The model at {version} can't be read ({type(error).__name__}).",
            "Remove that folder, to ask the version before, or run local_runner.py --no-cache.",
        ) from error
    signature = model.signatures[SERVING]
    _, wanted = signature.structured_input_signature
    if wanted.keys() != request.keys():
        raise UserError(
            f"The model at {version} was trained on other features than models/features.py "
            f"declares ({', '.join(sorted(wanted.keys() ^ request.keys()))}).",
            "Run local_runner.py, to train and push one on today's.",
        )
    return float(signature(**{n: tf.constant([v]) for n, v in request.items()})[PREDICTION][0])
