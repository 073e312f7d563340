"""Fingerprints of our code, so that TFX's cache sees an edit behind a dotted name.

TFX's cache knows a component's inputs and execution properties, but not what `models.task.run_fn`
does. So each component that runs code of ours carries a fingerprint of that code among its
execution properties: of the module and every module of ours that it imports, directly or not.
Comments, docstrings and layout don't count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from common.errors import UserError

ROOMS = ("common", "data", "models", "pipeline", "report", "schema", "serving")
"""Packages of ours."""


def code_fingerprint(module: str, folder: Path | None = None) -> str:
    """Fingerprint of a module of ours, of all it imports of ours, and of the TFX version.

    Args:
        module: Dotted name, such as `models.task`.
        folder: Other files that it reads; here every byte counts.

    Returns:
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256(importlib.metadata.version("tfx").encode())
    for name, code in sorted(_closure(module).items()):
        digest.update(name.encode())
        digest.update(code.encode())
    for file in sorted(folder.iterdir()) if folder else ():
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def rooms_fingerprint(project: Path) -> str:
    """Fingerprint of every byte in our rooms, as `code_fingerprint`'s: coarser, and at once."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for file in sorted((project / room).rglob("*")):
            if file.is_file() and file.parent.name != "__pycache__":
                digest.update(f"{file.relative_to(project)} {file.stat().st_size} ".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def name_by_content(schema_file: Path) -> str:
    """A name for a copy of the schema that tells its content: TFX's cache sees the name only.

    Returns:
        `DIGEST/NAME`, below whatever folder.

    Raises:
        UserError: If the file is no schema, has no feature, or can't be read.
    """
    try:
        content = schema_file.read_bytes()
        schema = text_format.Parse(content, schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(
            f"The schema file {schema_file} can't be read: line {error}.",
            "Mend it, or take schema/schema.pbtxt.",
        ) from error
    except OSError as error:
        raise UserError(
            f"The schema file {schema_file} can't be read: {str(error.strerror).lower()}.",
            "Mend its permissions, or take schema/schema.pbtxt.",
        ) from error
    if not schema.feature:
        raise UserError(
            f"The schema file {schema_file} has no feature.",
            "It may be cut off: copy it again, or take schema/schema.pbtxt.",
        )
    return f"{hashlib.sha256(content).hexdigest()[:16]}/{schema_file.name}"


def _closure(module: str) -> dict[str, str]:
    """The code of a module and of every one of ours that it imports, by name."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name], imported = _parse(_source(name))
            waiting.extend(n for n in imported if n.split(".")[0] in ROOMS and _file(n))
    return found


def _file(module: str) -> Path | None:
    package = importlib.util.find_spec(module.rpartition(".")[0])
    if package is None or package.submodule_search_locations is None:
        return None
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


def _source(module: str) -> str:
    file = _file(module)
    if file is None:
        raise ModuleNotFoundError(f"No module named {module}.")
    return file.read_text(encoding="utf-8")


@functools.cache  # Most modules are in the closures of several components.
def _parse(source: str) -> tuple[str, tuple[str, ...]]:
    """What a module's code is without comments and docstrings, and dotted names it may import."""
    tree = ast.parse(source)
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from models import task` names a module, `from models.task import run_fn` does not.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return ast.dump(_without_docstrings(tree)), tuple(name for name in names if "." in name)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                n
                for n in body
                if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
            ]
    return tree
