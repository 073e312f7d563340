"""What is written aside: how it is called, listed, and put in place."""

from __future__ import annotations

import os
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from serving.batch.blocks import Key
from serving.batch.row_files import is_remote

ANSWERS, DEAD, LOGGED, UNFINISHED = "answers", "dead", "logged", "unfinished"
"""Kinds of shards; those that further rows are being added to are no answers yet."""


def shard_name(staging: str, kind: str, key: Key, rows: int) -> str:
    """Where a shard is, by the key of its first block and how many rows it has."""
    return FileSystems.join(staging, f"{kind}-{key[0]:06d}-{key[1]:012d}-{rows}")


def shards(staging: str, kind: str) -> list[str]:
    """The shards of a kind, in the order of the input."""
    (found,) = FileSystems.match([FileSystems.join(staging, f"{kind}-*")])
    return sorted(file.path for file in found.metadata_list)


def rows_in(shard: str) -> int:
    """How many rows a shard has."""
    return int(shard.rsplit("-", maxsplit=1)[1])


def move(source: str, target: str) -> None:
    """Puts a file where it belongs, whole, in the place of what is there."""
    if is_remote(target):
        FileSystems.copy([source], [target])  # An object appears whole; `clear` takes the other.
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
