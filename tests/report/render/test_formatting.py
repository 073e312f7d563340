"""Numbers as people read them."""

from __future__ import annotations

import datetime
import math

import pytest

from report.render import formatting

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.number(1234.5678), "1,234.568"),
        (formatting.number(-0.0131), f"{MINUS}0.013"),
        (formatting.number(-0.0001), "0.000"),
        (formatting.number(None), "\N{EN DASH}"),
        (formatting.number(math.nan), "not a number"),
        (formatting.signed(0.0051), "+0.005"),
        (formatting.signed(0.0001), "0.000"),
        (formatting.signed(-0.0051), f"{MINUS}0.005"),
        (formatting.interval((1.0, 1.25), 2), "1.00 to 1.25"),
        (formatting.interval((-0.01, 0.02), 2, sign=True), f"{MINUS}0.01 to +0.02"),
        (formatting.count(137_826_763), "137,826,763"),
        (formatting.share(0.0), "0%"),
        (formatting.share(0.00002), "<0.01%"),
        (formatting.share(0.0031), "0.31%"),
        (formatting.share(0.312), "31.2%"),
        (formatting.share(0.99999), ">99.99%"),
        (formatting.share(1.0), "100%"),
        (formatting.compact(7.2381), "7.238"),
        (formatting.compact(123_456.7), "123,457"),
        (formatting.seconds(0.003), "<0.1 s"),
        (formatting.seconds(9.96), "10 s"),
        (formatting.seconds(59.7), "1 min 00 s"),
        (formatting.seconds(185.0), "3 min 05 s"),
        (formatting.seconds(3_720.0), "1 h 02 min"),
    ],
)
def test_numbers_read_well(shown: str, expected: str) -> None:
    assert shown == expected


def test_times_are_in_utc() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-5))
    assert (
        formatting.utc(datetime.datetime(2026, 1, 1, 20, 30, tzinfo=zone)) == "2026-01-02 01:30 UTC"
    )
