"""The newest version of a model, for what predicts with one version to its end."""

from __future__ import annotations

from common.errors import UserError
from serving.versions.places import is_whole, place_of


def newest_version(folder: str) -> tuple[int, str]:
    """The number of the newest whole version, and its own folder.

    Args:
        folder: Folder of numbered versions, here or in a bucket; or a SavedModel, which is 1.

    Raises:
        UserError: If there is none.
    """
    place = place_of(folder)
    numbers = [number for number, files in place.versions().items() if is_whole(files)]
    if not numbers:
        raise UserError(
            f"No model has been pushed to {folder}.",
            "Run the pipeline first, or name the folder that holds a model's numbered versions.",
        )
    return max(numbers), place.path(max(numbers))
