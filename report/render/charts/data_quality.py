"""What the run was fed with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

import altair as alt

from report.facts import Data, Distribution
from report.render.charts.base import (
    Figure,
    chart,
    distances_by_name,
    figure,
    labelled_bars,
    number_axis,
    series,
    tips,
)
from report.wording import Wording

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MOST_VALUES = 15


def rows_per_split(rows: dict[str, int]) -> Figure:
    """Examples of each split."""
    total = sum(rows.values()) or 1
    values = [
        {"name": split, "n": n, "text": f"{n:,} ({n / total:.0%})"} for split, n in rows.items()
    ]
    return figure(
        "chart-rows",
        "Examples per split",
        "A bar per split; the model learns from train and is judged on eval.",
        labelled_bars(values, "n"),
        height=28 * len(values),
    )


def calendar(data: Data) -> Figure:
    """Which month is in which split."""
    splits = list(data.rows)
    rows = [
        {"year": year, "month": _MONTHS[month - 1], "split": split, "n": n}
        for year, month, split, n in data.months
        if 1 <= month <= len(_MONTHS)
    ]
    shared = max(Counter((row["year"], row["month"]) for row in rows).values(), default=1) > 1
    years = sorted({row["year"] for row in rows})
    points = chart(
        rows,
        x=alt.X(
            "month:N",
            sort=_MONTHS,
            scale=alt.Scale(domain=list(_MONTHS)),
            axis=alt.Axis(
                title=None,
                labelAngle=0,
                orient="top",
                domain=False,
                ticks=False,
                labelExpr="width < 330 ? slice(datum.value, 0, 1) : datum.value",
            ),
        ),
        y=alt.Y("year:O", title=None, sort=years, axis=alt.Axis(grid=True)),
        tooltip=tips(year="year", month="month", split="split", n="examples|,.0f"),
        **series("split", splits),
    ).mark_point(filled=True, size=70, opacity=1)
    if shared:
        points = points.encode(xOffset=alt.XOffset("split:N", sort=splits))
    return figure(
        "chart-months",
        "Months by split",
        "A mark per month, its shape and colour the split. Every month should be in one split "
        "only, and each split should have months of all seasons and years.",
        [points],
        height=22 * max(len(years), 1),
        key=splits,
        labels=50,
    )


def column(id: str, title: str, distributions: Sequence[Distribution]) -> Figure | None:
    """Distribution of a column in each split; None if no example has a value."""
    if not any(d.values or d.histogram for d in distributions):
        return None
    draw = _category if any(d.values for d in distributions) else _numeric
    return draw(id, title, distributions)


def distances(data: Data, wording: Wording) -> Figure | None:
    """Distances as shares of what is allowed; None if none was measured."""
    sets = data.distances
    rows = [
        {
            "name": wording.title(d.feature),
            "sets": between,
            "of": d.value / d.bound if d.bound else None,
            **vars(d),
        }
        for between, measured in sets
        for d in measured
    ]
    if not rows:
        return None
    look = series("sets", [between for between, _ in sets])
    tooltip = tips(name="column", sets="between", value="distance|.4f", bound="allowed|.4f")
    return figure(
        "chart-distances",
        "Skew between splits, and drift from the previous run",
        "How far two sets of examples are apart in a column. Right of the red line at 100% is more "
        "than the schema allows and chance explains.",
        distances_by_name(rows, look, tooltip, filled=True, size=80, opacity=1),
        height=26 * len({row["name"] for row in rows}),
        key=[between for between, _ in sets],
    )


def _category(id: str, title: str, distributions: Sequence[Distribution]) -> Figure:
    totals: dict[str, float] = {}
    for d in distributions:
        for value, n in d.values:
            totals[value] = totals.get(value, 0) + n
    shown = sorted(totals, key=lambda value: -totals[value])[:_MOST_VALUES]
    splits = [d.split for d in distributions]
    rows = []
    for d in distributions:
        known = sum(n for _, n in d.values) or 1
        counts = dict(d.values)
        rows += [
            {
                "name": value,
                "split": d.split,
                "share": counts.get(value, 0) / known,
                "n": counts.get(value, 0),
            }
            for value in shown
        ]
    points = chart(
        rows,
        x=alt.X(
            "share:Q",
            scale=alt.Scale(domainMin=0),
            axis=number_axis("share of those with a value", "%", ticks=4),
        ),
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=110, grid=True)),
        tooltip=tips(name="value", split="split", share="share|.2%", n="examples|,.0f"),
        **series("split", splits),
    ).mark_point(size=55, strokeWidth=1.8, opacity=1)
    more = len(totals) - len(shown)
    reading = "Marks of a row that lie on each other: the splits agree." + (
        f" The {_MOST_VALUES} most frequent of {len(totals):,} values." if more else ""
    )
    return figure(id, title, reading, [points], max(24 * len(shown), 60), key=splits, labels=115)


def _numeric(id: str, title: str, distributions: Sequence[Distribution]) -> Figure:
    """Shares below each value: unlike histograms, they compare though each split has its own bins.

    Bins of whole numbers hold two of them here and three there, which would look like skew.
    """
    splits = [d.split for d in distributions]
    ends = [end for d in distributions for end in (d.minimum, d.maximum) if end is not None]
    whole = all(float(end).is_integer() for end in ends)
    rows = []
    for d in distributions:
        total = sum(n for *_, n in d.histogram)
        if not total:
            continue
        counts = [0.0, *accumulate(n for *_, n in d.histogram)]
        edges = [d.histogram[0][0], *(high for _, high, _ in d.histogram)]
        if whole:
            # What is below 21.8 is below 22; and the last bin holds its upper edge.
            edges = [math.ceil(edge) for edge in edges[:-1]] + [math.floor(edges[-1]) + 1]
        rows += [
            {"split": d.split, "x": edge, "below": n / total}
            for edge, n in zip(edges, counts, strict=True)
        ]
    lines = chart(
        rows,
        x=alt.X(
            "x:Q", scale=alt.Scale(zero=False, nice=False), axis=number_axis("", "~r", ticks=5)
        ),
        y=alt.Y("below:Q", axis=number_axis("share below", "%", ticks=4, grid=True)),
        tooltip=tips(split="split", x="value|~r", below="share below|.1%"),
        **series("split", splits, dashed=True),
    ).mark_line(strokeWidth=2, interpolate="monotone")
    reading = "Share of the examples below a value; lines on each other: the splits agree."
    return figure(id, title, reading, [lines], 150, key=splits, labels=70)
