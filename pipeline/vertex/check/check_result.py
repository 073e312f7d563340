"""What a check of `check` finds, and what it may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from pipeline.vertex.cloud import Cloud
from pipeline.vertex.vertex_settings import VertexSettings


class CheckStatus(Enum):
    """How a result is meant."""

    PASSED = "right"
    WARNING = "worth a look"
    FAILED = "wrong"
    NOT_ASKED = "not seen"


@dataclass(frozen=True)
class CheckResult:
    """What was found.

    Attributes:
        status: Whether a run can go on with it.
        text: What was seen.
        cure: What to do about it, unless it is right.
    """

    status: CheckStatus
    text: str
    cure: str = ""


def passed(text: str) -> CheckResult:
    """A result that a run can go on with."""
    return CheckResult(CheckStatus.PASSED, text)


def warning(text: str, cure: str) -> CheckResult:
    """A result that costs something, or may fail."""
    return CheckResult(CheckStatus.WARNING, text, cure)


def failed(text: str, cure: str) -> CheckResult:
    """A result that a run fails with."""
    return CheckResult(CheckStatus.FAILED, text, cure)


def not_asked(text: str, cure: str = "") -> CheckResult:
    """What could not be seen, and why: it may be right or wrong."""
    return CheckResult(CheckStatus.NOT_ASKED, text, cure)


@dataclass(frozen=True)
class Target:
    """What checks ask about Google Cloud."""

    settings: VertexSettings
    cloud: Cloud

    @cached_property
    def project(self) -> dict[str, str]:
        """The project, as the Resource Manager tells."""
        return self.cloud.ask("cloudresourcemanager", f"v1/projects/{self.settings.project}")


LocalCheck = Callable[[VertexSettings], CheckResult]
CloudCheck = Callable[[Target], CheckResult]
