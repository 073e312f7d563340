"""Where a training starts: cold, or from the last blessed model; and with which hyperparameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from absl import logging

from models.declaration import Hyperparameters
from models.features import LABEL
from models.history import Ancestor, Base, Carried
from models.hyperparameters import resolve
from models.training_state import TrainingState, load_state
from models.warm_start import differences

WARM_RATE_SHARE = 0.1
"""Share of the deep half's rate with which a warm start begins. The whole of it would first undo
what was learned: see docs/benchmarks.md."""


@dataclass(frozen=True)
class StartingPoint:
    """Where a training starts.

    Attributes:
        options: Its hyperparameters.
        sources: Where each came from.
        state: What the base model left, if there is one that fits.
        base: The same for the record; also of a base model that does not fit.
    """

    options: Hyperparameters
    sources: Mapping[str, str]
    state: TrainingState | None = None
    base: Base | None = None

    @property
    def step(self) -> int:
        """Steps behind the weights to start with."""
        return self.base.step if self.base else 0

    @property
    def lineage(self) -> tuple[Ancestor, ...]:
        """The trainings behind them."""
        return self.state.lineage if self.state else ()

    @property
    def rate_share(self) -> float:
        """Share of the deep half's rate to begin with."""
        return WARM_RATE_SHARE if self.state else 1.0

    def carried(self, carried: tuple[Carried, ...]) -> StartingPoint:
        """The same, with what was taken over of the base model."""
        return (
            self if self.base is None else replace(self, base=replace(self.base, carried=carried))
        )


def starting_point(
    base_model: str | None,
    settings: Hyperparameters,
    chosen: Collection[str],
    tuned: Mapping[str, Any] | None,
) -> StartingPoint:
    """Chooses the hyperparameters, and whether to go on from the base model.

    Args:
        base_model: Folder of the SavedModel of the last blessed model; None to start cold.
        settings: Hyperparameters as the settings have them.
        chosen: Names of those that the user has chosen.
        tuned: The best that tuning found, by name; None without.

    Returns:
        Where to start: cold without a base model, and with one that does not fit.
    """
    cold = StartingPoint(*resolve(settings, chosen, tuned, None))
    if not base_model:
        return cold
    state = load_state(base_model)
    if state is None:
        found = ("it has no record of what its weights mean",)
        base = Base((Ancestor(base_model, 0, None),), differences=found)
    else:
        options, sources = resolve(settings, chosen, tuned, state.hyperparameters)
        found = differences(state, LABEL, options)
        base = Base(state.lineage, differences=found)
        if not found:
            logging.info("Training goes on from step %d of %s.", base.step, base_model)
            return StartingPoint(options, sources, state, base)
    logging.warning("Training starts cold, as %s does not fit: %s.", base_model, "; ".join(found))
    return replace(cold, base=base)
