"""The newest version that can be read: one that is damaged is passed over, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from common.errors import UserError
from serving.versions.newest import no_model, whole_versions
from serving.versions.places import place_of

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class ReadableVersion(Generic[Loaded]):
    """A version that was loaded.

    Attributes:
        folder: Its own, here or in a bucket.
        damaged: Newer versions that can't be read, and why.
    """

    number: int
    folder: str
    model: Loaded
    damaged: Mapping[str, str] = field(default_factory=dict)


def newest_readable(folder: str | Path, load: Callable[[str], Loaded]) -> ReadableVersion[Loaded]:
    """Loads the newest version that can be loaded.

    Args:
        folder: Where versions of the model are pushed, here or in a bucket.
        load: Loads the version in a folder of this machine, or raises anything.

    Raises:
        UserError: If there is no pushed model, or none that can be read.
    """
    place = place_of(str(folder))
    damaged: dict[str, str] = {}
    for number in whole_versions(place):
        path = place.path(number)
        with place.fetched(number) as here:  # A bucket out of reach is no damage.
            try:
                return ReadableVersion(number, path, load(here), damaged)
            # What is cut or damaged may fail in any way.
            except Exception as error:  # noqa: BLE001, told
                damaged[path] = type(error).__name__
    if damaged:
        raise UserError(
            f"No model in {folder} can be read: "
            + ", ".join(f"{Path(path).name} ({reason})" for path, reason in damaged.items())
            + ".",
            "Remove these folders, and push a model again: local_runner.py --from Pusher "
            "--no-cache.",
        )
    raise no_model(folder)


def passed_over(damaged: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each version that can't be read, for which an older one answers."""
    for path, reason in damaged.items():
        yield f"{path} can't be read ({reason}); an older version answered. Remove that folder."
