"""What can be checked without Google Cloud."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from common.errors import UserError
from pipeline.settings import ROOT
from pipeline.vertex.check.result import CheckHere, Finding, right, unknown, wrong
from pipeline.vertex.settings import VertexSettings

LOCK = ROOT / "requirements.lock"

LOCKED = ("tfx", "apache-beam", "tensorflow", "tensorflow-transform")
"""What must be the same here, where the pipeline is compiled, and in the image, where it runs."""


def settings(chosen: VertexSettings) -> Finding:
    """The settings fit together; else this would not be reached."""
    return right(
        f"fit together: {chosen.project} in {chosen.region}, scale {chosen.scale}, "
        f"push to {chosen.push_to}"
    )


def spec(chosen: VertexSettings) -> Finding:
    """The pipeline compiles, and the curated schema is one."""
    from pipeline.vertex.compile import compile_job  # Loads TFX.

    try:
        tasks = compile_job(chosen)["pipelineSpec"]["root"]["dag"]["tasks"]
    except UserError as error:
        return wrong(error.cause, error.cure)
    return right(f"compiles to {len(tasks)} tasks")


def versions(chosen: VertexSettings) -> Finding:
    """Python, TFX and Beam are those of the lock, from which the image is built."""
    if not LOCK.is_file():
        return unknown(f"{LOCK.name} is not here", "Run this from a checkout of the project.")
    locked = locked_versions(LOCK)
    here = {name: metadata.version(name) for name in LOCKED}
    other = [
        f"{name} {here[name]} instead of {locked[name]}"
        for name in LOCKED
        if here[name] != locked.get(name)
    ]
    if other:
        return wrong(
            f"installed here, unlike in the lock: {', '.join(other)}",
            "Remove .venv and run 'make run ARGS=--help', which installs what is locked.",
        )
    return right(
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


CHECKS: dict[str, CheckHere] = {
    "settings": settings,
    "versions": versions,
    "spec": spec,
}
