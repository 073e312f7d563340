"""What a runner tells the report of a run: what no artifact knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from models.declaration import Bounds


@dataclass(frozen=True)
class BigQueryModel:
    """A model that BigQuery ML trains for comparison.

    Attributes:
        project: The project that pays.
        kind: Such as `LINEAR_REG`.
        script: BigQuery SQL that trains it, and answers with `rmse` and `mae` on the eval split.
    """

    project: str
    kind: str
    script: str


@dataclass(frozen=True)
class RunInfo:
    """What a runner knows of a run when it begins.

    Attributes:
        source: Where the rows come from, in words.
        severity: The severity of anomalies that the gate stops at.
        bounds: When a model is blessed.
        settings: As they were chosen, by name.
        command: What makes this very run again, in one line.
        queries: SQL by split.
        fingerprints: Of code and data, by what they are of.
        upstream: Names of the components that each waits for.
        bigquery_model: What BigQuery ML is to train for comparison, if it is asked.
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
    bigquery_model: BigQueryModel | None = None

    def to_json(self) -> str:
        """The form in which it travels; the same for the same values."""
        return _JSON.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> RunInfo:
        """Reads what `to_json` wrote.

        Raises:
            pydantic.ValidationError: If another version of the project wrote it.
        """
        return _JSON.validate_json(text)


_JSON = TypeAdapter(RunInfo)
