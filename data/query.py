"""Renders the table's query from the settings: one query per split."""

from __future__ import annotations

from string import Template

from data.table import TABLE, QueryParameters

SPLITS = ("train", "eval", "test")
"""Train learns, eval picks the checkpoint and judges the model, test is kept for the final word."""


def render(parameters: QueryParameters, *, table: str, sample: float, split: str) -> str:
    """The query for one split.

    Args:
        parameters: The query's own settings.
        table: The table, as `project.dataset.table`.
        sample: Share of the rows to keep, in (0, 1]; the same rows each time.
        split: One of `SPLITS`.

    Returns:
        BigQuery SQL.
    """
    # The shortest decimal, never 1e-05: a literal that both engines read as the same number.
    share = f"{sample:.9f}".rstrip("0").rstrip(".")
    values = parameters.parameters() | {"table": table, "sample": share, "split": split}
    return Template(TABLE.query.read_text(encoding="utf-8")).substitute(values)


def render_splits(parameters: QueryParameters, *, table: str, sample: float) -> dict[str, str]:
    """The query for each of `SPLITS`; see `render`."""
    return {split: render(parameters, table=table, sample=sample, split=split) for split in SPLITS}
