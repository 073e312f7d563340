"""Where versions are: a folder, or a bucket of Cloud Storage, from which they are fetched.

TensorFlow's own reading of buckets is not asked for: not every build of it has any, it can be led
to no other address than Google's, and it sees half a version as well as a whole one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

MODEL_FILE = "saved_model.pb"
"""What the Pusher writes last."""

Fingerprint = tuple[tuple[str, int, int], ...]
"""Names, sizes and dates or generations of a version's files: it changes with any of them."""


def place_of(folder: str) -> Place:
    """The place that a setting names: a folder of this machine, or gs://BUCKET/FOLDER."""
    return BucketFolder(folder) if folder.startswith("gs://") else LocalFolder(Path(folder))


def fetched(path: str) -> contextlib.AbstractContextManager[str]:
    """One version's own folder, or, of one in a bucket, a copy for as long as it is being read."""
    return place_of(path).fetched(1) if path.startswith("gs://") else contextlib.nullcontext(path)


def is_whole(fingerprint: Fingerprint) -> bool:
    """Whether a version has what is written last."""
    return any(name == MODEL_FILE for name, _, _ in fingerprint)


class LocalFolder:
    """A folder of this machine: a numbered one for each version, or one SavedModel, version 1."""

    least_seconds = 0.0
    """Between two looks at it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def versions(self) -> dict[int, Fingerprint]:
        """The versions that are there, also those that are not whole."""
        return {number: _files(path) for number, path in self._paths().items()}

    def path(self, version: int) -> str:
        """The version's own folder."""
        return str(self._paths()[version])

    @contextlib.contextmanager
    def fetched(self, version: int) -> Iterator[str]:
        """The version's own folder."""
        yield self.path(version)

    def _paths(self) -> dict[int, Path]:
        if (self._folder / MODEL_FILE).exists():
            return {1: self._folder}
        if not self._folder.is_dir():
            return {}
        return {int(p.name): p for p in self._folder.iterdir() if p.name.isdecimal()}


class BucketFolder:
    """The same in a bucket, asked with the credentials that are found here."""

    least_seconds = 10.0
    """Between two looks at it; each is billed."""

    def __init__(self, uri: str) -> None:
        self._bucket_name, _, folder = uri.removeprefix("gs://").partition("/")
        self._prefix = f"{folder.rstrip('/')}/" if folder.strip("/") else ""

    def versions(self) -> dict[int, Fingerprint]:
        """The versions that are there, also those that are not whole."""
        return {number: _objects(files) for number, files in self._files().items()}

    def path(self, version: int) -> str:
        """The version's own folder."""
        root = f"gs://{self._bucket_name}/{self._prefix}".rstrip("/")
        bare = any(name == MODEL_FILE for name in self._listed())
        return root if bare else f"{root}/{version}"

    @contextlib.contextmanager
    def fetched(self, version: int) -> Iterator[str]:
        """A copy, which is removed once the version is read."""
        with tempfile.TemporaryDirectory(prefix="version-") as folder:
            for name, blob in self._files()[version]:
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                blob.download_to_filename(str(file))
            yield folder

    def clear(self) -> None:
        """Removes all that is in it."""
        from google.api_core.exceptions import NotFound

        def delete(blob: Blob) -> None:
            with contextlib.suppress(NotFound):  # Another was faster.
                blob.delete()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(delete, list(self._bucket.list_blobs(prefix=self._prefix))))

    def _listed(self) -> dict[str, Blob]:
        """Every object by its name below this folder."""
        return {
            blob.name.removeprefix(self._prefix): blob
            for blob in self._bucket.list_blobs(prefix=self._prefix)
            # Some tools make objects that stand for folders; and no name may lead out of one.
            if not blob.name.endswith("/") and ".." not in PurePosixPath(blob.name).parts
        }

    def _files(self) -> dict[int, list[tuple[str, Blob]]]:
        """Name below the version's folder, and object, of every file; by version."""
        listed = self._listed()
        if MODEL_FILE in listed:
            return {1: list(listed.items())}
        found: dict[int, list[tuple[str, Blob]]] = {}
        for name, blob in listed.items():
            number, _, rest = name.partition("/")
            if number.isdecimal() and rest:
                found.setdefault(int(number), []).append((rest, blob))
        return found

    @functools.cached_property
    def _bucket(self) -> Bucket:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        # The client's own variable for a stand-in, which asks for no credentials.
        stand_in = "STORAGE_EMULATOR_HOST" in os.environ
        credentials = AnonymousCredentials() if stand_in else None
        client = storage.Client(project="any" if stand_in else None, credentials=credentials)
        return client.bucket(self._bucket_name)


Place: TypeAlias = LocalFolder | BucketFolder


def _files(path: Path) -> Fingerprint:
    stats = [
        (file.relative_to(path).as_posix(), file.stat())
        for file in path.rglob("*")
        if file.is_file()
    ]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def _objects(files: list[tuple[str, Blob]]) -> Fingerprint:
    return tuple(sorted((name, blob.size or 0, blob.generation or 0) for name, blob in files))
