"""BigQuery SQL in, DuckDB SQL out, for what both are known to answer alike.

The translation is sqlglot's. Alone it is not enough: it accepts far more than it gets right, and a
wrong number is worse than a refusal. So every construct must be on the list below, which is exactly
what `tests/data/test_dialect.py` holds against BigQuery's documentation; anything else is refused
by name. Where the engines differ, the construct becomes a macro of `data/macros.py` instead.

The promise is one-sided: a query that *both* engines accept gives the same rows. DuckDB still
accepts some that BigQuery would reject (it compares a string with a number, for instance).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

import duckdb
import farmhash
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from common.errors import UserError
from data.macros import EXTRACT_PARTS, MACROS, UNITS

_SUBQUERY = frozenset({"this", "alias"})
_BINARY = frozenset({"this", "expression"})
_UNARY = frozenset({"this"})
_LIST = frozenset({"this", "expressions"})

_DATED: Mapping[type[exp.Expr], tuple[str, str]] = {
    getattr(exp, kind.title() + function.title()): (kind, function)
    for kind in ("DATE", "DATETIME", "TIMESTAMP")
    for function in ("ADD", "SUB", "DIFF", "TRUNC")
}
"""Functions with a unit: the type in their name, and what they do."""

_PARSED: Mapping[type[exp.Expr], str] = {
    exp.StrToDate: "DATE",
    exp.ParseDatetime: "DATETIME",
    exp.StrToTime: "TIMESTAMP",
}
_FORMATTED: Mapping[type[exp.Expr], str] = {
    exp.TsOrDsToDate: "DATE",
    exp.TsOrDsToDatetime: "DATETIME",
    exp.TsOrDsToTimestamp: "TIMESTAMP",
}
"""What sqlglot wraps the argument of FORMAT_DATE and its kin in."""

_DATE_ELEMENTS = frozenset("YymdbBaAjuwUVG%")
_TIME_ELEMENTS = frozenset("HIMSp")
_PARSED_ELEMENTS = frozenset("YmdbBHIMSp%")
_WINDOW_ONLY = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead)
_WINDOWED = (exp.Sum, exp.Avg, exp.Count, exp.Min, exp.Max, *_WINDOW_ONLY)

_ALLOWED: Mapping[type[exp.Expr], frozenset[str]] = {
    # The shape of a query.
    exp.Select: frozenset({"with_", "distinct", "expressions", "from_", "joins", "where", "group"})
    | {"having", "qualify", "order", "limit", "offset"},
    exp.Union: frozenset(["with_", "this", "expression", "distinct", "order", "limit", "offset"]),
    **dict.fromkeys((exp.Subquery, exp.CTE, exp.Alias), _SUBQUERY),
    **dict.fromkeys((exp.From, exp.Where, exp.Having, exp.Qualify), _UNARY),
    **dict.fromkeys((exp.TableAlias, exp.Paren), _UNARY),
    **dict.fromkeys((exp.With, exp.Group, exp.Order, exp.Distinct), frozenset({"expressions"})),
    **dict.fromkeys((exp.Limit, exp.Offset), frozenset({"expression"})),
    exp.Join: frozenset(["this", "side", "kind", "on", "using"]),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Star: frozenset({"except_"}),
    # Values.
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: _UNARY,
    exp.Null: frozenset(),
    exp.Cast: frozenset({"this", "to"}),
    exp.TryCast: frozenset({"this", "to", "safe"}),
    exp.DataType: frozenset({"this", "nested"}),
    # Logic.
    **dict.fromkeys((exp.And, exp.Or), _BINARY),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is), _BINARY),
    **dict.fromkeys((exp.Not, exp.Exists), _UNARY),
    exp.Nullif: _BINARY,
    **dict.fromkeys((exp.Greatest, exp.Least), frozenset({"this", "expressions", "ignore_nulls"})),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true", "false"}),
    exp.Coalesce: _LIST,
    # Arithmetic.
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.IntDiv, exp.SafeDivide), _BINARY),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    **dict.fromkeys((exp.Neg, exp.Abs, exp.Floor, exp.Ceil, exp.Sqrt, exp.IsNan), _UNARY),
    **dict.fromkeys((exp.Exp, exp.Ln), _UNARY),
    **dict.fromkeys((exp.Log, exp.Pow), _BINARY),
    exp.Round: frozenset({"this", "decimals"}),
    # Arrays, which are constants here: what a model learned.
    exp.Array: frozenset({"expressions", "struct_name_inheritance"}),
    exp.Bracket: frozenset({"this", "expressions"}),
    exp.RangeBucket: _BINARY,
    # Strings.
    exp.Concat: frozenset({"expressions", "safe", "coalesce"}),
    exp.DPipe: frozenset({"this", "expression", "safe"}),
    exp.FarmFingerprint: frozenset({"expressions"}),
    **dict.fromkeys((exp.Lower, exp.Upper), _UNARY),
    exp.Length: frozenset({"this", "binary"}),
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.Trim: frozenset({"this", "expression", "position"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    **dict.fromkeys((exp.StartsWith, exp.EndsWith, exp.RegexpLike), _BINARY),
    # Dates and times. There are no zones but UTC.
    exp.Extract: _BINARY,
    **dict.fromkeys((exp.Var, exp.WeekStart), _UNARY),
    exp.Timestamp: frozenset({"this", "with_tz"}),
    exp.DateFromParts: frozenset({"year", "month", "day"}),
    exp.TimestampFromParts: frozenset({"year", "month", "day", "hour", "min", "sec"}),
    **{kind: frozenset({"this", "expression", "unit", "date_part_boundary"}) for kind in _DATED},
    **dict.fromkeys((exp.UnixDate, exp.UnixSeconds, exp.UnixMillis, exp.UnixMicros), _UNARY),
    exp.UnixToTime: frozenset({"this", "scale"}),
    exp.TimeToStr: frozenset({"this", "format"}),
    **dict.fromkeys((exp.Date, *_FORMATTED), _UNARY),
    **dict.fromkeys(_PARSED, frozenset({"this", "format", "default_year"})),
    # Aggregates.
    exp.Count: frozenset({"this", "big_int"}),
    **dict.fromkeys((exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max), _UNARY),
    **dict.fromkeys((exp.Stddev, exp.StddevSamp, exp.StddevPop), _UNARY),
    **dict.fromkeys((exp.Variance, exp.VariancePop), _UNARY),
    exp.Corr: _BINARY,
    **dict.fromkeys((exp.LogicalAnd, exp.LogicalOr), _UNARY),
    # Windows.
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "over"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side"}),
    **dict.fromkeys((exp.RowNumber, exp.Rank, exp.DenseRank), frozenset({"expressions"})),
    **dict.fromkeys((exp.Lag, exp.Lead), frozenset({"this", "offset", "default"})),
}
"""What is translated: the class of each construct, and which parts of it may be present."""

_CASTS = {
    exp.DataType.Type.BIGINT: "bq_int64",
    exp.DataType.Type.DOUBLE: "bq_float64",
    exp.DataType.Type.TEXT: "bq_string",
    exp.DataType.Type.BOOLEAN: "bq_bool",
    exp.DataType.Type.DATE: "bq_date",
    exp.DataType.Type.TIMESTAMP: "bq_datetime",
    exp.DataType.Type.TIMESTAMPTZ: "bq_timestamp",
}

_CALLS: Mapping[type[exp.Expr], str] = {
    exp.Div: "divide",
    exp.IntDiv: "div",
    exp.Mod: "mod",
    exp.Pow: "pow",
    exp.RangeBucket: "range_bucket",
    exp.IsNan: "is_nan",
    exp.Timestamp: "timestamp",
    exp.DateFromParts: "date_of_parts",
    exp.TimestampFromParts: "datetime_of_parts",
    exp.Substring: "substr",
    exp.RegexpLike: "regexp_contains",
    **{
        kind: kind.sql_name().lower()
        for kind in (
            *(exp.Round, exp.Exp, exp.Ln, exp.Date),
            *(exp.UnixDate, exp.UnixSeconds, exp.UnixMillis, exp.UnixMicros),
            *(exp.Lower, exp.Upper, exp.Length, exp.StartsWith, exp.EndsWith),
        )
    },
}
"""What becomes a call of the macro of this name, with the same operands."""

_LITERAL_INT_PARENTS = (exp.Limit, exp.Offset, exp.Group, exp.Ordered, exp.WindowSpec)
"""Where a whole number is a count or a position, not a value."""


def farm_fingerprint(text: str) -> int:
    """BigQuery's FARM_FINGERPRINT: the first 64 bits of FarmHash, read as a signed number.

    There is no cache: for the few distinct keys of a split it saves a fifth, for the many of a
    sample it costs a third.
    """
    value = farmhash.fingerprint64(text)
    return value - (1 << 64) if value >= 1 << 63 else value


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Gives a connection what translated queries need: macros, FARM_FINGERPRINT, and UTC."""
    connection.create_function("farm_fingerprint", farm_fingerprint, ["VARCHAR"], "BIGINT")
    connection.execute("; ".join(["SET TimeZone = 'UTC'", *MACROS]))


def to_duckdb(sql: str, tables: Mapping[str, str]) -> str:
    """Translates a BigQuery query.

    Args:
        sql: One query (SELECT, WITH, UNION) in BigQuery's dialect.
        tables: For each BigQuery table that may be read, the DuckDB view that stands for it.

    Returns:
        The query for a DuckDB connection after `prepare`.

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
    for raw in list(statements[0].find_all(exp.RawString)):
        raw.replace(exp.Literal.string(raw.this))
    return statements[0]


def _refuse_unknown(tree: exp.Expr) -> None:
    for node in tree.walk():
        allowed = _ALLOWED.get(type(node))
        if allowed is None:
            raise _refused(_name(node), node)
        for part, value in node.args.items():
            if value and part not in allowed:
                raise _refused(f"{_name(node)} with {part.strip('_').upper()}", node)
        if isinstance(node, exp.Cast) and (node.to.this not in _CASTS or node.to.expressions):
            raise _refused(f"CAST to {node.to.sql('bigquery')}", node)
        if isinstance(node, exp.Join) and node.args.get("side") not in (None, "", "LEFT"):
            raise _refused(f"{node.side} JOIN", node)
        if isinstance(node, exp.Count | exp.Distinct) and len(node.expressions) > 1:
            raise _refused(f"{_name(node)} of several columns", node)
        # ORDINAL is 1, no word at all None.
        if isinstance(node, exp.Bracket) and node.args.get("offset") != 0:
            raise _refused("an index without OFFSET", node)
        _refuse_unknown_time(node)
        _refuse_unknown_text(node)
        _refuse_unknown_window(node)


def _refuse_unknown_time(node: exp.Expr) -> None:
    if isinstance(node, exp.Extract) and (part := _unit(node.this)) not in EXTRACT_PARTS:
        allowed = ", ".join(EXTRACT_PARTS)
        raise _refused(f"EXTRACT of {part}", node, f"Of these it is: {allowed}.")
    if type(node) in _DATED:
        kind, function = _DATED[type(node)]
        units = UNITS[kind, "ADD" if function == "SUB" else function]
        if (unit := _unit(node.args["unit"])) not in units:
            allowed = f"By these it is: {', '.join(units)}."
            raise _refused(f"{kind}_{function} by {unit}", node, allowed)
    wrapper = isinstance(node, exp.TsOrDsToDate | exp.TsOrDsToTimestamp)
    if wrapper and not isinstance(node.parent, exp.TimeToStr):
        raise _refused(_name(node), node)
    if isinstance(node, exp.TimeToStr):
        kind = _FORMATTED.get(type(node.this), "DATE")
        elements = _DATE_ELEMENTS if kind == "DATE" else _DATE_ELEMENTS | _TIME_ELEMENTS
        _check_form(node, f"FORMAT_{kind}", elements)
    if type(node) in _PARSED:
        name = f"PARSE_{_PARSED[type(node)]}"
        found = _check_form(node, name, _PARSED_ELEMENTS)
        # What is missing is of 1970 in BigQuery, and of 1900 in DuckDB.
        if not ({"Y", "d"} <= found and found & {"m", "b", "B"}):
            raise _refused(f"{name} without year, month and day", node)
        if ("p" in found) != ("I" in found) or {"H", "I"} <= found:
            raise _refused(f"{name} with %I but without %p, or with %H", node)
        if name == "PARSE_DATE" and found & _TIME_ELEMENTS:
            raise _refused("PARSE_DATE with a time", node)


def _check_form(node: exp.Expr, name: str, allowed: frozenset[str]) -> set[str]:
    """The elements of a format, which must be among the allowed."""
    form = node.args["format"]
    if not (isinstance(form, exp.Literal) and form.is_string):
        raise _refused(f"{name} with a format that is no literal", node)
    found = set(re.findall("%(.?)", form.this))
    if found - allowed:
        elements = ", ".join(f"%{element}" for element in sorted(allowed))
        unknown = ", ".join(f"%{element}" for element in sorted(found - allowed))
        raise _refused(f"{name} with {unknown}", node, f"With these it is: {elements}, %F, %T.")
    return found


def _refuse_unknown_text(node: exp.Expr) -> None:
    if isinstance(node, exp.Like | exp.RegexpLike):
        name = "LIKE" if isinstance(node, exp.Like) else "REGEXP_CONTAINS"
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise _refused(f"{name} with a pattern that is no literal", node)
        if isinstance(node, exp.Like) and re.search(r"^(?:[^\\]|\\.)*?\\(?![\\%_])", pattern.this):
            raise _refused(r"LIKE with a \ before other than \, % and _", node)
        if isinstance(node, exp.RegexpLike):
            try:
                duckdb.execute("SELECT regexp_matches('', ?)", [pattern.this])
            except duckdb.Error as error:
                raise UserError(
                    f"REGEXP_CONTAINS has a pattern that does not compile: {pattern.this}.",
                    "Correct it; the syntax is that of RE2.",
                ) from error


def _refuse_unknown_window(node: exp.Expr) -> None:
    if isinstance(node, exp.Window) and not isinstance(node.this, _WINDOWED):
        raise _refused(f"{_name(node.this)} OVER a window", node)
    if isinstance(node, exp.WindowSpec) and node.args.get("kind") != "ROWS":
        raise _refused(f"a window by {node.args.get('kind')}", node, "By ROWS it is.")
    if isinstance(node, _WINDOW_ONLY) and not isinstance(node.parent, exp.Window):
        raise _refused(f"{_name(node)} without OVER", node)


def _unit(node: exp.Expr) -> str:
    """YEAR, WEEK... as BigQuery has it: weeks begin on Sunday where no day is named."""
    if isinstance(node, exp.WeekStart):
        return "WEEK" if node.name.upper() == "SUNDAY" else f"WEEK({node.name.upper()})"
    return node.name.upper()


def _name(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.upper()
    return node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()


def _refused(name: str, node: exp.Expr, allowed: str = "") -> UserError:
    line = next((n.meta["line"] for n in node.walk() if "line" in n.meta), None)
    at = f" (line {line})" if line else ""
    return UserError(
        f"{name} is not translated for the embedded warehouse{at}: {node.sql('bigquery')[:80]}",
        allowed
        or "Write it with the constructs listed in data/dialect.py, or run the query on BigQuery.",
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
        # Unaliased, a table is known by its last part: `FROM a.b.trips` allows `trips.fare`.
        alias = table.alias or table.name.rsplit(".", maxsplit=1)[-1]
        table.replace(exp.to_table(f'"{tables[name]}"', dialect="duckdb", alias=alias))


def _give_bigquery_meaning(node: exp.Expr) -> exp.Expr:
    if type(node) in _CALLS:
        return _call(f"bq_{_CALLS[type(node)]}", *node.iter_expressions())
    if isinstance(node, exp.Literal) and not node.is_string:
        return _number(node)
    if isinstance(node, exp.Cast):
        return _cast(node)
    if isinstance(node, exp.SafeDivide):
        divisor = exp.Nullif(this=_call("bq_float64", node.expression), expression=exp.convert(0))
        return _call("bq_divide", node.this, divisor)
    if isinstance(node, exp.Bracket):
        return _call("bq_at_offset", node.this, *node.expressions)
    if isinstance(node, exp.Concat):
        # It becomes ||, and sqlglot leaves the operands bare: CONCAT(a + b, c) would be a + (b ||
        # c).
        operands = [exp.Paren(this=e.copy()) for e in node.expressions]
        return exp.Paren(this=exp.Concat(expressions=operands, safe=False, coalesce=False))
    if isinstance(node, exp.Log):  # sqlglot puts the base first, and reads LOG10(x) so, too.
        if _plain(node.this) == "10":
            return _call("bq_log10", node.expression)
        return _call("bq_log", node.expression, node.this)
    if isinstance(node, exp.Trim):
        side = str(node.args.get("position") or "")
        function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side, "trim")
        return _call(f"bq_{function}", *node.iter_expressions())
    if isinstance(node, exp.Like) and not isinstance(node.parent, exp.Escape):
        return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
    return _give_time_bigquerys_meaning(node)


def _cast(node: exp.Cast) -> exp.Expr:
    name = _CASTS[node.to.this]
    if isinstance(node, exp.TryCast):
        name = name.replace("bq_", "bq_safe_")
    if name.endswith(("int64", "float64")) and isinstance(node.this, exp.Column):
        name += "_column"  # It may be a NUMERIC.
    return _call(name, node.this)


def _give_time_bigquerys_meaning(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Extract):
        return _call(f"bq_extract_{_unit(node.this).lower()}", node.expression)
    if type(node) in _DATED:
        kind, function = _DATED[type(node)]
        operands = [node.this]
        if count := node.args.get("expression"):
            if isinstance(count, exp.Literal) and count.is_string:  # As sqlglot reads INTERVAL 1.
                count = exp.cast(exp.Literal.number(count.this), "BIGINT", dialect="duckdb")
            operands.append(exp.Neg(this=exp.paren(count)) if function == "SUB" else count)
        function = "ADD" if function == "SUB" else function
        unit = _unit(node.args["unit"])
        return _call(f"bq_{kind}_{function}_{unit}".lower(), *operands)
    if isinstance(node, exp.TsOrDsToDatetime) and not isinstance(node.parent, exp.TimeToStr):
        return _call("bq_datetime", node.this)
    if isinstance(node, exp.UnixToTime):
        scale = node.args.get("scale")
        unit = {None: "seconds", "3": "millis", "6": "micros"}[scale and _plain(scale)]
        return _call(f"bq_timestamp_{unit}", node.this)
    if isinstance(node, exp.TimeToStr):
        kind = _FORMATTED.get(type(node.this), "DATE")
        value = node.this.this if type(node.this) in _FORMATTED else node.this
        return _call("strftime", _call(f"bq_formatted_{kind.lower()}", value), node.args["format"])
    if type(node) in _PARSED:
        form = node.args["format"]
        value = _call("try_strptime", node.this, form)
        again = _call("strftime", value, form)
        parsed = _call("bq_parsed", node.this, form, value, again)
        return _call(f"bq_{_PARSED[type(node)].lower()}", parsed)
    return node


def _plain(number: exp.Expr) -> str:
    return number.this.name if isinstance(number, exp.Cast) else number.name


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[a.copy() for a in arguments])


def _number(node: exp.Literal) -> exp.Expr:
    """Numbers are INT64 or FLOAT64 in BigQuery; DuckDB would make them INTEGER and DECIMAL."""
    text = node.this
    if not text.isdigit():
        # In place: replaced one by one, those of a long array would take the square of its length.
        node.set("this", text if "e" in text.lower() else f"{text}e0")
        return node
    if isinstance(node.parent, _LITERAL_INT_PARENTS):
        return node
    return exp.cast(node.copy(), "BIGINT", dialect="duckdb")
