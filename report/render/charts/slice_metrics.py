"""How well the model does, by slice and beside others."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import altair as alt

from models.declaration import Bounds
from report.facts import Metric, Reference, Slice
from report.render.charts.base import (
    ACCENT,
    BAD,
    INK,
    LINE_HEIGHT,
    MUTED,
    ROW,
    SURFACE,
    Figure,
    centred,
    chart,
    figure,
    finite,
    names,
    number_axis,
    rule_at,
    series,
    tips,
)

_NAME = 28
"""Letters of a name that a phone has room for."""

_ROOM = 1.3
"""How far an axis goes beyond the largest value; intervals of tiny slices would stretch it."""

_KINDS = ("judged", "shown only", "too small to judge")


def references(run: Slice, others: Sequence[Reference]) -> Figure:
    """This model's RMSE beside what it must beat."""
    where = ("on this run's rows", "published")
    own = Reference("this model", run.rmse.value, run.mae.value, "this run", same_rows=True)
    titles = [textwrap.fill(r.name, _NAME) for r in (own, *others)]
    lines = max(title.count("\n") for title in titles) + 1
    rows = [
        {
            "name": centred(title, lines),
            "rmse": r.rmse,
            "where": where[not r.same_rows],
            "source": r.source,
        }
        for title, r in zip(titles, (own, *others), strict=True)
    ]
    points = (
        chart(rows)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=alt.X(
                "rmse:Q",
                scale=alt.Scale(zero=False, padding=20),
                axis=number_axis("RMSE, lb", ".2f"),
            ),
            y=names(rows),
            tooltip=tips(name="model", rmse="RMSE, lb|.3f", where="measured", source="source"),
            **series("where", where),
        )
    )
    return figure(
        "chart-references",
        "This model and what it must beat",
        "Further left is better. Circles were measured on this run's rows and compare directly; "
        "squares were published on other rows and only tell the order of size.",
        [rule_at(x=run.rmse.value, strokeDash=[3, 3]), points],
        height=(12 + LINE_HEIGHT * lines) * len(rows),
        key=where,
    )


def rmse(slices: Sequence[Slice], bounds: Bounds | None) -> Figure:
    """RMSE by slice, with intervals, baseline and bound."""
    rows = [
        _row(s, s.rmse, _bound(s, bounds.max_rmse, bounds.max_slice_rmse) if bounds else None)
        for s in slices
    ]
    reach = finite(row[name] for row in rows for name in ("value", "bound", "baseline"))
    axis = alt.X(
        "value:Q",
        scale=alt.Scale(domain=[0, max(reach, default=1) * _ROOM], nice=False),
        axis=number_axis("RMSE, lb", ".1f"),
    )
    before = (
        chart([row for row in rows if row["baseline"] is not None])
        .mark_tick(color=INK, thickness=2, height=9)
        .encode(x="baseline:Q", y=names(rows))
    )
    return figure(
        "chart-slices-rmse",
        "RMSE by slice",
        "A point is the slice's RMSE, the line its 95% interval (cut at the right edge), the short "
        "tick the baseline, the long red tick the bound: a point right of it crosses it.",
        [*_layers(rows, axis), before],
        height=ROW * len(rows),
        key=_KINDS,
    )


def change(slices: Sequence[Slice], bounds: Bounds | None) -> Figure | None:
    """Change of the RMSE from the baseline by slice; None without a baseline."""
    rows = []
    for s in slices:
        if s.rmse.change is not None:
            limit = _bound(s, bounds.max_rmse_rise, bounds.max_slice_rmse_rise) if bounds else None
            moved = Metric(s.rmse.change, s.rmse.change_interval, s.rmse.baseline)
            rows.append(_row(s, moved, limit))
    if not rows:
        return None
    changes = finite(row[name] for row in rows for name in ("value", "bound"))
    reach = max(map(abs, changes), default=0) or 0.01
    axis = alt.X(
        "value:Q",
        scale=alt.Scale(domain=[-reach * _ROOM, reach * _ROOM], nice=False),
        axis=number_axis("change of the RMSE, lb", "+.2~f"),
    )
    return figure(
        "chart-slices-change",
        "Change from the baseline by slice",
        "Left of zero the model became better, right of it worse. The line is the 95% interval "
        "(cut at the edges), the red tick what is allowed.",
        [rule_at(x=0), *_layers(rows, axis)],
        height=ROW * len(rows),
        key=_KINDS,
    )


def compared(
    pairs: Sequence[tuple[str, Slice | None, Slice | None]], runs: tuple[str, str]
) -> Figure:
    """RMSE by slice in two runs.

    Args:
        pairs: Name of a slice, and the slice in both runs.
        runs: What the runs are called.
    """
    rows = [
        {"name": name, "run": run, "value": of.rmse.value, "examples": of.examples}
        for name, *both in pairs
        for run, of in zip(runs, both, strict=True)
        if of is not None
    ]
    points = (
        chart(rows)
        .mark_point(size=80, strokeWidth=2, opacity=1)
        .encode(
            x=alt.X("value:Q", axis=number_axis("RMSE, lb", ".1f")),
            y=names(rows),
            tooltip=tips(name="slice", run="run", value="RMSE, lb|.3f", examples="examples|,"),
            **series("run", runs),
        )
    )
    return figure(
        "chart-compared",
        "RMSE by slice in both runs",
        "Two points a row, one per run; further left is better.",
        [points],
        height=ROW * len(pairs),
        key=runs,
    )


def _row(of: Slice, metric: Metric, bound: float | None) -> dict[str, str | float | None]:
    low, high = metric.interval or (None, None)
    kind = _KINDS[2] if of.small else _KINDS[0] if of.judged else _KINDS[1]
    return {
        "name": slice_name(of),
        "value": metric.value,
        "low": low,
        "high": high,
        "baseline": metric.baseline,
        "bound": bound if of.judged and not of.small else None,
        "examples": of.examples,
        "kind": kind,
    }


def slice_name(of: Slice) -> str:
    """A slice in two lines: the feature, and its value."""
    return f"{of.feature}\n{of.value}" if of.feature else "all examples\nof the split"


def _bound(of: Slice, overall: float, in_slice: float) -> float:
    return in_slice if of.feature else overall


def _layers(rows: list[dict[str, str | float | None]], x: alt.X) -> list[alt.Chart]:
    """Interval, point and bound of each row."""
    tooltip = tips(
        name="slice",
        value="lb|.3f",
        low="lowest of 95%|.3f",
        high="highest of 95%|.3f",
        baseline="baseline, lb|.3f",
        bound="bound, lb|.3f",
        examples="examples|,",
        kind="gate",
    )
    ranges = (
        chart([row for row in rows if row["low"] is not None])
        .mark_rule(color=MUTED, strokeWidth=2, clip=True)
        .encode(x="low:Q", x2="high:Q", y=names(rows))
    )
    points = (
        chart(rows)
        .mark_point(size=80, opacity=1, strokeWidth=2, clip=True)
        .encode(
            x=x,
            y=names(rows),
            tooltip=tooltip,
            stroke=alt.value(ACCENT),
            fill=alt.Fill(
                "kind:N",
                scale=alt.Scale(domain=list(_KINDS), range=[ACCENT, SURFACE, SURFACE]),
                legend=alt.Legend(title=None),
            ),
            shape=alt.Shape(
                "kind:N",
                scale=alt.Scale(domain=list(_KINDS), range=["circle", "square", "triangle-up"]),
                legend=alt.Legend(title=None),
            ),
        )
    )
    ticks = (
        chart([row for row in rows if row["bound"] is not None])
        .mark_tick(color=BAD, thickness=3, height=22)
        .encode(x="bound:Q", y=names(rows))
    )
    return [ranges, ticks, points]
