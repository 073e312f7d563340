"""Fetches a log of requests from a bucket, for the watch to read on this machine."""

from __future__ import annotations

import datetime
import os
import posixpath
from pathlib import Path

import tensorflow as tf

from common.errors import UserError
from serving.records.request_log import SUFFIX


def fetch(log: str, folder: Path, since: datetime.date) -> None:
    """Copies the files of a log that may have requests of a day in UTC or later, with their dates.

    Raises:
        UserError: If there is no such file.
    """
    files = sorted(tf.io.gfile.glob(posixpath.join(log, f"*{SUFFIX}")))
    changed = {file: tf.io.gfile.stat(file).mtime_nsec for file in files}
    midnight = datetime.datetime.combine(since, datetime.time(), datetime.timezone.utc)
    # No request of a file is newer than the file.
    new = [file for file in files if changed[file] >= midnight.timestamp() * 1e9]
    if not new:
        which = f"was written since {since}" if files else "is whole"
        raise UserError(
            f"The log of requests {log} has no file that {which}.",
            "Copy there what a server wrote with --request-log, once a file is closed.",
        )
    for file in new:
        copy = folder / posixpath.basename(file)
        tf.io.gfile.copy(file, str(copy))
        os.utime(copy, ns=(changed[file], changed[file]))
