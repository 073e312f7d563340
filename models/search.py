"""What the Tuner is told of a search for hyperparameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.task import Training


@dataclass(frozen=True)
class Search:
    """How to search; carried by the Tuner's `custom_config`.

    Attributes:
        trials: How many sets of hyperparameters to try; the first one is that of the settings.
        processes: How many at a time.
        training: Of every trial, save its hyperparameters.
    """

    trials: int
    processes: int
    training: Training

    def to_config(self) -> dict[str, Any]:
        """The form TFX carries: JSON values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Search:
        """Reads what `to_config` wrote; ignores what TFX adds."""
        return cls(config["trials"], config["processes"], Training.from_config(config["training"]))
