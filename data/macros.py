"""DuckDB macros with BigQuery's meaning, where DuckDB's own function has another or takes more.

Typed parameters refuse a value of another type rather than convert it. An error that a macro raises
is `cause<TAB>cure`. A NUMERIC is a STRUCT here: nothing takes it but a cast, so that nothing is
computed with digits that BigQuery would have rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DUCKDB_TYPES = {
    "BOOL": "BOOLEAN",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "STRING": "VARCHAR",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "NUMERIC": "STRUCT(numeric DECIMAL(38,9))",
}
"""Each type of BigQuery, and the one that stands for it."""

_INSTANT = DUCKDB_TYPES["TIMESTAMP"]

WHITE_SPACE = "".join(
    chr(code)
    for first, last in [
        *[(0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680)],
        *[(0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)],
    ]
    for code in range(first, last + 1)
)
"""What Unicode calls White_Space; TRIM removes it."""


def _macro(name: str, *bodies: str) -> str:
    return f"CREATE MACRO bq_{name}{', '.join(bodies)}"


def _fails(cause: str, cure: str) -> str:
    return f"error('{cause}\t{cure}')"


def _divided(function: str, cure: str, answer: str) -> str:
    return f"""(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL
        THEN {_fails("The query divided by zero" + function + ".", cure)} ELSE {answer} END"""


_ARITHMETIC = (
    # BigQuery fails on a zero divisor; DuckDB answers infinity or NULL.
    _macro("divide", _divided("", "Use SAFE_DIVIDE.", "CAST(a AS DOUBLE) / CAST(b AS DOUBLE)")),
    _macro("div", _divided(" in DIV", "Use NULLIF on the divisor.", "a // b")),
    _macro("mod", _divided(" in MOD", "Use NULLIF on the divisor.", "a % b")),
    # Rounding gives FLOAT64 in BigQuery, also for an INT64.
    _macro("round", "(x, n := 0) AS round(CAST(x AS DOUBLE), CAST(n AS INTEGER))"),
    _macro("is_nan", "(x) AS isnan(CAST(x AS DOUBLE))"),
    # An overflow fails in BigQuery; DuckDB answers infinity, or NaN for the root of a negative.
    _macro(
        "exp",
        f"""(x DOUBLE) AS CASE WHEN isfinite(x) AND NOT isfinite(exp(x))
        THEN {_fails("EXP overflowed.", "Bound its argument with LEAST.")} ELSE exp(x) END""",
    ),
    _macro(
        "pow",
        f"""(x DOUBLE, y DOUBLE) AS CASE
        WHEN isfinite(x) AND isfinite(y) AND NOT isfinite(pow(x, y))
        THEN {_fails("POW has no finite value.", "Bound its arguments, or NULLIF them.")}
        ELSE pow(x, y) END""",
    ),
    _macro("ln", "(x DOUBLE) AS ln(x)"),
    _macro("log10", "(x DOUBLE) AS log10(x)"),
    _macro(
        "log",
        f"""(x DOUBLE, base DOUBLE) AS CASE WHEN x IS NOT NULL AND (base <= 0 OR base = 1)
        THEN {_fails("LOG has a base that is 1, 0 or negative.", "Correct the base.")}
        ELSE ln(x) / ln(base) END""",
    ),
)


def _from_text(kind: str, plain: str, doubtful: str, cure: str) -> tuple[str, str]:
    """The cast of a STRING x, and the safe one, which gives NULL where the first fails.

    Args:
        kind: The type in BigQuery.
        plain: Regular expression of text that both engines read alike, if it is a value at all.
        doubtful: Of text that BigQuery may read, too, but that is not proven to be read alike.
        cure: What to do about doubtful text.
    """
    text = "CAST(x AS VARCHAR)"
    value = f"TRY_CAST({text} AS {DUCKDB_TYPES[kind]})"

    def body(failed: str) -> str:
        return f"""CASE WHEN x IS NULL THEN NULL
            WHEN regexp_full_match({text}, '{plain}')
              THEN CASE WHEN {value} IS NULL THEN {failed} ELSE {value} END
            WHEN regexp_full_match({text}, '{doubtful}')
              THEN error('CAST of the STRING "' || {text} || '" to {kind} is not translated.'
                || '\t{cure}')
            ELSE {failed} END"""

    said = f"""'CAST: "' || {text} || '" is not {kind}.'"""
    return body(f"error({said} || '\tUse SAFE_CAST to get NULL instead.')"), body("NULL")


_DATE = "[1-9][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = _DATE + r"(?:[ T][0-9]{1,2}:[0-9]{1,2}:[0-5]?[0-9](?:\.[0-9]{1,6})?)?"
_ZONE = r"(?:Z| ?UTC|[+-][0-9]{2}(?::[0-9]{2})?)?"
TEXTS = {"DATE": _DATE, "DATETIME": _TIME, "TIMESTAMP": _TIME + _ZONE}
"""Regular expressions of what is a value as text, if it is one at all."""
_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
_DIGITS = r"(?s:\s*[0-9].*)"
_SAY_FORM = "Use the form 2001-12-31, or PARSE_{} with the form it has."
_TEXT_CASTS = {
    "BOOL": _from_text("BOOL", "(?i:true|false)", r"(?i:\s*(true|false)\s*)", "TRIM it first."),
    "INT64": _from_text(
        "INT64", "-?[0-9]+", r"(?i:\s*[+-]?(0x[0-9a-f]+|[0-9]+)\s*)", "Write decimal digits alone."
    ),
    "FLOAT64": _from_text(
        "FLOAT64",
        f"-?{_NUMBER}",
        rf"(?is:\s*[+-]?(nan|inf|infinity|0x.*|{_NUMBER}[0-9]*)\s*)",
        "Write decimal digits alone.",
    ),
    **{
        kind: _from_text(kind, text, _DIGITS, _SAY_FORM.format(kind))
        for kind, text in TEXTS.items()
    },
}
_OTHERS = {
    "BOOL": "ELSE CAST(x AS BOOLEAN)",
    # BigQuery rounds halves away from zero when it casts; DuckDB rounds them to even.
    "INT64": "WHEN 'DOUBLE' THEN CAST(round(CAST(x AS DOUBLE)) AS BIGINT) ELSE CAST(x AS BIGINT)",
    "FLOAT64": "ELSE CAST(x AS DOUBLE)",
    "DATE": "ELSE CAST(x AS DATE)",
    "DATETIME": "ELSE CAST(x AS TIMESTAMP)",
    # Without a zone: UTC, the zone of the connection.
    "TIMESTAMP": "ELSE CAST(x AS TIMESTAMP WITH TIME ZONE)",
}
"""Casts of what is no STRING. DuckDB itself refuses the pairs that BigQuery refuses, but a few."""


def _casts() -> Iterable[str]:
    for kind, others in _OTHERS.items():
        text, safe_text = _TEXT_CASTS[kind]
        safe = others.replace("ELSE CAST", "ELSE TRY_CAST").replace("THEN CAST", "THEN TRY_CAST")
        for name, first, rest in (("", text, others), ("safe_", safe_text, safe)):
            body = f"(x) AS CASE typeof(x) WHEN 'VARCHAR' THEN {first} {rest} END"
            yield _macro(name + kind.lower(), body)
    # 3.0 is printed as 3 by BigQuery and 3.0 by DuckDB, and long fractions differ too.
    string = """(x) AS CASE WHEN x IS NULL THEN NULL
        WHEN typeof(x) = 'DOUBLE' THEN error('CAST of a FLOAT64 to STRING is not translated:'
          || ' engines print it differently.\tCast it to INT64 first, in a whole unit.')
        WHEN typeof(x) LIKE 'TIMESTAMP%' AND CAST(x AS VARCHAR) LIKE '%.%'
        THEN error('CAST of fractions of a second to STRING is not translated: engines print them'
          || ' differently.\tUse TIMESTAMP_TRUNC, or UNIX_MICROS.')
        WHEN typeof(x) LIKE 'STRUCT%' THEN error('CAST of a NUMERIC to STRING is not translated.'
          || '\tCast it to INT64 first, in a unit that makes it whole.')
        ELSE CAST(x AS VARCHAR) END"""
    yield from (_macro(name, string) for name in ("string", "safe_string"))
    # Overloads serve columns alone: DuckDB does not know which to take for an aggregate.
    numeric = {
        "int64": "CAST(round(x.numeric) AS BIGINT)",
        # By way of text, which alone is rounded once.
        "float64": "CAST(CAST(x.numeric AS VARCHAR) AS DOUBLE)",
    }
    for name, body in numeric.items():
        for safe in ("", "safe_"):
            others = ("BIGINT", "HUGEINT", "DOUBLE", "BOOLEAN", "VARCHAR")
            overloads = [f"(x {kind}) AS bq_{safe}{name}(x)" for kind in others]
            overloads.append(f"(x {DUCKDB_TYPES['NUMERIC']}) AS {body}")
            yield _macro(f"{safe}{name}_column", *overloads)


_PARTS = {
    "YEAR": "year(x)",
    "ISOYEAR": "isoyear(x)",
    "QUARTER": "quarter(x)",
    "MONTH": "month(x)",
    "WEEK": "strftime(x, '%U')",
    "ISOWEEK": "week(x)",
    "DAY": "day(x)",
    "DAYOFYEAR": "dayofyear(x)",
    # 1 is Sunday in BigQuery; in DuckDB 0 is.
    "DAYOFWEEK": "dayofweek(x) + 1",
    "HOUR": "hour(x)",
    "MINUTE": "minute(x)",
    "SECOND": "second(x)",
}
EXTRACT_PARTS = (*_PARTS, "DATE")
"""What EXTRACT may take out."""

_INTERVALS = {
    "DAY": "to_days(CAST(n AS INTEGER))",
    "WEEK": "to_days(CAST(n * 7 AS INTEGER))",
    "MONTH": "to_months(CAST(n AS INTEGER))",
    "QUARTER": "to_months(CAST(n * 3 AS INTEGER))",
    "YEAR": "to_months(CAST(n * 12 AS INTEGER))",
    "HOUR": "to_hours(n)",
    "MINUTE": "to_minutes(n)",
    "SECOND": "to_seconds(CAST(n AS DOUBLE))",
}
_MICROSECONDS = {
    "DAY": 86_400_000_000,
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
}
_DATE_UNITS = ("DAY", "WEEK", "ISOWEEK", "MONTH", "QUARTER", "YEAR")
_UNITS = (*_DATE_UNITS, "HOUR", "MINUTE", "SECOND")
UNITS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("DATE", "ADD"): tuple(unit for unit in _DATE_UNITS if unit != "ISOWEEK"),
    ("DATETIME", "ADD"): tuple(_INTERVALS),
    ("TIMESTAMP", "ADD"): tuple(_MICROSECONDS),
    ("DATE", "DIFF"): _DATE_UNITS,
    ("DATETIME", "DIFF"): _UNITS,
    ("TIMESTAMP", "DIFF"): tuple(_MICROSECONDS),
    ("DATE", "TRUNC"): _DATE_UNITS,
    ("DATETIME", "TRUNC"): _UNITS,
    ("TIMESTAMP", "TRUNC"): _UNITS,
}
"""The units of DATE_ADD and its kin; a SUB is an ADD of the opposite."""


def _truncated(x: str, unit: str, kind: str) -> str:
    if unit == "WEEK":  # It begins on Sunday in BigQuery; in DuckDB on Monday.
        body = f"date_trunc('week', {x} + INTERVAL 1 DAY) - INTERVAL 1 DAY"
    else:
        body = f"date_trunc('{unit.removeprefix('ISO').lower()}', {x})"
    return f"CAST({body} AS {kind})"


def _difference(unit: str, kind: str) -> str:
    if kind == _INSTANT:  # Whole units between them.
        return f"(epoch_us(a) - epoch_us(b)) // {_MICROSECONDS[unit]}"
    # Boundaries between them.
    if unit in ("MONTH", "QUARTER", "YEAR"):
        return f"CAST(date_diff('{unit.lower()}', b, a) AS BIGINT)"
    first, last = (f"epoch_us(CAST({_truncated(x, unit, kind)} AS TIMESTAMP))" for x in "ba")
    length = _MICROSECONDS["DAY"] * 7 if "WEEK" in unit else _MICROSECONDS[unit]
    return f"({last} - {first}) // {length}"


def _dates() -> Iterable[str]:
    for (name, function), units in UNITS.items():
        kind = DUCKDB_TYPES[name]
        for unit in units:
            if function == "ADD":
                body = f"(x {kind}, n BIGINT) AS bq_bounded(CAST(x + {_INTERVALS[unit]} AS {kind}))"
            elif function == "DIFF":
                body = f"(a {kind}, b {kind}) AS {_difference(unit, kind)}"
            else:
                body = f"(x {kind}) AS {_truncated('x', unit, kind)}"
            yield _macro(f"{name}_{function}_{unit}".lower(), body)


def _unix() -> Iterable[str]:
    for unit, count in {"seconds": 1_000_000, "millis": 1000, "micros": 1}.items():
        # Rounded down, also before 1970.
        rest = f"(epoch_us(x) % {count} + {count}) % {count}"
        yield _macro(f"unix_{unit}", f"(x {_INSTANT}) AS (epoch_us(x) - {rest}) // {count}")
        made = f"bq_bounded(make_timestamptz(x * {count}))"
        yield _macro(f"timestamp_{unit}", f"(x BIGINT) AS {made}")


def _without_zeros(text: str) -> str:
    return rf"regexp_replace(lower({text}), '(^|[^0-9])0+([0-9])', '\1\2', 'g')"


_TIMES = (
    _macro(
        "bounded",
        f"""(x) AS CASE WHEN year(x) < 1 OR year(x) > 9999
        THEN {_fails("A date is not within the years 1 to 9999.", "Bound what is added.")}
        ELSE x END""",
    ),
    *(
        _macro(f"extract_{p.lower()}", f"(x) AS CAST({body} AS BIGINT)")
        for p, body in _PARTS.items()
    ),
    _macro("extract_date", "(x) AS CAST(x AS DATE)"),
    *_dates(),
    _macro("date_of_parts", "(y BIGINT, m BIGINT, d BIGINT) AS make_date(y, m, d)"),
    _macro(
        "datetime_of_parts",
        """(y BIGINT, m BIGINT, d BIGINT, h BIGINT, i BIGINT, s BIGINT) AS
        make_timestamp(y, m, d, h, i, CAST(s AS DOUBLE))""",
    ),
    _macro("unix_date", "(x DATE) AS CAST(x - DATE '1970-01-01' AS BIGINT)"),
    *_unix(),
    *(
        _macro(
            f"formatted_{name.lower()}",
            f"""(x {DUCKDB_TYPES[name]}) AS CASE WHEN year(x) < 1000
            THEN {_fails("FORMAT of years before 1000 is not translated.", "Leave them out.")}
            ELSE x END""",
        )
        for name in ("DATE", "DATETIME", "TIMESTAMP")
    ),
    # Text is read if it is what its value is written as, but for case and leading zeros.
    _macro(
        "parsed",
        f"""(x VARCHAR, form VARCHAR, value TIMESTAMP, again VARCHAR) AS CASE
        WHEN x IS NULL THEN NULL
        WHEN value IS NULL THEN error('PARSE: "' || x || '" does not have the form ' || form
          || '.\tCorrect the form, or make NULL of such text with IF.')
        WHEN {_without_zeros("x")} <> {_without_zeros("again")}
        THEN error('PARSE of "' || x || '" by ' || form || ' is not translated: engines may'
          || ' disagree.\tGive exactly the form it has.')
        ELSE value END""",
    ),
)

_ODD_CASE = (
    r"[ßŉǰıſΣς\x{130}\x{390}\x{3b0}\x{587}\x{10a0}-\x{10ff}\x{13a0}-\x{13ff}\x{1c80}-\x{1cbf}"
    r"\x{1e96}-\x{1e9e}\x{1f00}-\x{1fff}\x{2126}\x{212a}\x{212b}\x{ab70}-\x{abbf}\x{fb00}-\x{fb17}]"
)
"""Letters of which the other case is longer, depends on its place, or is new in Unicode."""


def _cased(function: str) -> str:
    return f"""(x VARCHAR) AS CASE WHEN regexp_matches(x, '{_ODD_CASE}')
        THEN error('{function.upper()} of "' || x || '" is not translated: engines disagree on a'
          || ' letter in it.\tReplace the text with IF, or run the query on BigQuery.')
        ELSE {function}(x) END"""


_FROM_END = "CASE WHEN p < -length(x) OR p = 0 THEN 1 WHEN p < 0 THEN length(x) + p + 1 ELSE p END"

_STRINGS = (
    _macro("lower", _cased("lower")),
    _macro("upper", _cased("upper")),
    _macro("length", "(x VARCHAR) AS length(x)"),
    # Position 0, or one before the text, is its begin in BigQuery; DuckDB counts what is before.
    _macro(
        "substr",
        f"(x VARCHAR, p BIGINT) AS substring(x, {_FROM_END})",
        f"""(x VARCHAR, p BIGINT, n BIGINT) AS CASE WHEN n < 0
        THEN {_fails("SUBSTR has a negative length.", "Bound it with GREATEST.")}
        ELSE substring(x, {_FROM_END}, n) END""",
    ),
    *(
        _macro(
            function,
            f"(x VARCHAR) AS {function}(x, '{WHITE_SPACE}')",
            f"(x VARCHAR, y VARCHAR) AS {function}(x, y)",
        )
        for function in ("trim", "ltrim", "rtrim")
    ),
    _macro("starts_with", "(x VARCHAR, y VARCHAR) AS starts_with(x, y)"),
    _macro("ends_with", "(x VARCHAR, y VARCHAR) AS ends_with(x, y)"),
    _macro("regexp_contains", "(x VARCHAR, y VARCHAR) AS regexp_matches(x, y)"),
)

_ARRAYS = (
    # Outside of the array BigQuery fails; DuckDB, which counts from 1, answers NULL.
    _macro(
        "at_offset",
        f"""(x, n) AS CASE WHEN n < 0 OR n >= len(x)
        THEN {_fails("An OFFSET is outside of its array.", "Bound it with LEAST and GREATEST.")}
        ELSE x[n + 1] END""",
    ),
    _macro(
        "range_bucket",
        """(x, bounds) AS CASE WHEN x IS NULL OR isnan(CAST(x AS DOUBLE)) THEN NULL
        ELSE CAST(len(list_filter(bounds, lambda bound: bound <= x)) AS BIGINT) END""",
    ),
)

MACROS = (*_ARITHMETIC, *_casts(), *_TIMES, *_STRINGS, *_ARRAYS)
"""Statements that make the macros, each after those it uses."""
