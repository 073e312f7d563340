"""What libraries load and nothing here calls: seconds of every command that loads TFX."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

WHEN_USED = frozenset(
    {
        "tfx.v1.extensions.google_cloud_ai_platform",
        "tfx.v1.orchestration.experimental",
        "tfx.components.infra_validator.model_server_runners.kubernetes_runner",
    }
)
"""Modules that load when an attribute of theirs is first asked for: these bring the clients of
Vertex AI, Kubeflow and Kubernetes, a quarter of all that TFX loads."""

NEVER = frozenset({"rfc3987_syntax"})
"""Modules that are as if not installed: jsonschema, which Altair loads, would check IRIs with this
one if it were there. It builds a parser as it loads; there are no IRIs here."""


class _WhenUsed(Loader):
    """Loads a module when one of its own names is asked for.

    Not importlib's LazyLoader: that one also loads when somebody looks at what any module holds,
    as Beam does with all of them to see how much memory a value takes.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The loader's own, or Python's."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Leaves it empty but for a `__getattr__`, which Python asks for names that are missing."""

        def load(name: str) -> object:
            if name.startswith("__") and name != "__all__":  # What Python looks for in any module.
                raise AttributeError(name)
            vars(module).pop("__getattr__", None)
            self._loader.exec_module(module)
            return getattr(module, name)

        vars(module)["__getattr__"] = load


class _Finder(MetaPathFinder):
    """Finds the modules above before others do."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in NEVER:
            raise ModuleNotFoundError(f"{fullname} is not to be loaded.", name=fullname)
        spec = PathFinder.find_spec(fullname, path, target) if fullname in WHEN_USED else None
        if spec is not None and spec.loader is not None:
            spec.loader = _WhenUsed(spec.loader)
        return spec


def load_less() -> None:
    """Has this process load less; what is used loads all the same."""
    sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Loads modules without Python going through all that is loaded, again and again.

    That is a fifth of the time in which TFX loads. What is there at the end stays to the end of the
    process, and is not gone through later either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
