"""From a table to a project that trains on it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from common.errors import UserError
from scaffold import drafts, plan, project, trial
from scaffold.identifiers import names
from scaffold.rows import Rows


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        plan: What is predicted, from what.
        trial: What quick learners made of it.
        notes: What the user should know, one sentence each.
    """

    plan: plan.Plan
    trial: trial.Trial
    notes: tuple[str, ...]


def check_folder(folder: Path) -> None:
    """Refuses a folder with something in it.

    Raises:
        UserError: If there is something.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"There is something at {folder} already.", "Name a new folder.")


def make(rows: Rows, label: str, unit: str, split_by: str | None, folder: Path) -> Made:
    """Writes a project; all of it, or nothing.

    Args:
        rows: The table's.
        label: The column to predict.
        unit: Its unit; may be empty.
        split_by: The column whose rows stay together in one split; None to look for one.
        folder: Where to.

    Raises:
        UserError: If there is something at `folder`, the table is not fit, or the code can't be
            copied.
    """
    check_folder(folder)
    called = names(folder.resolve().name, rows.stem)
    planned = plan.make(rows, label, unit, split_by)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / "project"
        notes = project.copy(new)
        sample = new / "data" / "sample.parquet"
        pq.write_table(rows.data, sample)
        query = drafts.query(called, rows, planned)
        features = [each.feature for each in planned.features]
        tried = trial.run(query, sample, rows.name, rows.columns, planned.label, features)
        files = {
            "README.md": drafts.readme(called, rows, planned, tried),
            "docs/decisions.md": drafts.decisions(called, rows, planned, tried),
            "data/table.py": drafts.table(called, rows),
            f"data/{called.pipeline}.sql": query,
            "models/features.py": drafts.features(called, planned, tried),
            "models/judging.py": drafts.judging(planned, tried),
            "schema/schema.pbtxt": drafts.schema(planned),
        }
        for file, text in files.items():
            path = new / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        os.replace(new, folder)
    project.begin_history(folder)
    return Made(planned, tried, (*rows.notes, *notes))
