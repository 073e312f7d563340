"""What rehearsals made, in one JSON file: it stands in for Vertex ML Metadata."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from pipeline.rehearsal.spec import artifact_title

Artifact = dict[str, Any]
"""As in an ExecutorInput: `name`, `uri`, `type` and `metadata`; with gs:// names."""


@dataclass
class Outputs:
    """What a task made.

    Attributes:
        artifacts: By key; an empty list where a resolver found nothing.
        parameters: By name.
        skipped: Whether the task was not to run.
    """

    artifacts: dict[str, list[Artifact]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False


class Store:
    """Artifacts, from the oldest to the newest, and who made them.

    Args:
        file: Where they are kept; read if it is there.

    Raises:
        UserError: If the file is damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state: dict[str, Any] = {"artifacts": [], "made": {}, "latest": {}}
        if file.exists():
            try:
                read = json.loads(file.read_text(encoding="utf-8"))
                self._state = {name: read[name] for name in self._state}
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{file} is damaged ({error}).",
                    "Remove it; the rehearsal then starts without baseline and cache.",
                ) from error

    @property
    def artifacts(self) -> list[Artifact]:
        """All of them."""
        return self._state["artifacts"]

    def name(self) -> str:
        """A name for a new artifact, as Vertex gives them."""
        number = uuid.uuid4().int % 10**18
        return f"projects/1/locations/rehearsal/metadataStores/default/artifacts/{number}"

    def imported(self, uri: str, artifact_type: Mapping[str, Any], metadata: Any) -> list[Artifact]:
        """The artifact that an importer made earlier of the same, if it did."""
        title = artifact_title(artifact_type)
        same = (
            a
            for a in reversed(self.artifacts)
            if (a["uri"], a["metadata"], artifact_title(a["type"])) == (uri, metadata, title)
        )
        return list(itertools.islice(same, 1))

    def made(self, key: str) -> Outputs | None:
        """What a task with this cache key made."""
        outputs = self._state["made"].get(key)
        return Outputs(**outputs) if outputs else None

    def add(self, outputs: Outputs, key: str | None = None) -> None:
        """Keeps what a task made.

        Args:
            outputs: Their artifacts get the next places.
            key: The task's cache key, if it has one.
        """
        known = {artifact["name"] for artifact in self.artifacts}
        new = itertools.chain.from_iterable(outputs.artifacts.values())
        self.artifacts.extend(artifact for artifact in new if artifact["name"] not in known)
        if key:
            self._state["made"][key] = asdict(outputs)
        self._write()

    def begin(self) -> dict[str, Outputs]:
        """Starts a rehearsal.

        Returns:
            What each task made in the one before, as far as that came.
        """
        before = {task: Outputs(**outputs) for task, outputs in self._state["latest"].items()}
        self._state["latest"] = {}
        return before

    def ended(self, task: str, outputs: Outputs) -> None:
        """Notes what a task of this rehearsal made, found or reused."""
        self._state["latest"][task] = asdict(outputs)
        self._write()

    def _write(self) -> None:
        # Renamed into place, so that a kill leaves the old one or the new one, whole.
        partial = self._file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(self._state, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._file)


def cache_key(parts: Iterable[Any]) -> str:
    """One text for all that a task's outputs depend on."""
    return hashlib.sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()
