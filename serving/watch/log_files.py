"""The files of a log of requests: found and read through before TensorFlow loads, or refused."""

from __future__ import annotations

import datetime
import gzip
import zlib
from pathlib import Path

from common.errors import UserError
from serving.records.request_log import SUFFIX

_BLOCK = 1 << 20
_HOW = "Log them with local_runner.py serve --request-log FOLDER"


def find_files(folder: Path, since: datetime.date | None) -> list[Path]:
    """Finds the files of a log since a day in UTC, the oldest first; makes sure that each is whole.

    Raises:
        UserError: If there is no log, nothing in it, nothing new enough, or a file is damaged.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise UserError(f"The log of requests {folder} {what}.", f"{_HOW}; then name that folder.")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        if any(folder.glob("*.part")):
            raise UserError(
                f"The log of requests {folder} has no file that is closed yet.",
                "Wait until one is, after SERVING_REQUEST_LOG_FILE_SECONDS; or end the server.",
            )
        raise UserError(f"The log of requests {folder} is empty.", f"{_HOW}, and ask something.")
    if since is not None:
        # No request of a file is newer than the file.
        newest = max(map(_changed, files))
        if newest < since:
            raise nothing_since(folder, since, newest)
        files = [file for file in files if _changed(file) >= since]
    if not (whole := [file for file in files if _is_whole(file)]):
        raise UserError(
            f"The files of {folder} were removed while they were read.",
            "Look again; if it happens again, let the log keep more: SERVING_REQUEST_LOG_TOTAL_MB.",
        )
    return whole


def nothing_since(folder: Path, since: datetime.date, newest: datetime.date) -> UserError:
    """That no request of a log is new enough."""
    return UserError(
        f"The log of requests {folder} has none since {since}; the newest is of {newest}.",
        f"Give --since a day up to {newest}, or leave it out.",
    )


def _is_whole(file: Path) -> bool:
    """Reads a file through; False if it has gone, since the log keeps within its bounds.

    Raises:
        UserError: If it is cut off or damaged.
    """
    try:
        with gzip.open(file) as stream:
            while stream.read(_BLOCK):
                pass
    except FileNotFoundError:
        return False
    except EOFError as error:
        raise _damaged(file, "is cut off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(file, f"is damaged ({error})") from error
    except OSError as error:
        raise UserError(
            f"{file} can't be read: {str(error.strerror).lower()}.", "Mend its permissions."
        ) from error
    return True


def _damaged(file: Path, how: str) -> UserError:
    return UserError(f"{file} {how}.", "Copy it again, or move it out of the folder.")


def _changed(file: Path) -> datetime.date:
    seconds = file.stat().st_mtime if file.exists() else 0  # The log keeps within its bounds.
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date()
