"""How a model's answers differ from those of the one before."""

from __future__ import annotations

import altair as alt

from report.render.charts.base import (
    ACCENT,
    CHANGE,
    INK,
    SIGNED,
    Figure,
    chart,
    figure,
    number_axis,
    rule_at,
    tips,
)
from report.wording import Wording
from serving.replay.comparison import Changes


def changes(found: Changes, wording: Wording) -> Figure:
    """How many answers differ by how much."""
    rows = [{"low": low, "high": high, "rows": rows} for low, high, rows in found.bins]
    title = wording.in_unit("candidate minus champion")
    bars = chart(
        rows,
        x=alt.X("low:Q", scale=alt.Scale(nice=False), axis=number_axis(title, SIGNED, grid=False)),
        x2="high:Q",
        y=alt.Y("rows:Q", axis=number_axis("requests", grid=True)),
        tooltip=tips(low=f"from|{CHANGE}", high=f"to|{CHANGE}", rows="requests|,"),
    ).mark_bar(color=ACCENT)
    return figure(
        "chart-replayed",
        "How predictions change",
        "Requests by how far the candidate's answer is from the champion's: right of the line, the "
        "candidate predicts more. What is far from it is below, one by one.",
        [bars, rule_at(x=0, color=INK)],
        height=200,
    )
