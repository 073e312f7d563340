"""How well the model does, by slice and beside others."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import altair as alt

from models.declaration import Bounds
from report.facts import Metric, Reference, Slice
from report.render.charts.base import (
    ACCENT,
    AMOUNT,
    BAD,
    INK,
    LINE_HEIGHT,
    MUTED,
    ROW,
    SIGNED,
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
from report.wording import OVERALL, Wording

_NAME = 28
"""Letters of a name that a phone has room for."""

_ROOM = 1.3
"""How far an axis goes beyond the largest value; intervals of tiny slices would stretch it."""

_WHERE = {
    False: "All were measured on this run's rows.",
    True: "Circles were measured on this run's rows and compare directly; squares were published "
    "on other rows and only tell the order of size.",
}
"""What the points of the reference models say, by whether any of them was published."""

_KINDS = ("judged", "shown only", "too small to judge")


def references(run: Slice, others: Sequence[Reference], wording: Wording) -> Figure:
    """This model's RMSE beside what it must beat."""
    measured = "on this run's rows"
    published = any(not other.same_rows for other in others)
    own = Reference("this model", run.rmse.value, run.mae.value, "this run", same_rows=True)
    titles = [textwrap.fill(r.name, _NAME) for r in (own, *others)]
    where = (measured, "published") if published else (measured,)
    lines = max(title.count("\n") for title in titles) + 1
    rows = [
        {
            "name": centred(title, lines),
            "rmse": r.rmse,
            "where": measured if r.same_rows else "published",
            "source": r.source,
        }
        for title, r in zip(titles, (own, *others), strict=True)
    ]
    points = chart(
        rows,
        x=alt.X(
            "rmse:Q",
            scale=alt.Scale(zero=False, padding=20),
            axis=number_axis(wording.in_unit("RMSE")),
        ),
        y=names(rows),
        tooltip=tips(
            name="model",
            rmse=f"{wording.in_unit('RMSE')}|{AMOUNT}",
            where="measured",
            source="source",
        ),
        **series("where", where),
    ).mark_point(size=90, filled=True, opacity=1)
    return figure(
        "chart-references",
        "This model and what it must beat",
        "Further left is better. " + _WHERE[published],
        [rule_at(x=run.rmse.value, strokeDash=[3, 3]), points],
        height=(12 + LINE_HEIGHT * lines) * len(rows),
        key=where,
    )


def rmse(slices: Sequence[Slice], bounds: Bounds | None, wording: Wording) -> Figure:
    """RMSE by slice, with intervals, baseline and bound."""
    rows = []
    for s in slices:
        limit = _bound(s, bounds.max_rmse, bounds.max_slice_rmse) if bounds else None
        rows.append(_row(s, s.rmse, limit, wording))
    reach = finite(row[name] for row in rows for name in ("value", "bound", "baseline"))
    axis = alt.X(
        "value:Q",
        scale=alt.Scale(domain=[0, max(reach, default=1) * _ROOM], nice=False),
        axis=number_axis(wording.in_unit("RMSE")),
    )
    before = chart(
        [row for row in rows if row["baseline"] is not None], x="baseline:Q", y=names(rows)
    ).mark_tick(color=INK, thickness=2, height=9)
    return figure(
        "chart-slices-rmse",
        "RMSE by slice",
        "A point is the slice's RMSE, the line its 95% interval (cut at the right edge), the short "
        "tick the baseline, the long red tick the bound: a point right of it crosses it.",
        [*_layers(rows, axis, wording), before],
        height=ROW * len(rows),
        key=_KINDS,
    )


def change(slices: Sequence[Slice], bounds: Bounds | None, wording: Wording) -> Figure | None:
    """Change of the RMSE from the baseline by slice; None without a baseline."""
    rows = []
    for s in slices:
        if s.rmse.change is not None:
            limit = _bound(s, bounds.max_rmse_rise, bounds.max_slice_rmse_rise) if bounds else None
            moved = Metric(s.rmse.change, s.rmse.change_interval, s.rmse.baseline)
            rows.append(_row(s, moved, limit, wording))
    if not rows:
        return None
    changes = finite(row[name] for row in rows for name in ("value", "bound"))
    reach = max(map(abs, changes), default=0) or 0.01
    axis = alt.X(
        "value:Q",
        scale=alt.Scale(domain=[-reach * _ROOM, reach * _ROOM], nice=False),
        axis=number_axis(wording.in_unit("change of the RMSE"), SIGNED),
    )
    return figure(
        "chart-slices-change",
        "Change from the baseline by slice",
        "Left of zero the model became better, right of it worse. The line is the 95% interval "
        "(cut at the edges), the red tick what is allowed.",
        [rule_at(x=0), *_layers(rows, axis, wording)],
        height=ROW * len(rows),
        key=_KINDS,
    )


def compared(
    pairs: Sequence[tuple[str, Slice | None, Slice | None]], runs: tuple[str, str], wording: Wording
) -> Figure:
    """RMSE by slice in two runs: each slice's name, and what it is in both."""
    error = wording.in_unit("RMSE")
    rows = [
        {"name": name, "run": run, "value": of.rmse.value, "examples": of.examples}
        for name, *both in pairs
        for run, of in zip(runs, both, strict=True)
        if of is not None
    ]
    points = chart(
        rows,
        x=alt.X("value:Q", axis=number_axis(error)),
        y=names(rows),
        tooltip=tips(name="slice", run="run", value=f"{error}|{AMOUNT}", examples="examples|,"),
        **series("run", runs),
    ).mark_point(size=80, strokeWidth=2, opacity=1)
    return figure(
        "chart-compared",
        "RMSE by slice in both runs",
        "Two points a row, one per run; further left is better.",
        [points],
        height=ROW * len(pairs),
        key=runs,
    )


def _row(
    of: Slice, metric: Metric, bound: float | None, wording: Wording
) -> dict[str, str | float | None]:
    low, high = metric.interval or (None, None)
    kind = _KINDS[2] if of.small else _KINDS[0] if of.judged else _KINDS[1]
    return {
        "name": slice_name(of, wording),
        "value": metric.value,
        "low": low,
        "high": high,
        "baseline": metric.baseline,
        "bound": bound if of.judged and not of.small else None,
        "examples": of.examples,
        "kind": kind,
    }


def slice_name(of: Slice, wording: Wording) -> str:
    """A slice in two lines: the feature, and its value."""
    return f"{wording.title(of.feature)}\n{of.value}" if of.feature else f"{OVERALL}\nof the split"


def _bound(of: Slice, overall: float, in_slice: float) -> float:
    return in_slice if of.feature else overall


def _layers(
    rows: list[dict[str, str | float | None]], x: alt.X, wording: Wording
) -> list[alt.Chart]:
    """Interval, point and bound of each row."""
    tooltip = tips(
        name="slice",
        value=f"{wording.in_unit('value')}|{AMOUNT}",
        low=f"lowest of 95%|{AMOUNT}",
        high=f"highest of 95%|{AMOUNT}",
        baseline=f"{wording.in_unit('baseline')}|{AMOUNT}",
        bound=f"{wording.in_unit('bound')}|{AMOUNT}",
        examples="examples|,",
        kind="gate",
    )
    ranges = chart(
        [row for row in rows if row["low"] is not None], x="low:Q", x2="high:Q", y=names(rows)
    ).mark_rule(color=MUTED, strokeWidth=2, clip=True)
    points = chart(
        rows,
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
    ).mark_point(size=80, opacity=1, strokeWidth=2, clip=True)
    ticks = chart(
        [row for row in rows if row["bound"] is not None], x="bound:Q", y=names(rows)
    ).mark_tick(color=BAD, thickness=3, height=22)
    return [ranges, ticks, points]
