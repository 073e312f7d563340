"""What a check of `check` finds, and what it may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from pipeline.vertex.cloud import Cloud
from pipeline.vertex.settings import VertexSettings


class Verdict(Enum):
    """How a finding is meant."""

    RIGHT = "right"
    NOTE = "worth a look"
    WRONG = "wrong"
    UNKNOWN = "not asked"


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        verdict: Whether a run can go on with it.
        text: What was seen.
        cure: What to do about it, unless it is right.
    """

    verdict: Verdict
    text: str
    cure: str = ""


def right(text: str) -> Finding:
    """A finding that a run can go on with."""
    return Finding(Verdict.RIGHT, text)


def note(text: str, cure: str) -> Finding:
    """A finding that costs something, or may fail."""
    return Finding(Verdict.NOTE, text, cure)


def wrong(text: str, cure: str) -> Finding:
    """A finding that a run fails with."""
    return Finding(Verdict.WRONG, text, cure)


def unknown(text: str, cure: str = "") -> Finding:
    """What could not be asked, and why."""
    return Finding(Verdict.UNKNOWN, text, cure)


@dataclass(frozen=True)
class There:
    """What checks ask about Google Cloud.

    Attributes:
        settings: What the user chose.
        cloud: Is asked.
    """

    settings: VertexSettings
    cloud: Cloud

    @cached_property
    def project(self) -> dict[str, str]:
        """The project, as the Resource Manager tells."""
        return self.cloud.ask("cloudresourcemanager", f"v1/projects/{self.settings.project}")

    @cached_property
    def table_location(self) -> str:
        """Where the natality table is, such as US."""
        project, dataset, table = self.settings.table.split(".")
        path = f"bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"
        return self.cloud.ask("bigquery", path)["location"]


CheckHere = Callable[[VertexSettings], Finding]
CheckThere = Callable[[There], Finding]
