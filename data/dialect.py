"""BigQuery SQL in, DuckDB SQL out, for what both are known to answer alike.

The translation is sqlglot's. Alone it is not enough: it accepts far more than it gets right, and a
wrong number is worse than a refusal. So every construct must be on the list below, which is exactly
what `tests/data/test_dialect.py` holds against BigQuery's documentation; anything else is refused
by name. Where the engines differ, the construct is sent to one of `MACROS` instead.

The promise is one-sided: a query that *both* engines accept gives the same rows. DuckDB still
accepts some that BigQuery would reject (it compares a string with a number, for instance).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import farmhash
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from common.errors import UserError

MACROS = (
    # BigQuery fails on a zero divisor; DuckDB answers infinity or NULL.
    """bq_divide(a, b) AS CASE
         WHEN b = 0 AND a IS NOT NULL
           THEN error('The query divided by zero.\tUse SAFE_DIVIDE.')
         ELSE CAST(a AS DOUBLE) / CAST(b AS DOUBLE) END""",
    """bq_div(a, b) AS CASE
         WHEN b = 0 AND a IS NOT NULL
           THEN error('The query divided by zero in DIV.\tUse NULLIF on the divisor.')
         ELSE a // b END""",
    """bq_mod(a, b) AS CASE
         WHEN b = 0 AND a IS NOT NULL
           THEN error('The query divided by zero in MOD.\tUse NULLIF on the divisor.')
         ELSE a % b END""",
    # BigQuery rounds halves away from zero when it casts; DuckDB rounds them to even.
    """bq_int64(x) AS CASE typeof(x)
         WHEN 'DOUBLE' THEN CAST(round(CAST(x AS DOUBLE)) AS BIGINT)
         WHEN 'VARCHAR'
           THEN error('CAST of a STRING to INT64 is not translated.\tStore numbers as numbers.')
         ELSE CAST(x AS BIGINT) END""",
    """bq_float64(x) AS CASE typeof(x)
         WHEN 'VARCHAR'
           THEN error('CAST of a STRING to FLOAT64 is not translated.\tStore numbers as numbers.')
         ELSE CAST(x AS DOUBLE) END""",
    # 3.0 is printed as 3 by BigQuery and 3.0 by DuckDB, and long fractions differ too.
    """bq_string(x) AS CASE typeof(x)
         WHEN 'DOUBLE'
           THEN error('CAST of a FLOAT64 to STRING is not translated: engines print it differently.'
                      || '\tCast it to INT64 first, in a unit that makes it whole.')
         ELSE CAST(x AS VARCHAR) END""",
    # Rounding gives FLOAT64 in BigQuery, also for an INT64.
    "bq_round(x, n := 0) AS round(CAST(x AS DOUBLE), CAST(n AS INTEGER))",
    "bq_is_nan(x) AS isnan(CAST(x AS DOUBLE))",
)
"""Bodies of `CREATE MACRO`: BigQuery's meaning where DuckDB's own function has another.

An error they raise is `cause<TAB>cure`.
"""

_SUBQUERY = frozenset({"this", "alias"})
_BINARY = frozenset({"this", "expression"})
_UNARY = frozenset({"this"})
_LIST = frozenset({"this", "expressions"})

_ALLOWED: Mapping[type[exp.Expr], frozenset[str]] = {
    # The shape of a query.
    exp.Select: frozenset({"with_", "distinct", "expressions", "from_", "joins", "where", "group"})
    | {"having", "order", "limit", "offset"},
    exp.Union: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    exp.Subquery: _SUBQUERY,
    exp.With: frozenset({"expressions"}),
    exp.CTE: _SUBQUERY,
    exp.From: _UNARY,
    exp.Join: frozenset(["this", "side", "kind", "on", "using"]),
    exp.Where: _UNARY,
    exp.Group: frozenset({"expressions"}),
    exp.Having: _UNARY,
    exp.Order: frozenset({"expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Distinct: frozenset({"expressions"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias"}),
    exp.TableAlias: _UNARY,
    exp.Alias: _SUBQUERY,
    exp.Column: frozenset({"this", "table"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Star: frozenset({"except_"}),
    exp.Paren: _UNARY,
    # Values.
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: _UNARY,
    exp.Null: frozenset(),
    exp.Cast: frozenset({"this", "to"}),
    exp.DataType: frozenset({"this", "nested"}),
    # Logic.
    **dict.fromkeys((exp.And, exp.Or), _BINARY),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is), _BINARY),
    exp.Not: _UNARY,
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Exists: _UNARY,
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true", "false"}),
    exp.Coalesce: _LIST,
    exp.Nullif: _BINARY,
    exp.Greatest: frozenset({"this", "expressions", "ignore_nulls"}),
    exp.Least: frozenset({"this", "expressions", "ignore_nulls"}),
    # Arithmetic.
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.IntDiv, exp.SafeDivide), _BINARY),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    exp.Neg: _UNARY,
    **dict.fromkeys((exp.Abs, exp.Floor, exp.Ceil, exp.Sqrt, exp.Ln, exp.IsNan), _UNARY),
    exp.Round: frozenset({"this", "decimals"}),
    # Strings.
    exp.Concat: frozenset({"expressions", "safe", "coalesce"}),
    exp.DPipe: frozenset({"this", "expression", "safe"}),
    exp.FarmFingerprint: frozenset({"expressions"}),
    # Aggregates.
    exp.Count: frozenset({"this", "big_int"}),
    exp.CountIf: _UNARY,
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Min, exp.Max), _UNARY),
    **dict.fromkeys((exp.Stddev, exp.StddevSamp, exp.StddevPop), _UNARY),
    **dict.fromkeys((exp.Variance, exp.VariancePop), _UNARY),
    exp.Corr: _BINARY,
    **dict.fromkeys((exp.LogicalAnd, exp.LogicalOr), _UNARY),
}
"""What is translated: the class of each construct, and which parts of it may be present."""

_CASTS = {
    exp.DataType.Type.BIGINT: "bq_int64",
    exp.DataType.Type.DOUBLE: "bq_float64",
    exp.DataType.Type.TEXT: "bq_string",
}

_LITERAL_INT_PARENTS = (exp.Limit, exp.Offset, exp.Group, exp.Ordered)
"""Where a whole number is a count or a position, not a value."""


def farm_fingerprint(text: str) -> int:
    """BigQuery's FARM_FINGERPRINT: the first 64 bits of FarmHash, read as a signed number.

    There is no cache: for the few distinct keys of a split it saves a fifth, for the many of a
    sample it costs a third.
    """
    value = farmhash.fingerprint64(text)
    return value - (1 << 64) if value >= 1 << 63 else value


def to_duckdb(sql: str, tables: Mapping[str, str]) -> str:
    """Translates a BigQuery query.

    Args:
        sql: One query (SELECT, WITH, UNION) in BigQuery's dialect.
        tables: For each BigQuery table that may be read, the DuckDB view that stands for it.

    Returns:
        The query for a DuckDB connection that has `MACROS` and the function `farm_fingerprint`.

    Raises:
        UserError: The query does not parse, reads an unknown table, or uses what is not listed.
    """
    tree = _parse(sql)
    _refuse_unknown(tree)
    _name_columns(tree)
    _replace_tables(tree, tables)
    # Children first, so that what a construct becomes holds operands that are already translated.
    for node in reversed(list(tree.walk(bfs=False))):
        translated = _give_bigquery_meaning(node)
        if translated is not node:
            node.replace(translated)
    return tree.sql(dialect="duckdb", comments=False)


def _parse(sql: str) -> exp.Query:
    try:
        statements = sqlglot.parse(sql, read="bigquery")
    except ParseError as error:
        where = error.errors[0] if error.errors else {}
        raise UserError(
            f"The query does not parse at line {where.get('line')}, column {where.get('col')}:"
            f" {where.get('description')} near {str(where.get('highlight'))!r}.",
            "Correct the SQL there.",
        ) from error
    except SqlglotError as error:
        raise UserError(
            f"The query does not parse: {error}.", "Look for an unclosed quote or comment."
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        found = ", ".join(type(s).__name__.upper() for s in statements if s) or "nothing"
        raise UserError(f"One query was expected, found {found}.", "Give a single SELECT or WITH.")
    return statements[0]


def _refuse_unknown(tree: exp.Expr) -> None:
    for node in tree.walk():
        allowed = _ALLOWED.get(type(node))
        if allowed is None:
            raise _refused(_name(node), node)
        for part, value in node.args.items():
            if value and part not in allowed:
                raise _refused(f"{_name(node)} with {part.strip('_').upper()}", node)
        if isinstance(node, exp.Cast) and node.to.this not in _CASTS:
            raise _refused(f"CAST to {node.to.sql('bigquery')}", node)
        if isinstance(node, exp.Join) and node.args.get("side") not in (None, "", "LEFT"):
            raise _refused(f"{node.side} JOIN", node)
        if isinstance(node, exp.Count | exp.Distinct) and len(node.expressions) > 1:
            raise _refused(f"{_name(node)} of several columns", node)


def _name(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.upper()
    return node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()


def _refused(name: str, node: exp.Expr) -> UserError:
    line = next((n.meta["line"] for n in node.walk() if "line" in n.meta), None)
    at = f" (line {line})" if line else ""
    return UserError(
        f"{name} is not translated for the embedded warehouse{at}: {node.sql('bigquery')[:80]}",
        "Write it with the constructs listed in data/dialect.py, or run the query on BigQuery.",
    )


def _name_columns(tree: exp.Query) -> None:
    """Gives unnamed columns the names BigQuery gives them: f0_, f1_..."""
    first = tree
    while isinstance(first, exp.Union | exp.Subquery):
        first = first.this
    unnamed = [e for e in first.expressions if not isinstance(e, exp.Alias | exp.Column | exp.Star)]
    for index, column in enumerate(unnamed):
        column.replace(exp.alias_(column.copy(), f"f{index}_"))


def _replace_tables(tree: exp.Expr, tables: Mapping[str, str]) -> None:
    shared = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        name = ".".join(part.name for part in table.parts)
        if name.casefold() in shared:
            continue
        if name not in tables:
            close = get_close_matches(name, tables, n=1)
            hint = f"Did you mean {close[0]}?" if close else "Use one of these."
            known = ", ".join(sorted(tables)) or "none"
            raise UserError(f"There is no table {name}; known: {known}.", hint)
        # Unaliased, a table is known by its last part: `FROM a.b.births` allows `births.year`.
        alias = table.alias or table.name.rsplit(".", maxsplit=1)[-1]
        table.replace(exp.to_table(f'"{tables[name]}"', dialect="duckdb", alias=alias))


def _give_bigquery_meaning(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal) and not node.is_string:
        return _number(node)
    if isinstance(node, exp.Cast):
        return _call(_CASTS[node.to.this], node.this)
    if isinstance(node, exp.Div):
        return _call("bq_divide", node.this, node.expression)
    if isinstance(node, exp.SafeDivide):
        divisor = exp.Nullif(this=_call("bq_float64", node.expression), expression=exp.convert(0))
        return _call("bq_divide", node.this, divisor)
    if isinstance(node, exp.IntDiv):
        return _call("bq_div", node.this, node.expression)
    if isinstance(node, exp.Mod):
        return _call("bq_mod", node.this, node.expression)
    if isinstance(node, exp.Round):
        digits = node.args.get("decimals")
        return _call("bq_round", node.this, *([digits] if digits else []))
    if isinstance(node, exp.IsNan):
        return _call("bq_is_nan", node.this)
    if isinstance(node, exp.Concat):
        # It becomes ||, and sqlglot leaves the operands bare: CONCAT(a + b, c) would be a + (b ||
        # c).
        operands = [exp.Paren(this=e.copy()) for e in node.expressions]
        return exp.Paren(this=exp.Concat(expressions=operands, safe=False, coalesce=False))
    return node


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[a.copy() for a in arguments])


def _number(node: exp.Literal) -> exp.Expr:
    """Numbers are INT64 or FLOAT64 in BigQuery; DuckDB would make them INTEGER and DECIMAL."""
    text = node.this
    if not text.isdigit():
        return exp.Literal.number(text if "e" in text.lower() else f"{text}e0")
    if isinstance(node.parent, _LITERAL_INT_PARENTS):
        return node
    return exp.cast(node.copy(), "BIGINT", dialect="duckdb")
