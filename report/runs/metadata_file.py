"""ML Metadata of a run root: opened, or told why it can't be, each reason with its own cure."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from common.errors import UserError

METADATA = "metadata.sqlite"
"""Name of ML Metadata's file in the run root."""

_ELSEWHERE = "or name another folder with --run-root"


def connection_config(run_root: Path, *, write: bool = True) -> metadata_store_pb2.ConnectionConfig:
    """How to connect to the ML Metadata of a run root."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(run_root.resolve() / METADATA)
    modes = metadata_store_pb2.SqliteMetadataSourceConfig
    config.sqlite.connection_mode = modes.READWRITE_OPENCREATE if write else modes.READONLY
    return config


def open_metadata(run_root: Path, *, write: bool = False) -> mlmd.MetadataStore:
    """Opens ML Metadata of a run root; to write, it is made where there is none.

    Raises:
        UserError: If there is none to read, or it can't be opened; it says why.
    """
    file = run_root / METADATA
    if not write and not file.is_file():
        raise UserError(
            f"There has been no run in {run_root}.",
            "Run local_runner.py first, or name another folder with --run-root.",
        )
    check(file, write=write)
    try:
        return mlmd.MetadataStore(connection_config(run_root, write=write))
    except (mlmd.errors.StatusError, RuntimeError) as error:
        raise UserError(
            f"{file} is none that this version of ML Metadata opens ({error}).",
            f"Use the environment that wrote it, {_ELSEWHERE}.",
        ) from error


def check(file: Path, *, write: bool = True) -> None:
    """Finds out whether a file, if there is one, is whole; undoes a change that was cut off.

    Raises:
        UserError: If it is not, can't be opened, or can't be written where it must be.
    """
    if not file.exists():
        return
    journal = file.with_name(f"{METADATA}-journal")
    try:
        with file.open("r+b" if write else "rb"):
            pass
        # SQLite undoes a change that was cut off, but only if it may write.
        mode = "rw" if os.access(file, os.W_OK) and os.access(file.parent, os.W_OK) else "ro"
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode={mode}", uri=True)
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except OSError as error:
        raise UserError(
            f"{file} can't be {'written' if write else 'read'}: {str(error.strerror).lower()}.",
            f"Mend its permissions, {_ELSEWHERE}.",
        ) from error
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found == "ok" or "locked" in found:  # A run is writing at this moment.
        return
    if "full" in found:
        raise UserError(
            f"The disk of {file} is full.", "Make room; the next run continues with what is done."
        )
    damaged = "malformed" in found or "not a database" in found
    if journal.exists() and not damaged:
        raise UserError(
            f"A run was killed as it changed {file}, and what it had begun can't be undone here "
            f"({found}).",
            f"Make the file and its folder writable, and run local_runner.py once, {_ELSEWHERE}.",
        )
    unread = any(words in found for words in ("unable to open", "disk I/O", "readonly"))
    if unread and not damaged:
        raise UserError(
            f"{file} can't be opened ({found}).",
            f"Look at its disk and at the permissions of its folder, {_ELSEWHERE}.",
        )
    raise UserError(
        f"{file} is damaged ({found.splitlines()[0]}).",
        f"Put back a copy if you have one; else move that file away, {_ELSEWHERE}. Pushed models "
        "are untouched; what earlier runs made is then set aside, and made anew.",
    )
