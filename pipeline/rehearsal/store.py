"""What rehearsals made, in one JSON file: it stands in for Vertex ML Metadata."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from common.errors import UserError
from common.files import write_atomically
from pipeline.rehearsal.spec import artifact_title


class Artifact(BaseModel):
    """An artifact as in an ExecutorInput, with gs:// names."""

    name: str
    uri: str
    type: dict[str, str]
    metadata: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """Title of its type, such as `tfx.Model`."""
        return artifact_title(self.type)


Outputs = dict[str, list[Artifact]]
"""What a task made, by key; an empty list where a resolver found nothing."""


class _Contents(BaseModel, extra="forbid"):
    """The file: artifacts, tasks by cache key, and those of the latest rehearsal by name."""

    artifacts: list[Artifact] = []
    cached: dict[str, Outputs] = {}
    latest: dict[str, Outputs] = {}


class Store:
    """Artifacts, from the oldest to the newest, and which task made them.

    Raises:
        UserError: If the file is damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            text = file.read_text(encoding="utf-8") if file.exists() else "{}"
            self._contents = _Contents.model_validate_json(text)
        except (ValidationError, UnicodeDecodeError) as error:
            raise UserError(
                f"{file} is damaged, or of another version of the project.",
                "Remove it; the rehearsal then starts without baseline and cache.",
            ) from error

    @property
    def artifacts(self) -> list[Artifact]:
        """All of them."""
        return self._contents.artifacts

    def cached(self, key: str) -> Outputs | None:
        """What a task with this cache key made."""
        return self._contents.cached.get(key)

    def add(self, outputs: Outputs, key: str | None = None) -> None:
        """Keeps what a task made."""
        self.artifacts.extend(artifact for made in outputs.values() for artifact in made)
        if key:
            self._contents.cached[key] = outputs
        self._write()

    def begin(self, tasks: Iterable[str]) -> dict[str, Outputs]:
        """Starts a rehearsal of these tasks; what those of another pipeline made stays.

        Returns:
            What each task made in the one before, as far as that came.
        """
        latest = self._contents.latest
        return {name: latest.pop(name) for name in tasks if name in latest}

    def ended(self, task: str, outputs: Outputs) -> None:
        """Notes what a task of this rehearsal made, found or reused."""
        self._contents.latest[task] = outputs
        self._write()

    def _write(self) -> None:
        write_atomically(self._file, self._contents.model_dump_json(indent=1))


def new_name() -> str:
    """A name for a new artifact, as Vertex gives them."""
    number = uuid.uuid4().int % 10**18
    return f"projects/1/locations/rehearsal/metadataStores/default/artifacts/{number}"


def cache_key(parts: Iterable[Any]) -> str:
    """One text for all that a task's outputs depend on."""
    return hashlib.sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()
