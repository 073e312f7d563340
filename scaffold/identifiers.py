"""What a project, its rows and one of them are called."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Names of a project.

    Attributes:
        pipeline: Of the pipeline, its endpoint and its settings file; lower case.
        row: What one row is called.
        rows: What several are.
    """

    pipeline: str
    row: str
    rows: str


def names(folder: str, stem: str) -> Names:
    """Names from those of the folder and of the table.

    Args:
        folder: Name of the project's folder.
        stem: Name of the table, such as `trips`.

    Returns:
        The pipeline is called as the folder, and the rows as the table; if that is no plural, rows.
    """
    pipeline = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_") or "pipeline"
    if not pipeline[0].isalpha():
        pipeline = f"p_{pipeline}"
    rows = stem.replace("_", " ")
    if not re.search(r"[a-z]s$", rows) or rows.endswith("ss"):
        return Names(pipeline, "row", "rows")
    row = f"{rows[:-3]}y" if rows.endswith("ies") else rows[:-1]
    return Names(pipeline, row, rows)
