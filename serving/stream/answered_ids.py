"""Which messages were answered lately: a file, so that a worker that takes over knows it too."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from pathlib import Path


class AnsweredIds:
    """Ids of messages, for a while.

    Args:
        file: Where they are kept; made if it is not there.
        seconds: How long.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self._seconds = seconds
        self._database = sqlite3.connect(file)
        # What is committed survives the death of this process.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS answered (id TEXT PRIMARY KEY, time REAL) WITHOUT ROWID"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS by_time ON answered (time)")
        self._database.commit()

    def known(self, ids: Collection[str]) -> set[str]:
        """Those that were answered."""
        since = time.time() - self._seconds
        ask = "SELECT id FROM answered WHERE id = ? AND time > ?"
        return {i for i in ids if self._database.execute(ask, (i, since)).fetchone()}

    def add(self, ids: Collection[str]) -> None:
        """Keeps some more, and forgets those of long ago."""
        now = time.time()
        with self._database as transaction:
            transaction.execute("DELETE FROM answered WHERE time <= ?", [now - self._seconds])
            transaction.executemany(
                "INSERT OR REPLACE INTO answered VALUES (?, ?)", [(i, now) for i in ids]
            )

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
