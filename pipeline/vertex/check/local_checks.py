"""What can be checked without Google Cloud."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from common.errors import UserError
from pipeline.settings import ROOT
from pipeline.vertex.check.check_result import CheckResult, LocalCheck, failed, not_asked, passed
from pipeline.vertex.check.serving_image import serving_image
from pipeline.vertex.task_order import all_tasks
from pipeline.vertex.vertex_settings import VertexSettings

LOCK = ROOT / "requirements.lock"

LOCKED = ("tfx", "apache-beam", "tensorflow", "tensorflow-transform")
"""What must be the same here, where the pipeline is compiled, and in the image, where it runs."""


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
    """Versions by package, of those that a lock has for this Python.

    Args:
        lock: A requirements file, with hashes or without.
    """
    found = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        try:
            requirement = Requirement(line.rstrip("\\ "))
        except InvalidRequirement:  # A hash, a comment or nothing.
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


CHECKS: dict[str, LocalCheck] = {
    "settings": settings_fit,
    "versions": versions,
    "serving image": serving_image,
    "spec": spec,
}
