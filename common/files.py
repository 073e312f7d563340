"""Files and folders that appear whole or not at all, however the process that writes them ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Writes a file, and its folder if that is missing.

    Args:
        path: The file; what was there is replaced.
        content: All of it; text becomes UTF-8.

    Returns:
        The path.

    Raises:
        OSError: If it can't be written; what was there stays.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lets a file or folder be written beside where it belongs, then puts it there.

    Args:
        path: Where it belongs. A file there is replaced, a folder there is not.

    Yields:
        A path that nothing is at yet, in the same folder; a file made there keeps the permissions
        of the one it replaces.

    Raises:
        OSError: If it can't be put there; nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that no reader of the folder takes it for what it shall be.
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:100]}."))
    try:
        partial = aside / path.name
        yield partial
        if partial.is_file():
            if path.exists():
                shutil.copymode(path, partial)
            _sync(partial)
        os.replace(partial, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sync(file: Path) -> None:
    """Else a crash of the machine could leave the new name with none of the content."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
