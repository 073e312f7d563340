"""What a model was asked, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from report.facts import EstimatedWeek, Truth
from report.render.charts.base import (
    BAD,
    BOUND,
    Figure,
    chart,
    distances_by_name,
    figure,
    finite,
    number_axis,
    rule_at,
    series,
    tips,
)
from report.wording import Wording
from schema.comparators import DRIFT, SKEW
from serving.watch.watched import Period, Watched


def weekly_error(
    truth: Truth | None, estimates: Sequence[EstimatedWeek], bound: float, wording: Wording
) -> Figure:
    """RMSE by week, by labels and estimated without them, with intervals and the bound."""
    estimated, measured = "estimated without labels", "by labels"
    rows: list[dict[str, Any]] = [
        {"week": each.week, "rows": each.rows, "kind": estimated, **vars(each.estimate)}
        for each in estimates
        if each.week
    ]
    for s in truth.weeks if truth else ():
        low, high = s.rmse.interval or (None, None)
        rows.append(
            {"week": s.value, "rows": s.examples, "kind": measured, "rmse": s.rmse.value}
            | {"low": low, "high": high}
        )
    kinds = _present((estimated, measured), rows)
    title = wording.in_unit("RMSE")
    x = alt.X("week:T", scale=alt.Scale(padding=20), axis=_DAY)
    look = series("kind", kinds)
    axis = number_axis(title, ticks=5, grid=True)
    points = chart(
        rows,
        x=x,
        y=alt.Y("rmse:Q", scale=alt.Scale(zero=False), axis=axis),
        tooltip=tips(
            **{"week": "week of", "kind": "how", "rmse": f"{title}|,.4~r", "rows": "rows|,"},
            **{"low": "from|,.4~r", "high": "to|,.4~r"},
        ),
        **look,
    ).mark_point(size=70, strokeWidth=2, opacity=1)
    intervals = chart(rows).mark_rule(strokeWidth=2, opacity=0.6)
    return figure(
        "chart-served-error",
        "Error by week",
        "A mark is the RMSE of a week, named by its Monday; the line is its 95% interval. Above "
        "the red line a model is not blessed.",
        [
            rule_at(y=bound, **BOUND),
            intervals.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=look["color"]),
            points,
        ],
        height=180,
        key=kinds,
        labels=70,
    )


_KINDS = {SKEW: "from training", DRIFT: "from the day before"}

_DAY = alt.Axis(title=None, format="%b %-d", labelOverlap="greedy", labelSeparation=8, tickCount=6)
_BY_DAY = alt.X("day:T", axis=_DAY)


def requests(watched: Watched) -> Figure:
    """Rows of each day, by version."""
    versions = _versions(watched.days)
    rows = [
        {"day": str(p.day), "rows": p.rows, "version": f"version {p.version}"} for p in watched.days
    ]
    points = chart(
        rows,
        x=_BY_DAY,
        y=alt.Y("rows:Q", axis=number_axis("rows", "~s", ticks=4, grid=True)),
        tooltip=tips(day="day", version="answered by", rows="rows|,"),
        **series("version", versions, dashed=True),
    ).mark_line(point=alt.OverlayMarkDef(size=40, filled=True), strokeWidth=2)
    return figure(
        "chart-served-rows",
        "Rows asked by day",
        "A line per version that answered. Days below the red line have too few rows to judge.",
        [rule_at(y=watched.min_rows, color=BAD, strokeDash=[5, 3]), points],
        height=150,
        key=versions,
        labels=70,
    )


def predictions(watched: Watched, wording: Wording) -> Figure:
    """What was answered, day by day."""
    versions = _versions(watched.days)
    rows = [
        {"day": str(p.day), "version": f"version {p.version}", **vars(p.predictions)}
        for p in watched.days
    ]
    base = chart(rows)
    y = alt.Y(
        "tenth:Q",
        scale=alt.Scale(zero=False),
        axis=number_axis(wording.in_unit("prediction"), ticks=5, grid=True),
    )
    told = tips(
        **{"day": "day", "version": "answered by", "tenth": "a tenth below|,.4~r"},
        **{"median": "half below|,.4~r", "ninetieth": "nine tenths below|,.4~r"},
    )
    look = series("version", versions)
    spread = base.mark_rule(strokeWidth=2, opacity=0.6).encode(
        x=_BY_DAY, y=y, y2="ninetieth:Q", color=look["color"]
    )
    middle = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=_BY_DAY, y=alt.Y("median:Q"), tooltip=told, **look
    )
    return figure(
        "chart-served-predictions",
        "Predictions by day",
        "The mark is the median of a day's predictions; eight tenths of them are on the line.",
        [spread, middle],
        height=170,
        key=versions,
        labels=70,
    )


def largest(watched: Watched) -> Figure | None:
    """The largest distance of each day, as a share of its bound; None if none was measured."""
    rows = [
        {"day": str(p.day), "of": of, "kind": kind, "feature": feature}
        for p in watched.days
        for kind, of, feature in _largest(p)
    ]
    if not rows:
        return None
    kinds = _present(_KINDS.values(), rows)
    reach = max([1.0, *finite(row["of"] for row in rows)])
    points = chart(
        rows,
        x=_BY_DAY,
        y=alt.Y(
            "of:Q",
            scale=alt.Scale(domain=[0, reach * 1.1], nice=False),
            axis=number_axis("share of what is allowed", "%", ticks=5, grid=True),
        ),
        tooltip=tips(day="day", kind="from", feature="column", of="of what is allowed|.0%"),
        **series("kind", kinds, dashed=True),
    ).mark_line(point=alt.OverlayMarkDef(size=45, filled=True), strokeWidth=2)
    return figure(
        "chart-served-days",
        "The largest distance of each day",
        "Of all columns the one that is furthest off. Above the red line is more than the schema "
        "allows and chance explains.",
        [rule_at(y=1.0, **BOUND), points],
        height=170,
        key=kinds,
        labels=70,
    )


def by_column(watched: Watched, wording: Wording) -> Figure | None:
    """Distances of all periods, a row for each column; None if none was measured."""
    rows = [
        {
            "name": wording.title(d.feature) + (", share without" if d.missing else ""),
            "kind": _KINDS[d.comparator],
            "of": d.value / d.bound,
            "value": d.value,
            "bound": d.bound,
            "period": p.name,
        }
        for p in watched.periods
        for d in p.distances
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: row["name"])
    kinds = _present(_KINDS.values(), rows)
    tooltip = tips(
        **{"name": "column", "period": "period", "kind": "from"},
        **{"value": "distance|.4f", "bound": "allowed|.4f"},
    )
    style = {"size": 50, "strokeWidth": 1.6, "opacity": 0.8}
    return figure(
        "chart-served-columns",
        "How far requests are from training, and from the period before",
        "A mark for each day, and for all days of a version. Right of the red line is more than "
        "the schema allows and chance explains.",
        distances_by_name(rows, series("kind", kinds), tooltip, **style),
        height=26 * len({row["name"] for row in rows}),
        key=kinds,
    )


def _versions(periods: Sequence[Period]) -> list[str]:
    return [f"version {version}" for version in sorted({p.version for p in periods})]


def _largest(period: Period) -> list[tuple[str, float, str]]:
    found = []
    for comparator, kind in _KINDS.items():
        its = [d for d in period.distances if d.comparator == comparator and d.value == d.value]
        if its:
            most = max(its, key=lambda d: d.value / d.bound)
            found.append((kind, most.value / most.bound, most.feature))
    return found


def _present(kinds: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those of the kinds that a row has."""
    return [kind for kind in kinds if any(row["kind"] == kind for row in rows)]
