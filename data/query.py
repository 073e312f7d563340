"""Renders the table's query from the settings: one query per split."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from string import Template

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from common.errors import UserError
from data.table import TABLE, QueryParameters

SPLITS = ("train", "eval", "test")
"""Train learns, eval picks the checkpoint and judges the model, test is kept for the final word."""


def render(parameters: QueryParameters, *, table: str, sample: float, split: str) -> str:
    """The query for one of `SPLITS`, in BigQuery's SQL.

    Args:
        parameters: The query's own settings.
        table: The table, as `project.dataset.table`.
        sample: Share of the rows to keep, in (0, 1]; the same rows each time.
        split: One of `SPLITS`.

    Raises:
        UserError: If the query has a placeholder for which there is no value.
    """
    # The shortest decimal, never 1e-05: a literal that both engines read as the same number.
    share = f"{sample:.9f}".rstrip("0").rstrip(".")
    values = parameters.parameters() | {"table": table, "sample": share, "split": split}
    try:
        return Template(TABLE.query.read_text(encoding="utf-8")).substitute(values)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"data/{TABLE.query.name} has a placeholder that nothing fills: {error}.",
            f"There are {', '.join(f'${{{name}}}' for name in values)}; let parameters() in "
            "data/table.py give more. A dollar sign that is none is written $$.",
        ) from error


def render_splits(parameters: QueryParameters, *, table: str, sample: float) -> dict[str, str]:
    """The query for each of `SPLITS`; see `render`.

    Raises:
        UserError: Also if it reads a column that the table does not declare.
    """
    queries = {
        split: render(parameters, table=table, sample=sample, split=split) for split in SPLITS
    }
    for query in queries.values():
        check_columns(query, table)
    return queries


def check_columns(query: str, table: str) -> None:
    """Checks that a query reads no column of the table but those declared.

    Raises:
        UserError: If it does, with the line that declares the column; or if it does not parse.
    """
    declared = {column.name.casefold(): column.name for column in TABLE.columns}
    for name in columns_read(query, table):
        if name.casefold() in declared:
            continue
        close = get_close_matches(name.casefold(), declared, n=1)
        hint = f"Did you mean {declared[close[0]]}? If not, add" if close else "Add"
        raise UserError(
            f"data/{TABLE.query.name} reads column {name}, which data/table.py does not declare.",
            f'{hint} Column("{name}", "INT64"), to its columns, with the type that it has there.',
        )


def columns_read(query: str, table: str) -> list[str]:
    """Names of the table's columns that a query reads, in all its parts; each once.

    Raises:
        UserError: If it does not parse.
    """
    try:
        scopes = traverse_scope(parse_one(query, read="bigquery"))
    except SqlglotError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"data/{TABLE.query.name} is no SQL of BigQuery: {reason}", "Correct it there."
        ) from error
    return list(dict.fromkeys(name for scope in scopes for name in _read_in(scope, table)))


def _read_in(scope: Scope, table: str) -> Iterator[str]:
    ours = {
        alias
        for alias, source in scope.sources.items()
        if isinstance(source, exp.Table)
        and ".".join(part.name for part in source.parts).casefold() == table.casefold()
    }
    if not ours:
        return
    others = [source for alias, source in scope.sources.items() if alias not in ours]
    # What another table or an UNNEST may have is not known; what a subquery has, is.
    all_known = all(isinstance(source, Scope) for source in others)
    theirs = {name for s in others if isinstance(s, Scope) for name in s.expression.named_selects}
    results = set(scope.expression.named_selects)
    for column in scope.columns:
        if column.table:
            if column.table in ours:
                yield column.name
        elif all_known and column.name not in theirs and "*" not in theirs:
            # In these, a name may be that of a result.
            sorting = column.find_ancestor(exp.Order, exp.Group, exp.Having, exp.Qualify)
            if not (sorting and column.name in results):
                yield column.name
