"""The folder that versions are pushed to: which there are, and which were taken back.

A version that is taken back is moved aside, in one step. So whoever serves the folder, be it this
project's server or TensorFlow Serving, goes back to the version before, and goes on with the next
that is pushed; nothing else needs to know.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from common.errors import UserError

TAKEN_BACK = ".taken-back"
"""Folder, in the one of the versions, of those that were taken back."""


def versions(folder: Path) -> list[Path]:
    """The versions that were pushed whole and not taken back, the newest first."""
    # The Pusher writes saved_model.pb last, so a version without it was cut off.
    whole = [v.parent for v in folder.glob("*/saved_model.pb") if v.parent.name.isdecimal()]
    return sorted(whole, key=lambda version: int(version.name), reverse=True)


def taken_back(folder: Path) -> list[Path]:
    """Where the versions are that were taken back, the newest first."""
    return versions(folder / TAKEN_BACK)


def was_taken_back(version: Path) -> bool:
    """Whether a version, named as it was pushed, was taken back."""
    return (version.parent / TAKEN_BACK / version.name).is_dir()


def newest_number(folder: Path) -> int:
    """The highest number of any version there ever was; 0 if there was none."""
    places = (*folder.glob("*"), *folder.glob(f"{TAKEN_BACK}/*"))
    return max((int(place.name) for place in places if place.name.isdecimal()), default=0)


def roll_back(folder: Path, number: int | None = None) -> list[Path]:
    """Takes back the newest version, or all that are newer than one.

    Args:
        folder: Of the versions.
        number: The version that shall answer; the one before the newest if None.

    Returns:
        Those that were taken back, where they were.

    Raises:
        UserError: If there is no such version to go back to.
    """
    there = versions(folder)
    numbers = [int(version.name) for version in there]
    if number is None and len(there) < 2:
        raise UserError(
            f"There is no version to go back to in {folder}, which has "
            f"{there[0].name + ' only' if there else 'none'}.",
            "Push another model, or raise versions_kept for the next time.",
        )
    if number is not None and number not in numbers:
        raise UserError(
            f"There is no version {number} in {folder}.",
            f"There are {', '.join(map(str, numbers))}." if there else "There are none.",
        )
    number = numbers[1] if number is None else number
    back = [version for version in reversed(there) if int(version.name) > number]
    if not back:
        raise UserError(f"Version {number} is the newest, and answers.", "Name an older one.")
    (folder / TAKEN_BACK).mkdir(exist_ok=True)
    for version in back:  # The newest last: so none between answers for a moment.
        os.rename(version, folder / TAKEN_BACK / version.name)
    return back


def restore(folder: Path) -> Path:
    """Puts back the newest of the versions that were taken back.

    Raises:
        UserError: If there is none.
    """
    if not (back := taken_back(folder)):
        raise UserError(f"No version in {folder} was taken back.", "There is nothing to restore.")
    version = folder / back[0].name
    os.rename(back[0], version)
    return version


def remove_old(folder: Path, kept: int) -> None:
    """Removes all but the newest versions, and of those taken back what is older than they are."""
    there = versions(folder)
    if len(there) <= kept:
        return
    oldest = int(there[kept - 1].name)
    back = [version for version in taken_back(folder) if int(version.name) < oldest]
    for version in (*there[kept:], *back):
        shutil.rmtree(version)
