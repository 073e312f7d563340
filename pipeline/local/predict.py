"""The command `predict`: asks the newest pushed model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
    prediction, damaged = predict(settings.serving_folder, request)
    console.print(declared_wording().amount(prediction, more_digits=-1), highlight=False)
    for version, reason in damaged.items():
        console.print(
            f"{version} can't be read ({reason}); an older version answered. Remove that folder.",
            markup=False,
            soft_wrap=True,
        )
    return 0


def versions(folder: Path) -> Iterator[Path]:
    """The versions that were pushed, the newest first.

    Args:
        folder: Holds one numbered folder per version.

    Yields:
        The version's folder.
    """
    # The Pusher writes saved_model.pb last, so a version without it was cut off.
    whole = [v.parent for v in folder.glob("*/saved_model.pb") if v.parent.name.isdigit()]
    yield from sorted(whole, key=lambda version: int(version.name), reverse=True)


def predict(folder: Path, request: Mapping[str, str | float]) -> tuple[float, dict[Path, str]]:
    """Makes one prediction with the newest version that can be read.

    Args:
        folder: Where versions of the model are pushed.
        request: A value for every feature, as `models.request` checks them.

    Returns:
        The prediction, in the label's unit; newer versions that can't be read, and why.

    Raises:
        UserError: If there is no pushed model, none that can be read, or it takes other features.
    """
    damaged: dict[Path, str] = {}
    for version in versions(folder):
        try:
            signature = _signature(version)
        # What is cut or damaged may fail in any way.
        except Exception as error:  # noqa: BLE001, told
            damaged[version] = type(error).__name__
            continue
        _, wanted = signature.structured_input_signature
        if wanted.keys() != request.keys():
            raise UserError(
                f"The model at {version} was trained on other features than models/features.py "
                f"declares ({', '.join(sorted(wanted.keys() ^ request.keys()))}).",
                "Run local_runner.py, to train and push one on today's.",
            )
        return _answer(signature, request), damaged
    if damaged:
        raise UserError(
            f"No model in {folder} can be read: "
            + ", ".join(f"{version.name} ({reason})" for version, reason in damaged.items())
            + ".",
            "Remove these folders, and push a model again: local_runner.py --from Pusher "
            "--no-cache.",
        )
    raise UserError(
        f"No model has been pushed to {folder}.",
        "Run local_runner.py first, or point --run-root at a root with a pushed model.",
    )


def _signature(version: Path) -> Any:
    import tensorflow as tf  # Takes seconds.

    model = tf.saved_model.load(str(version))
    signature = model.signatures[SERVING]
    signature.model = model  # Else its variables would go with it.
    return signature


def _answer(signature: Any, request: Mapping[str, str | float]) -> float:
    import tensorflow as tf

    return float(signature(**{n: tf.constant([v]) for n, v in request.items()})[PREDICTION][0])
