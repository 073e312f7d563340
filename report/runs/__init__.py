"""The runs there were on this machine, and what is done when one has ended."""

from __future__ import annotations

from pathlib import Path


def reports_of_versions(run_root: Path) -> Path:
    """The folder with a link to the page of each version that was pushed, named after it."""
    return run_root / "reports" / "pushed"
