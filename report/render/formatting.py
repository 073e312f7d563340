"""Numbers, shares and times as people read them. What is not a number is said, not hidden."""

from __future__ import annotations

import datetime
import math

NONE = "\N{EN DASH}"
_NAN = "not a number"
_MINUS = "\N{MINUS SIGN}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with thousands separated; None is shown as a dash."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return _NAN
    text = f"{value:,.{digits}f}"
    # What rounds to nothing has no sign.
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", _MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A change: a number that says which way it goes."""
    text = number(value, digits)
    rises = value is not None and math.isfinite(value) and value > 0 and text.strip("0.,")
    return f"+{text}" if rises else text


def interval(bounds: tuple[float, float] | None, digits: int = 3, sign: bool = False) -> str:
    """An interval, such as `1.021 to 1.049`."""
    if bounds is None:
        return NONE
    form = signed if sign else number
    return f"{form(bounds[0], digits)} to {form(bounds[1], digits)}"


def count(value: float | None) -> str:
    """A whole number, such as `74,712`."""
    return number(value, 0)


def share(value: float | None) -> str:
    """A share between 0 and 1 as a percentage; a small one does not become nothing."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return _NAN
    if 0 < value < 0.0001:
        return "<0.01%"
    if 0.9999 < value < 1:
        return ">99.99%"
    digits = 0 if value in (0, 1) else 2 if value < 0.01 or value > 0.99 else 1
    return f"{value:.{digits}%}"


def compact(value: float | None) -> str:
    """A number of unknown size, in four digits."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return _NAN
    return (f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}").replace("-", _MINUS)


def seconds(value: float | None) -> str:
    """A duration: `<0.1 s`, `0.8 s`, `12 s`, `3 min 05 s`, `1 h 02 min`."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return _NAN
    if 0 < value < 0.05:
        return "<0.1 s"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def utc(moment: datetime.datetime) -> str:
    """A time in UTC, to the minute; one without a zone is taken to be in UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M} UTC"
