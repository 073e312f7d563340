"""The query is rendered whole, and read before it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from common.errors import UserError
from data import query
from data.columns import Column
from data.query import check_columns, columns_read, render_splits
from data.table import TABLE, QueryParameters

TRIPS = "project.data.trips"


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT a, b + c AS d FROM `{t}` WHERE e > 0 ORDER BY d", "a b c e"),
        ("WITH x AS (SELECT a, b FROM `{t}`) SELECT a, x.b, COUNT(*) FROM x GROUP BY a, b", "a b"),
        ("SELECT t.a, u.b FROM `{t}` AS t JOIN `project.data.others` AS u ON t.c = u.c", "a c"),
        (
            "SELECT a, b AS c FROM `{t}` JOIN (SELECT b FROM (SELECT d AS b FROM `{t}`)) ON TRUE",
            "a d",
        ),
        ("SELECT a FROM `{t}` UNION ALL SELECT b FROM `{t}`", "a b"),
        ("SELECT SUM(a) OVER (PARTITION BY b ORDER BY c) AS s FROM `{t}` QUALIFY s > 1", "a b c"),
        ("SELECT a FROM `project.data.others`", ""),
        ("SELECT * FROM `{t}`", ""),
    ],
    ids=lambda text: text[:40],
)
def test_the_columns_read_of_a_table_are_found_in_all_parts_of_a_query(sql, columns):
    assert sorted(columns_read(sql.format(t=TRIPS), TRIPS)) == columns.split()


def test_our_query_reads_what_is_declared_and_nothing_else():
    for sql in render_splits(QueryParameters(), table=TABLE.name, sample=1).values():
        assert sorted(columns_read(sql, TABLE.name)) == sorted(c.name for c in TABLE.columns)


@pytest.fixture
def declare(monkeypatch, tmp_path):
    """Puts another table's query and columns in place of ours."""

    def put(sql: str, *columns: str) -> Path:
        file = tmp_path / "trips.sql"
        file.write_text(sql, encoding="utf-8")
        declared = tuple(Column(name, "INT64") for name in columns)
        table = dataclasses.replace(TABLE, name=TRIPS, columns=declared, query=file)
        monkeypatch.setattr(query, "TABLE", table)
        return file

    return put


def test_a_column_that_is_not_declared_is_told_with_the_line_to_add(declare):
    declare("SELECT fare, tips FROM `${table}`", "fare")
    with pytest.raises(UserError) as caught:
        render_splits(QueryParameters(), table=TRIPS, sample=1)
    assert caught.value.cause == (
        "data/trips.sql reads column tips, which data/table.py does not declare."
    )
    assert 'Add Column("tips", "INT64"), to its columns' in caught.value.cure


def test_a_misspelt_column_gets_a_hint_and_case_does_not_matter(declare):
    declare("", "distance", "FARE")
    with pytest.raises(UserError, match="Did you mean distance"):
        check_columns(f"SELECT fare, distnce FROM `{TRIPS}`", TRIPS)


@pytest.mark.parametrize("sql", ["SELECT ${day} FROM `${table}`", "SELECT $ FROM `${table}`"])
def test_a_placeholder_that_nothing_fills_is_told(declare, sql):
    declare(sql)
    with pytest.raises(UserError, match=r"data/trips\.sql has a placeholder") as caught:
        render_splits(QueryParameters(), table=TRIPS, sample=1)
    assert "${split}" in caught.value.cure


def test_what_is_no_sql_is_told(declare):
    declare("SELECT FROM WHERE `${table}`")
    with pytest.raises(UserError, match=r"data/trips\.sql is no SQL of BigQuery"):
        render_splits(QueryParameters(), table=TRIPS, sample=1)
