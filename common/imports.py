"""What libraries load and nothing here calls: seconds of every command that loads TFX."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

WHEN_USED = frozenset({"tfx.v1.extensions.google_cloud_ai_platform"})
"""Modules that load when an attribute of theirs is first asked for: this one, with the client of
Vertex AI, is a quarter of all that TFX loads."""

NEVER = frozenset({"rfc3987_syntax"})
"""Modules that are as if not installed: jsonschema, which Altair loads, would check IRIs with this
one if it were there. It builds a parser as it loads; there are no IRIs here."""


class _Finder(MetaPathFinder):
    """Finds the modules above before others do."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in NEVER:
            raise ModuleNotFoundError(f"{fullname} is not to be loaded.", name=fullname)
        spec = PathFinder.find_spec(fullname, path, target) if fullname in WHEN_USED else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_less() -> None:
    """Has this process load less; what is used loads all the same."""
    sys.meta_path.insert(0, _Finder())
