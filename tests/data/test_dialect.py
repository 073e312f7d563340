"""What is translated gives what BigQuery's reference says; the rest is refused by name."""

from __future__ import annotations

import math

import duckdb
import farmhash
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from data.dialect import MACROS, farm_fingerprint, to_duckdb
from data.query import SPLITS, render
from data.table import TABLE, QueryParameters

ROWS = """
    CREATE TABLE t AS SELECT * FROM (VALUES
      (1, 1::BIGINT, 2.5::DOUBLE, 'a', TRUE),
      (2, -7::BIGINT, -2.5::DOUBLE, 'b', FALSE),
      (3, 3::BIGINT, 0.5::DOUBLE, NULL, NULL),
      (4, NULL, NULL, 'a', TRUE)) AS r(id, i, f, s, b)"""


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.create_function("farm_fingerprint", farm_fingerprint, ["VARCHAR"], "BIGINT")
        for macro in MACROS:
            connection.execute(f"CREATE MACRO {macro}")
        connection.execute(ROWS)
        yield connection


def rows(engine: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return engine.execute(to_duckdb(sql, {"p.d.t": "t", "t": "t"})).fetchall()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Numbers are INT64 and FLOAT64, never INTEGER and DECIMAL.
        ("0.1 + 0.2", 0.30000000000000004),
        ("0.29 * 100", 28.999999999999996),
        ("2147483647 + 1", 2147483648),
        ("3000000 * 3000000", 9000000000000),
        ("-3 - 4", -7),
        ("1e3", 1000.0),
        # / is always FLOAT64; DIV truncates; MOD has the sign of the dividend.
        ("7 / 2", 3.5),
        ("DIV(20, 4)", 5),
        ("DIV(-7, 2)", -3),
        ("DIV(1 + 6, 2)", 3),
        ("MOD(25, 12)", 1),
        ("MOD(-25, 12)", -1),
        ("MOD(25, -12)", 1),
        ("10 * MOD(7, 4)", 30),
        ("-MOD(7, 4)", -3),
        ("7 / NULL", None),
        ("MOD(NULL, 0)", None),
        ("SAFE_DIVIDE(20, 4)", 5.0),
        ("SAFE_DIVIDE(20, 0)", None),
        ("SAFE_DIVIDE(0, 20)", 0.0),
        ("SAFE_DIVIDE(1 + 1, 2 + 2)", 0.5),
        # The tables of ABS, ROUND, FLOOR, CEIL in the reference.
        ("ABS(-25)", 25),
        ("ABS(CAST(-0.5 AS FLOAT64))", 0.5),
        ("ROUND(2.0)", 2.0),
        ("ROUND(2.3)", 2.0),
        ("ROUND(2.8)", 3.0),
        ("ROUND(2.5)", 3.0),
        ("ROUND(-2.3)", -2.0),
        ("ROUND(-2.5)", -3.0),
        ("ROUND(7)", 7.0),
        ("ROUND(123.7, -1)", 120.0),
        ("ROUND(1.235, 2)", 1.24),
        ("FLOOR(-2.3)", -3.0),
        ("FLOOR(2)", 2.0),
        ("CEIL(2.3)", 3.0),
        ("CEIL(-2.5)", -2.0),
        ("SQRT(25.0)", 5.0),
        ("LN(1.0)", 0.0),
        ("IS_NAN(1.5)", False),
        ("IS_NAN(3)", False),
        ("IS_NAN(CAST(NULL AS FLOAT64))", None),
        # Casts: halves go away from zero.
        ("CAST(2.5 AS INT64)", 3),
        ("CAST(-2.5 AS INT64)", -3),
        ("CAST(0.5 AS INT64)", 1),
        ("CAST(1.4 AS INT64)", 1),
        ("CAST(TRUE AS INT64)", 1),
        ("CAST(9007199254740993 AS INT64)", 9007199254740993),
        ("CAST(3 AS FLOAT64)", 3.0),
        ("CAST(-12 AS STRING)", "-12"),
        ("CAST(TRUE AS STRING)", "true"),
        ("CAST(FALSE AS STRING)", "false"),
        ("CAST(NULL AS STRING)", None),
        ("CAST(CAST(ROUND(7.5 * 453.59237) AS INT64) AS STRING)", "3402"),
        # NULLs.
        ("CONCAT('T.P.', ' ', 'Bar')", "T.P. Bar"),
        ("CONCAT('a', NULL)", None),
        ("CONCAT('a', IF(TRUE, 'b', 'c'), CAST(1 + 1 AS STRING))", "ab2"),
        ("'a' || 'b'", "ab"),
        ("'a' || NULL", None),
        ("'it\\'s'", "it's"),
        ("IFNULL(NULL, 0)", 0),
        ("IFNULL(10, 0)", 10),
        ("COALESCE(NULL, 'B', 'C')", "B"),
        ("COALESCE(NULL, NULL, NULL)", None),
        ("NULLIF(10, 10)", None),
        ("NULLIF(10, 0)", 10),
        ("GREATEST(3, 5, 1)", 5),
        ("LEAST(3, 5, 1)", 1),
        ("GREATEST(3, NULL)", None),
        ("LEAST(3, NULL)", None),
        # Logic has three values.
        ("NULL AND FALSE", False),
        ("NULL OR TRUE", True),
        ("NULL AND TRUE", None),
        ("NOT CAST(NULL AS FLOAT64) > 1", None),
        ("3 BETWEEN 1 AND 3", True),
        ("0 BETWEEN 1 AND 3", False),
        ("NULL BETWEEN 1 AND 3", None),
        ("2 IN (1, 2)", True),
        ("3 NOT IN (1, 2)", True),
        ("3 IN (1, NULL)", None),
        ("NULL IS NULL", True),
        ("1 IS NOT NULL", True),
        ("(1 > 2) IS FALSE", True),
        ("1 <> 2", True),
        ("1 = 1.0", True),
        ("'a' < 'B'", False),
        ("1 <= 1 AND 2 >= 3", False),
        ("CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END", "two"),
        ("CASE NULL WHEN NULL THEN 'null' ELSE 'other' END", "other"),
        ("CASE WHEN 1 > 2 THEN 'x' END", None),
        ("IF(NULL, 'yes', 'no')", "no"),
        ("EXISTS(SELECT 1 FROM `p.d.t` WHERE i = 3)", True),
        ("(SELECT MAX(i) FROM `p.d.t`)", 3),
        ("FARM_FINGERPRINT(NULL)", None),
        # The three rows of the example in BigQuery's reference.
        (
            "FARM_FINGERPRINT(CONCAT(CAST(1 AS STRING), 'foo', CAST(TRUE AS STRING)))",
            -1541654101129638711,
        ),
        (
            "FARM_FINGERPRINT(CONCAT(CAST(2 AS STRING), 'apple', CAST(FALSE AS STRING)))",
            2794438866806483259,
        ),
        (
            "FARM_FINGERPRINT(CONCAT(CAST(3 AS STRING), '', CAST(TRUE AS STRING)))",
            -4880158226897771312,
        ),
    ],
)
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


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # NULL sorts first, and last when descending.
        ("SELECT i FROM `p.d.t` ORDER BY i", [(None,), (-7,), (1,), (3,)]),
        ("SELECT i FROM `p.d.t` ORDER BY i DESC", [(3,), (1,), (-7,), (None,)]),
        ("SELECT id FROM `p.d.t` ORDER BY 1 LIMIT 2 OFFSET 1", [(2,), (3,)]),
        (
            "SELECT s, COUNT(*) AS n FROM `p.d.t` GROUP BY 1 HAVING n > 0 ORDER BY n DESC, s",
            [("a", 2), (None, 1), ("b", 1)],
        ),
        ("SELECT DISTINCT b FROM `p.d.t` ORDER BY b", [(None,), (False,), (True,)]),
        ("SELECT * EXCEPT (f, s, b) FROM `p.d.t` WHERE id = 1", [(1, 1)]),
        ("SELECT t.id FROM `p.d.t` WHERE t.i = 3", [(3,)]),
        ("SELECT x.id FROM `p.d.t` AS x JOIN `p.d.t` AS y ON x.i = y.i AND y.f > 1", [(1,)]),
        ("SELECT COUNT(*) AS n FROM `p.d.t` AS x LEFT JOIN `p.d.t` AS y USING (i)", [(4,)]),
        ("SELECT COUNT(*) AS n FROM `p.d.t` AS x CROSS JOIN `p.d.t` AS y", [(16,)]),
        (
            "SELECT id FROM (SELECT id FROM t) WHERE id IN (SELECT i FROM t) ORDER BY id",
            [(1,), (3,)],
        ),
        ("SELECT 1 AS a UNION ALL SELECT 1", [(1,), (1,)]),
        ("SELECT 1 AS a UNION DISTINCT SELECT 1", [(1,)]),
        # The name of a WITH hides a table, and an alias of the SELECT list is not seen by its
        # neighbours.
        ("WITH t AS (SELECT 9 AS id) SELECT id FROM t", [(9,)]),
        (
            "SELECT CAST(i AS FLOAT64) AS i, CAST(i AS STRING) AS text FROM `p.d.t` WHERE i > 2",
            [(3.0, "3")],
        ),
    ],
)
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
        ("CAST(s AS INT64)", "STRING to INT64"),
        ("CAST('nan' AS FLOAT64)", "STRING to FLOAT64"),
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
        ("SELECT EXP(1)", "EXP"),
        ("SELECT SUBSTR('abc', 0)", "SUBSTR"),
        ("SELECT 'a' LIKE 'a%'", "LIKE"),
        ("SELECT SAFE_CAST('x' AS INT64)", "CAST"),
        ("SELECT CAST(1 AS NUMERIC)", "CAST to NUMERIC"),
        ("SELECT CAST(1 AS STRING FORMAT '9')", "CAST with FORMAT"),
        ("SELECT DATE '2001-01-01'", "CAST to DATE"),
        ("SELECT [1, 2]", "ARRAY"),
        ("SELECT STRUCT(1, 2)", "STRUCT"),
        ("SELECT AS STRUCT 1 AS a", "SELECT with KIND"),
        ("SELECT * REPLACE (1 AS i) FROM `p.d.t`", "STAR with REPLACE"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY i) FROM `p.d.t`", "WINDOW"),
        ("SELECT i FROM `p.d.t` QUALIFY TRUE", "QUALIFY"),
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


@given(st.lists(KEYS, min_size=1, max_size=20))
def test_buckets_of_fingerprints_are_those_of_c(texts):
    """MOD truncates, so ABS(MOD(x, 8)) is the remainder of the absolute value."""
    with duckdb.connect() as connection:
        connection.create_function("farm_fingerprint", farm_fingerprint, ["VARCHAR"], "BIGINT")
        for macro in MACROS:
            connection.execute(f"CREATE MACRO {macro}")
        connection.execute("CREATE TABLE t (key VARCHAR)")
        connection.executemany("INSERT INTO t VALUES (?)", [[text] for text in texts])
        sql = to_duckdb(
            "SELECT key, ABS(MOD(FARM_FINGERPRINT(key), 8)) AS bucket FROM t", {"t": "t"}
        )
        for key, bucket in connection.execute(sql).fetchall():
            assert bucket == abs(farm_fingerprint(key)) % 8
