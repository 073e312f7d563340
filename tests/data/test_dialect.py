"""What is translated gives what BigQuery's reference says; the rest is refused by name."""

from __future__ import annotations

import math

import duckdb
import farmhash
import pytest
from dialect_cases import QUERIES, ROWS, VALUES
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from data.dialect import farm_fingerprint, prepare, to_duckdb
from data.query import SPLITS, render
from data.table import TABLE, QueryParameters


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        prepare(connection)
        connection.execute(f"CREATE TABLE t AS {to_duckdb(ROWS, {})}")
        yield connection


def rows(engine: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return engine.execute(to_duckdb(sql, {"p.d.t": "t", "t": "t"})).fetchall()


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_value(engine, expression, expected):
    ((found,),) = rows(engine, f"SELECT {expression}")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("COUNT(*)", 4),
        ("COUNT(i)", 3),
        ("COUNT(DISTINCT s)", 2),
        ("COUNTIF(i > 0)", 2),
        ("SUM(i)", -3),
        ("SUM(f)", 0.5),
        ("SUM(DISTINCT id)", 10),
        ("AVG(i)", -1.0),
        ("MIN(f)", -2.5),
        ("MAX(s)", "b"),
        ("LOGICAL_AND(b)", False),
        ("LOGICAL_OR(b)", True),
        ("VAR_SAMP(i)", 28.0),
        ("VARIANCE(i)", 28.0),
        ("VAR_POP(i)", 56 / 3),
        ("STDDEV(i)", math.sqrt(28)),
        ("STDDEV_SAMP(i)", math.sqrt(28)),
        ("STDDEV_POP(i)", math.sqrt(56 / 3)),
        ("CORR(i, i)", 1.0),
        ("ROUND(AVG(f) * 6, 1)", 1.0),
    ],
)
def test_aggregate_leaves_nulls_out(engine, expression, expected):
    ((found,),) = rows(engine, f"SELECT {expression} FROM `p.d.t`")
    assert found == pytest.approx(expected) if isinstance(expected, float) else found == expected


@pytest.mark.parametrize("function", ["SUM", "AVG", "MIN", "MAX", "STDDEV", "VAR_POP"])
def test_aggregate_of_nothing_is_null(engine, function):
    assert rows(engine, f"SELECT {function}(i), COUNT(i) FROM `p.d.t` WHERE FALSE") == [(None, 0)]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_query(engine, query, expected):
    assert rows(engine, query) == expected


def test_unnamed_columns_are_called_as_in_bigquery(engine):
    engine.execute(to_duckdb("SELECT COUNT(*), id, 1 + 1 FROM `p.d.t` GROUP BY id", {"p.d.t": "t"}))
    assert [column[0] for column in engine.description] == ["f0_", "id", "f1_"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("1 / 0", "divided by zero"),
        ("i / (i - i)", "divided by zero"),
        ("DIV(1, 0)", "divided by zero in DIV"),
        ("MOD(1, 0)", "divided by zero in MOD"),
        ("CAST(f AS STRING)", "FLOAT64 to STRING"),
        ("CONCAT('x', CAST(f AS STRING))", "FLOAT64 to STRING"),
        ("CAST(s AS INT64)", '"a" is not INT64'),
        ("CAST('0x10' AS INT64)", "STRING"),
        ("SAFE_CAST(' 1' AS INT64)", "STRING"),
        ("CAST('12/25/2008' AS DATE)", "STRING"),
        ("SAFE_CAST('20081225' AS DATE)", "STRING"),
        ("DATE '2001-02-30'", "is not DATE"),
        ("DATE(2001, 2, 30)", "out of range"),
        ("DATE_ADD(DATE '9999-12-31', INTERVAL 1 DAY)", "years 1 to 9999"),
        ("PARSE_DATE('%F', 'soon')", "does not have the form"),
        ("PARSE_DATE('%F', ' 2001-01-01')", "not translated"),
        ("CAST(TIMESTAMP '2001-01-01 00:00:00.5' AS STRING)", "fractions of a second"),
        ("LOWER('ΟΔΟΣ')", "engines disagree"),
        ("UPPER('Straße')", "engines disagree"),
        ("SUBSTR('apple', 1, -1)", "negative length"),
        ("EXP(710)", "EXP overflowed"),
        ("POW(0, -1)", "no finite value"),
        ("POW(-1, 0.5)", "no finite value"),
        ("[1, 2][OFFSET(2)]", "outside of its array"),
        ("[1, 2][OFFSET(-1)]", "outside of its array"),
        ("POW(10, 309)", "no finite value"),
        ("LOG(0)", "logarithm"),
        ("LOG(-1, 2)", "logarithm"),
        ("LOG(2, 1)", "base"),
        ("LOG(2, 0)", "base"),
        ("CAST('nan' AS FLOAT64)", "to FLOAT64 is not translated"),
        ("9223372036854775807 + 1", "Overflow"),
        ("SQRT(-1.0)", "square root"),
        ("LN(0.0)", "logarithm"),
    ],
)
def test_fails_where_bigquery_fails_or_prints_otherwise(engine, expression, said):
    with pytest.raises(duckdb.Error, match=said):
        rows(engine, f"SELECT {expression} FROM `p.d.t`")


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT FORMAT('%d', 3)", "FORMAT"),
        ("SELECT RAND()", "RAND"),
        ("SELECT GENERATE_UUID()", "UUID"),
        ("SELECT APPROX_QUANTILES(i, 4) FROM `p.d.t`", "APPROX_QUANTILES"),
        ("SELECT my_function(1)", "MY_FUNCTION"),
        ("SELECT CAST(1 AS NUMERIC)", "CAST to NUMERIC"),
        ("SELECT CAST(1 AS STRING FORMAT '9')", "CAST with FORMAT"),
        ("SELECT TIME '12:00:00'", "CAST to TIME"),
        ("SELECT NUMERIC '1.5'", "CAST to NUMERIC"),
        ("SELECT CAST(1 AS NUMERIC(10, 2))", "CAST to NUMERIC"),
        ("SELECT CURRENT_DATE()", "CURRENT_DATE"),
        ("SELECT CURRENT_TIMESTAMP()", "CURRENT_TIMESTAMP"),
        ("SELECT DATE(TIMESTAMP '2001-01-01', 'America/Chicago')", "DATE with ZONE"),
        ("SELECT DATETIME(TIMESTAMP '2001-01-01', 'UTC')", "DATETIME"),
        ("SELECT TIMESTAMP_TRUNC(TIMESTAMP '2001-01-01', DAY, 'UTC')", "TRUNC with ZONE"),
        ("SELECT EXTRACT(HOUR FROM TIMESTAMP '2001-01-01' AT TIME ZONE 'UTC')", "ATTIMEZONE"),
        ("SELECT DATE '2001-01-01' + INTERVAL 1 DAY", "INTERVAL"),
        ("SELECT SAFE.PARSE_DATE('%F', 'x')", "SAFE"),
        ("SELECT 'a' LIKE ANY ('a', 'b')", "ANY"),
        ("SELECT CONTAINS_SUBSTR('a', 'b')", "CONTAINS_SUBSTR"),
        ("SELECT REGEXP_EXTRACT('a', 'b')", "REGEXP_EXTRACT"),
        ("SELECT LAG(i IGNORE NULLS) OVER (ORDER BY i) FROM `p.d.t`", "IGNORENULLS"),
        ("SELECT NTILE(4) OVER (ORDER BY i) FROM `p.d.t`", "NTILE"),
        ("SELECT SUM(i) OVER w FROM `p.d.t` WINDOW w AS (ORDER BY i)", "WINDOW"),
        ("SELECT CORR(i, i) OVER () FROM `p.d.t`", "CORR OVER a window"),
        ("SELECT LAG(i) FROM `p.d.t`", "LAG without OVER"),
        ("SELECT 'a' LIKE s FROM `p.d.t`", "LIKE with a pattern that is no literal"),
        (r"SELECT 'a' LIKE '\\a'", "LIKE with"),
        ("SELECT REGEXP_CONTAINS('a', s) FROM `p.d.t`", "REGEXP_CONTAINS with a pattern"),
        ("SELECT FORMAT_DATE(s, DATE '2001-01-01') FROM `p.d.t`", "format that is no literal"),
        ("SELECT PARSE_DATE('%m/%d', '1/2')", "PARSE_DATE without year, month and day"),
        ("SELECT PARSE_TIMESTAMP('%F %I', '2001-01-01 1')", "PARSE_TIMESTAMP with %I"),
        ("SELECT [1, 2][1]", "an index without OFFSET"),
        ("SELECT [1, 2][ORDINAL(1)]", "BRACKET with OFFSET"),
        ("SELECT [1, 2][SAFE_OFFSET(1)]", "BRACKET with SAFE"),
        ("SELECT STRUCT(1, 2)", "STRUCT"),
        ("SELECT AS STRUCT 1 AS a", "SELECT with KIND"),
        ("SELECT * REPLACE (1 AS i) FROM `p.d.t`", "STAR with REPLACE"),
        ("SELECT i FROM `p.d.t` TABLESAMPLE SYSTEM (10 PERCENT)", "TABLESAMPLE"),
        ("SELECT x.i FROM `p.d.t` AS x FULL JOIN `p.d.t` AS y ON x.i = y.i", "FULL JOIN"),
        ("SELECT 1 INTERSECT DISTINCT SELECT 1", "INTERSECT"),
        ("SELECT i FROM `p.d.t` GROUP BY ROLLUP(i)", "ROLLUP"),
        ("SELECT COUNT(i IGNORE NULLS) FROM `p.d.t`", "IGNORENULLS"),
        ("WITH RECURSIVE x AS (SELECT 1 AS a) SELECT a FROM x", "WITH with RECURSIVE"),
        ("SELECT @year", "PARAMETER"),
        ("SELECT 1 | 2", "BITWISEOR"),
    ],
)
def test_everything_else_is_refused_by_name(sql, name):
    with pytest.raises(UserError) as caught:
        to_duckdb(sql, {"p.d.t": "t"})
    assert name in caught.value.cause
    assert "data/dialect.py" in caught.value.cure


@pytest.mark.parametrize(
    ("expression", "cause", "cure"),
    [
        ("EXTRACT(MILLISECOND FROM TIMESTAMP '2001-01-01')", "EXTRACT of MILLISECOND", "DAYOFWEEK"),
        ("EXTRACT(WEEK(MONDAY) FROM DATE '2001-01-01')", "EXTRACT of WEEK(MONDAY)", "ISOWEEK"),
        ("DATE_DIFF(DATE '2001-01-01', DATE '2001-01-01', WEEK(MONDAY))", "DIFF by WEEK(", "WEEK"),
        ("TIMESTAMP_DIFF(t, t, MONTH)", "TIMESTAMP_DIFF by MONTH", "HOUR"),
        ("TIMESTAMP_ADD(t, INTERVAL 1 MONTH)", "TIMESTAMP_ADD by MONTH", "DAY"),
        ("DATE_TRUNC(d, DECADE)", "DATE_TRUNC by DECADE", "QUARTER"),
        ("FORMAT_DATE('%Y %H', d)", "FORMAT_DATE with %H", "%Y"),
        ("FORMAT_TIMESTAMP('%E4S', t)", "FORMAT_TIMESTAMP with %E", "%S"),
        ("FORMAT_TIMESTAMP('%e %Z', t)", "FORMAT_TIMESTAMP with", "%d"),
        ("PARSE_DATE('%y-%m-%d', s)", "PARSE_DATE with %y", "%Y"),
        ("SUM(i) OVER (ORDER BY i RANGE BETWEEN 1 PRECEDING AND CURRENT ROW)", "RANGE", "ROWS"),
        ("REGEXP_CONTAINS(s, '(')", "does not compile", "RE2"),
    ],
)
def test_refusal_tells_what_is_allowed(expression, cause, cure):
    with pytest.raises(UserError) as caught:
        to_duckdb(f"SELECT {expression} AS a FROM `p.d.t`", {"p.d.t": "t"})
    assert cause in caught.value.cause
    assert cure in caught.value.cure


def test_refusal_tells_the_line():
    with pytest.raises(UserError, match=r"RAND .*\(line 3\)"):
        to_duckdb("SELECT\n  1 AS a,\n  rand( 3 ) AS b", {})


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT\n  a b c", "line 2, column 7"),
        ("SELECT 'abc", "does not parse"),
        ("SELECT 1; SELECT 2", "found SELECT, SELECT"),
        ("", "found nothing"),
        ("DROP TABLE t", "found DROP"),
        ("DELETE FROM t WHERE TRUE", "found DELETE"),
        ("SELECT 1 AS a FROM `p.d.tt`", "no table p.d.tt; known: p.d.t"),
        ("SELECT * FROM read_csv('/etc/passwd')", "READ_CSV"),
    ],
)
def test_what_is_not_a_query_is_refused(sql, said):
    with pytest.raises(UserError, match=said):
        to_duckdb(sql, {"p.d.t": "t"})


def test_unknown_table_is_helped_with_the_nearest():
    with pytest.raises(UserError) as caught:
        to_duckdb("SELECT 1 AS a FROM `bigquery-public-data.samples.natalty`", {TABLE.name: "t"})
    assert caught.value.cure == f"Did you mean {TABLE.name}?"


@pytest.mark.parametrize("split", SPLITS)
def test_the_query_of_the_project_is_translated(split):
    sql = render(QueryParameters(), table=TABLE.name, sample=0.05, split=split)
    assert f"'{split}'" in to_duckdb(sql, {TABLE.name: "births"})


KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)


@given(KEYS)
def test_fingerprint_is_farmhash_read_as_signed(text):
    found = farm_fingerprint(text)
    assert -(1 << 63) <= found < 1 << 63
    assert found % (1 << 64) == farmhash.fingerprint64(text)


@given(texts=st.lists(KEYS, min_size=1, max_size=20))
def test_buckets_of_fingerprints_are_those_of_c(engine, texts):
    """MOD truncates, so ABS(MOD(x, 8)) is the remainder of the absolute value."""
    engine.execute("CREATE OR REPLACE TABLE keys (key VARCHAR)")
    engine.executemany("INSERT INTO keys VALUES (?)", [[text] for text in texts])
    sql = "SELECT key, ABS(MOD(FARM_FINGERPRINT(key), 8)) AS bucket FROM keys"
    for key, bucket in engine.execute(to_duckdb(sql, {"keys": "keys"})).fetchall():
        assert bucket == abs(farm_fingerprint(key)) % 8
