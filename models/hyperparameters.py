"""Which hyperparameters a training takes: those chosen, tuned, inherited or declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from models.declaration import Hyperparameters

CHOSEN = "chosen"
TUNED = "tuned"
INHERITED = "of the base model"
DECLARED = "declared"
"""Where one may come from; an earlier one of these overrules a later one."""

SHAPE = ("hidden_units", "category_embedding", "label_scale")
"""Those that say what a weight means; the others only say how it is learned."""


def resolve(
    settings: Hyperparameters,
    chosen: Collection[str],
    tuned: Mapping[str, Any] | None,
    base: Hyperparameters | None,
) -> tuple[Hyperparameters, dict[str, str]]:
    """Chooses each hyperparameter.

    Args:
        settings: As they stand in the settings, be they chosen or defaults.
        chosen: Names of those that the user has chosen.
        tuned: The best that tuning found, by name; None without.
        base: Those of the model to go on from; None without.

    Returns:
        The hyperparameters, and where each came from.
    """
    tuned = tuned or {}
    values, sources = {}, {}
    for name in (field.name for field in dataclasses.fields(settings)):
        if name in chosen:
            values[name], sources[name] = getattr(settings, name), CHOSEN
        elif name in tuned:
            values[name], sources[name] = tuned[name], TUNED
        elif base is not None:
            values[name], sources[name] = getattr(base, name), INHERITED
        else:
            values[name], sources[name] = getattr(settings, name), DECLARED
    return Hyperparameters(**values), sources


def from_tuning(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters by name, of values as KerasTuner has them: numbers and texts alone."""
    found = dict(values)
    if "hidden_units" in found:
        found["hidden_units"] = tuple(int(width) for width in found["hidden_units"].split(","))
    return found
