"""The newest version that can be read: one that is damaged is passed over, and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from common.errors import UserError
from serving.versions.push_folder import versions

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class ReadableVersion(Generic[Loaded]):
    """A version that was loaded.

    Attributes:
        folder: Its own.
        model: What was loaded of it.
        damaged: Newer versions that can't be read, and why.
    """

    folder: Path
    model: Loaded
    damaged: Mapping[Path, str] = field(default_factory=dict)


def newest_readable(folder: Path, load: Callable[[Path], Loaded]) -> ReadableVersion[Loaded]:
    """Loads the newest version that can be loaded.

    Args:
        folder: Where versions of the model are pushed.
        load: Loads the version in a folder, or raises anything.

    Raises:
        UserError: If there is no pushed model, or none that can be read.
    """
    damaged: dict[Path, str] = {}
    for version in versions(folder):
        try:
            return ReadableVersion(version, load(version), damaged)
        # What is cut or damaged may fail in any way.
        except Exception as error:  # noqa: BLE001, told
            damaged[version] = type(error).__name__
    if damaged:
        raise UserError(
            f"No model in {folder} can be read: "
            + ", ".join(f"{version.name} ({reason})" for version, reason in damaged.items())
            + ".",
            "Remove these folders, and push a model again: local_runner.py --from Pusher "
            "--no-cache.",
        )
    raise UserError(
        f"No model has been pushed to {folder}.",
        "Run local_runner.py first, or point --run-root at a root with a pushed model.",
    )
