"""What a runner tells the report of a run: what no artifact knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from models.declaration import Bounds


@dataclass(frozen=True)
class About:
    """What a runner knows of a run when it begins.

    Attributes:
        pipeline: Name of the pipeline.
        source: Where the births come from, in words.
        severity: The severity of anomalies that the gate stops at.
        bounds: When a model is blessed.
        settings: As they were chosen, by name.
        command: What makes this very run again, in one line.
        queries: SQL by split.
        fingerprints: Of code and data, by what they are of.
        upstream: Names of the components that each waits for.
    """

    pipeline: str
    source: str
    severity: str
    bounds: Bounds
    settings: Mapping[str, str]
    command: str
    queries: Mapping[str, str]
    fingerprints: Mapping[str, str]
    upstream: Mapping[str, tuple[str, ...]]

    def to_json(self) -> str:
        """The form in which it travels; the same for the same values."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> About:
        """Reads what `to_json` wrote."""
        told = json.loads(text)
        upstream = {name: tuple(others) for name, others in told["upstream"].items()}
        bounds = told["bounds"]
        bounds["judged_slices"] = tuple(bounds["judged_slices"])
        return cls(**told | {"upstream": upstream, "bounds": Bounds(**bounds)})
