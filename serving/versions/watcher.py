"""Watches a folder of versions, and says which of them answer.

A new version is loaded and tried beside the one that answers; only then do requests go to it. One
that is half-written, corrupt or answers wrongly is refused, with the reason, until its files
change. Requests in progress keep the version that they began with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from common.errors import UserError
from serving.refusals import LabelError, NotFoundError, UnavailableError
from serving.versions.places import Fingerprint, is_whole, place_of

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import SavedModel

Report = Callable[[str, int, str], None]
"""Told loaded, switched, refused, unloaded or failed; a version, 0 if none; and a reason."""


@dataclass(frozen=True)
class VersionStatus:
    """How a version is, in TensorFlow Serving's words.

    Attributes:
        state: LOADING, AVAILABLE, or END for one that is refused.
        reason: Why it is refused; else empty.
    """

    version: int
    state: Literal["LOADING", "AVAILABLE", "END"]
    reason: str = ""


@dataclass(frozen=True)
class _Refused:
    fingerprint: Fingerprint
    reason: str


class Watcher:
    """The versions of one model.

    Args:
        folder: Holds a numbered folder for each version, or one SavedModel, which is version 1;
            of this machine, or in a bucket.
        name: Name of the model, for messages.
        kept: Newest versions that answer.
        labels: Names of versions, which answer as well.
        largest: Rows of the largest batch to warm up for.
        report: Told what happens to versions.
        requests: Folder of a log of requests, of which new versions are asked the latest; if any.
    """

    def __init__(
        self,
        folder: str,
        name: str,
        kept: int = 1,
        labels: Mapping[str, int] | None = None,
        largest: int = 1024,
        report: Report = lambda event, version, reason: None,
        requests: str | None = None,
    ) -> None:
        self._folder = folder
        self._place = place_of(folder)
        self._name = name
        self._kept = kept
        self._labels = dict(labels or {})
        self._largest = largest
        self._report = report
        self._requests = requests
        # What requests are answered from; replaced whole, so that none sees half a switch.
        self._loaded: Mapping[int, SavedModel] = {}
        self._refused: dict[int, _Refused] = {}
        self._loading: int | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        """Whether a version answers."""
        return bool(self._loaded)

    @property
    def versions(self) -> list[int]:
        """The versions that answer, the newest first."""
        return sorted(self._loaded, reverse=True)

    def model(self, version: int | None = None, label: str | None = None) -> SavedModel:
        """The version to answer with; the newest if none is asked for.

        Raises:
            NotFoundError: If that version is not loaded.
            LabelError: If no loaded version has the label.
            UnavailableError: If none is loaded.
        """
        models = self._loaded
        if label is not None:
            if label not in self._labels:
                raise LabelError(f"Unrecognized servable version label: {label}.", self._choice())
            version = self._labels[label]
        if not models:
            raise UnavailableError("No version of the model is loaded.", self._why_none())
        if version is None:
            return models[max(models)]
        if version not in models:
            raise NotFoundError(
                f"Servable not found for request: Specific({self._name}, {version}).",
                self._choice(),
            )
        return models[version]

    def statuses(self) -> list[VersionStatus]:
        """All versions there are, the newest first."""
        statuses = {v: VersionStatus(v, "AVAILABLE") for v in self.versions}
        for version, refused in list(self._refused.items()):
            statuses[version] = VersionStatus(version, "END", refused.reason)
        if (loading := self._loading) is not None:
            statuses[loading] = VersionStatus(loading, "LOADING")
        return sorted(statuses.values(), key=lambda status: -status.version)

    def start(self, seconds: float) -> None:
        """Looks at the folder at once and then every so many seconds, in a thread of its own."""
        seconds = max(seconds, self._place.least_seconds)

        def watch() -> None:
            while True:
                try:
                    self.look()
                # A bucket out of reach, say: told, and tried again at the next look.
                except Exception as error:  # noqa: BLE001
                    self._report("failed", 0, _reason(error))
                if self._stop.wait(seconds):
                    return

        self._thread = threading.Thread(target=watch, name="versions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the looking; a version that is being loaded is not waited for."""
        self._stop.set()
        # Python's end would cut it short amid TensorFlow's code, which aborts the process.
        if self._thread and self._loading is None:
            self._thread.join()

    def look(self) -> None:
        """Looks at the folder once: loads, tries, switches and frees."""
        found = self._place.versions()
        for version in self._refused.keys() - found.keys():
            del self._refused[version]
        models = dict(self._loaded)
        chosen: list[int] = []
        for version in sorted(found, reverse=True):
            if len(chosen) < self._kept and self._usable(version, found[version], models):
                chosen.append(version)
        for version in self._labels.values():
            if version in found and self._usable(version, found[version], models):
                chosen.append(version)
        # Where all have gone, or what is there is no good, those before go on answering.
        if chosen:
            before = self.versions
            freed = set(before) - set(chosen)
            self._loaded = {version: models[version] for version in chosen}
            if self.versions[:1] != before[:1]:
                self._report("switched", self.versions[0], "")
            for version in freed:
                self._report("unloaded", version, "")

    def _usable(
        self, version: int, fingerprint: Fingerprint, models: dict[int, SavedModel]
    ) -> bool:
        """Whether a version is loaded and may answer; loads it if it is new or has changed."""
        if version in models:
            return True
        refused = self._refused.get(version)
        if refused and refused.fingerprint == fingerprint:
            return False
        self._loading = version
        try:
            models[version] = self._load(version, fingerprint)
        # TensorFlow raises many kinds for a folder that holds no whole SavedModel.
        except Exception as error:  # noqa: BLE001, the reason is kept and told
            self._refused[version] = _Refused(fingerprint, _reason(error))
            self._report("refused", version, _reason(error))
            return False
        finally:
            self._loading = None
        self._refused.pop(version, None)
        self._report("loaded", version, "")
        return True

    def _load(self, version: int, fingerprint: Fingerprint) -> SavedModel:
        from serving.records.recorded_requests import read_recorded
        from serving.versions.saved_model import SavedModel
        from serving.versions.warm_up import ROWS, warm_up

        if not is_whole(fingerprint):
            raise UserError(
                f"Version {version} has no saved_model.pb yet.", "Wait until it is written whole."
            )
        with self._place.fetched(version) as path:
            model = SavedModel(path, version)
            recorded = read_recorded(self._requests, ROWS).rows if self._requests else ()
            warm_up(model, self._largest, recorded)
        return model

    def _choice(self) -> str:
        names = [*map(str, self.versions), *self._labels]
        return f"Ask for one of {', '.join(names)}, or for none, which is the newest."

    def _why_none(self) -> str:
        if self._loading is not None:
            return "Try again in a few seconds: one is being loaded."
        if self._refused:
            version = max(self._refused)
            return f"Version {version} was refused: {self._refused[version].reason}"
        return f"Push one to {self._folder}."


def _reason(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    message = str(error).splitlines()[0] if str(error) else ""
    return f"It can't be loaded ({type(error).__name__}: {message[:500]})."
