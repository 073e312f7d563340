"""The newest version of a model, for what predicts with one version to its end."""

from __future__ import annotations

from pathlib import Path

from common.errors import UserError
from serving.versions.places import Place, is_whole, place_of


def newest_version(folder: str) -> tuple[int, str]:
    """The number of the newest whole version, and its own folder.

    Args:
        folder: Folder of numbered versions, here or in a bucket; or a SavedModel, which is 1.

    Raises:
        UserError: If there is none.
    """
    place = place_of(folder)
    for number in whole_versions(place):
        return number, place.path(number)
    raise no_model(folder)


def whole_versions(place: Place) -> list[int]:
    """The numbers of the versions that have what is written last, the newest first."""
    whole = (number for number, files in place.versions().items() if is_whole(files))
    return sorted(whole, reverse=True)


def no_model(folder: str | Path) -> UserError:
    """Says that a folder has no version."""
    return UserError(
        f"No model has been pushed to {folder}.",
        "Run local_runner.py first, or name the folder that holds a model's numbered versions.",
    )
