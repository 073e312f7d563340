"""Script and style of the page, and the policy that lets the browser run nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources

import altair as alt
import vl_convert

_TEMPLATES = resources.files("report.render") / "templates"


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, of the version that Altair writes for.

    Making it starts a JavaScript engine and takes over a second: it is kept for the process.
    """
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return vl_convert.javascript_bundle(vl_version=version)  # pyright: ignore[reportCallIssue]


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
