"""Where the artifacts of a run root are: also after it was moved, and whether they are at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report.facts import Lineage

PIPELINE = "pipeline"
"""Folder of the artifacts in a run root."""

MODEL = "Format-Serving/saved_model.pb"
"""What TFX's Trainer leaves last in the folder of a model."""


def is_there(type_name: str, uri: str) -> bool:
    """Whether what an artifact stands for can be read; of what is not on this machine, yes."""
    if "://" in uri:
        return True
    # Of a model whose folder was only emptied, nothing can be read either.
    return Path(uri, MODEL if type_name == "Model" else "").exists()


def moved_from(uri: str, run_root: Path) -> str | None:
    """The root that an artifact was made in, if it is in this one, a resolved path, now.

    Returns:
        The other root; None if there is no other, or the artifact is not in this one.
    """
    other, below, inside = uri.rpartition(f"/{PIPELINE}/")
    if not below or other == str(run_root) or not (run_root / PIPELINE / inside).exists():
        return None
    return other


def relocated(text: Any, other: str, run_root: Path) -> Any:
    """A path below another root as one below this; whatever else it is, unchanged."""
    if isinstance(text, str) and text.startswith(f"{other}/"):
        return f"{run_root}{text[len(other) :]}"
    return text


def as_placed(lineage: Lineage, run_root: Path) -> Lineage:
    """A lineage whose artifacts have the paths at which they are now."""
    placed = {}
    for id_, artifact in lineage.artifacts.items():
        if other := moved_from(artifact.uri, run_root):
            properties: Mapping[str, Any] = {
                name: relocated(value, other, run_root)
                for name, value in artifact.properties.items()
            }
            uri = relocated(artifact.uri, other, run_root)
            artifact = dataclasses.replace(artifact, uri=uri, properties=properties)
        placed[id_] = artifact
    return dataclasses.replace(lineage, artifacts=placed)
