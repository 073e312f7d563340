"""What came of asking the model in its server, before it was pushed."""

from __future__ import annotations

import posixpath

from tfx.dsl.io import fileio

from serving.replay.comparison import FILE, Replayed


def read_replay(uri: str) -> Replayed:
    """Reads what the replay has kept in an InfraBlessing."""
    with fileio.open(posixpath.join(uri, FILE), "r") as file:
        return Replayed.from_json(file.read())
