"""What can be checked without Google Cloud."""

from __future__ import annotations

import platform
import re
from datetime import date
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from common.errors import UserError
from pipeline.settings import ROOT
from pipeline.vertex.check.check_result import (
    CheckResult,
    LocalCheck,
    failed,
    not_asked,
    passed,
    warning,
)
from pipeline.vertex.task_order import all_tasks
from pipeline.vertex.vertex_settings import VertexSettings

LOCK = ROOT / "requirements.lock"

LOCKED = ("tfx", "apache-beam", "tensorflow", "tensorflow-transform")
"""What must be the same here, where the pipeline is compiled, and in the image, where it runs."""

LIST = "https://cloud.google.com/vertex-ai/docs/predictions/pre-built-containers"

ENDS = {
    "2-15": (date(2026, 7, 14), date(2027, 1, 14)),
    "2-14": (date(2026, 1, 14), date(2027, 1, 14)),
    "2-13": (date(2024, 11, 28), date(2025, 11, 28)),
}
"""By version of TensorFlow, until when it is patched and until when it can be deployed, as `LIST`
said in November 2026. There is none newer than 2.15."""

_READY_MADE = re.compile(r"\w+-docker\.pkg\.dev/vertex-ai/prediction/tf2-\w+\.(\d+-\d+):.*")


def settings_fit(settings: VertexSettings) -> CheckResult:
    """The settings fit together; else this would not be reached."""
    return passed(
        f"fit together: {settings.project} in {settings.region}, scale {settings.scale}, "
        f"push to {settings.push_to}"
    )


def spec(settings: VertexSettings) -> CheckResult:
    """The pipeline compiles, and the schema file holds one."""
    from pipeline.vertex.compile import compile_job  # Loads TFX.

    try:
        tasks = all_tasks(compile_job(settings)["pipelineSpec"])
    except UserError as error:
        return failed(error.cause, error.cure)
    return passed(f"compiles to {len(tasks)} tasks")


def versions(settings: VertexSettings) -> CheckResult:
    """Python, TFX and Beam are those of the lock, from which the image is built."""
    if not LOCK.is_file():
        return not_asked(f"{LOCK.name} is not here", "Run this from a checkout of the project.")
    locked = locked_versions(LOCK)
    here = {name: metadata.version(name) for name in LOCKED}
    other = [
        f"{name} {here[name]} instead of {locked[name]}"
        for name in LOCKED
        if here[name] != locked.get(name)
    ]
    if other:
        return failed(
            f"installed here, unlike in the lock: {', '.join(other)}",
            "Remove .venv and run 'make run ARGS=--help', which installs what is locked.",
        )
    return passed(
        f"Python {platform.python_version()}, tfx {here['tfx']}, Beam {here['apache-beam']}, "
        "as locked"
    )


def locked_versions(lock: Path) -> dict[str, str]:
    """Versions by package, of those that a lock, with hashes or without, has for this Python."""
    found = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        try:
            requirement = Requirement(line.rstrip("\\ "))
        except InvalidRequirement:  # A hash, a comment or nothing.
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def serving_image(settings: VertexSettings, today: date | None = None) -> CheckResult:
    """The image that serves will be there for a while."""
    if settings.push_to != "endpoint":
        return passed(f"none is asked for; models go to {settings.push_to}")
    ready_made = _READY_MADE.fullmatch(settings.serving_image or "")
    if not ready_made:
        return passed("of your own making")
    version = ready_made[1]
    name = f"Google's image of TensorFlow {version.replace('-', '.')}"
    cure = "Set serving_image to one of your own making, such as that of serving/."
    if version not in ENDS:
        return not_asked(f"until when there is {name} is not known here", f"See {LIST}.")
    patched, there = ENDS[version]
    today = today or date.today()
    if today > there:
        return failed(f"{name} ended on {there}", cure)
    if today > patched:  # Half a year or more before the end.
        return warning(f"{name} has had no patches since {patched}, and ends on {there}", cure)
    return passed(f"{name}, until {there}")


CHECKS: dict[str, LocalCheck] = {
    "settings": settings_fit,
    "versions": versions,
    "serving image": serving_image,
    "spec": spec,
}
