"""Script and style of the page, and the policy that lets the browser run nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources

import altair as alt

_TEMPLATES = resources.files("report.render") / "templates"


def prepare() -> None:
    """Starts to make `library`, which takes seconds, on another core: it is there when needed."""
    _library()


def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, of the version that Altair writes for.

    Raises:
        RuntimeError: If it can't be made.
    """
    return _library().result()


@functools.cache  # Kept for the process.
def _library() -> Future[str]:
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    thread = ThreadPoolExecutor(1, thread_name_prefix="library")
    made = thread.submit(_bundle, version)
    thread.shutdown(wait=False)
    return made


def _bundle(version: str) -> str:
    """Made by a process of its own: in ours, its JavaScript engine would let nothing else go on."""
    program = "import sys, vl_convert as v; print(v.javascript_bundle(vl_version=sys.argv[1]))"
    command = [sys.executable, "-X", "utf8", "-c", program, version]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"The page's script can't be made: {done.stderr.strip()}")
    return done.stdout.removesuffix("\n")


@functools.cache
def script() -> str:
    """The page's own script: draws the charts, sorts the tables."""
    return (_TEMPLATES / "page.js").read_text(encoding="utf-8")


@functools.cache
def style() -> str:
    """The page's style sheet."""
    return (_TEMPLATES / "page.css").read_text(encoding="utf-8")


def policy(scripts: list[str]) -> str:
    """A Content-Security-Policy that allows these scripts and the style, and not one request."""
    allowed = " ".join(_hash(text) for text in scripts)
    return (
        f"default-src 'none'; script-src {allowed or _NONE}; style-src {_hash(style())}; "
        "base-uri 'none'; form-action 'none'"
    )


_NONE = "'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
