"""Where the results come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from report.facts import Execution, Lineage
from report.render.charts.base import (
    ACCENT,
    INK,
    MUTED,
    SURFACE,
    Figure,
    chart,
    figure,
    labelled_bars,
    tips,
)
from report.render.formatting import seconds
from report.render.graph_layout import Graph, Node, lay_out

_BOX = 184, 26
_LAYER = 46


def lineage(lineage: Lineage, upstream: Mapping[str, Sequence[str]]) -> Figure | None:
    """The graph of executions and artifacts; None if there is nothing to draw."""
    graph = lay_out(lineage, upstream)
    if not graph.nodes:
        return None
    known = bool(lineage.executions)
    return figure(
        "chart-lineage",
        "What came of what" if known else "The components, and what each waits for",
        (
            "Top down: a filled box is an execution, an outlined one an artifact it read or made; "
            "a dashed line means that one only waited for the other."
            if known
            else "Top down: each component waits for those above it that it is joined to."
        ),
        [_lines(graph), *_boxes(graph)],
        height=_LAYER * graph.layers,
        wide=round(graph.width * (_BOX[0] + 8)) + 40,
    )


def durations(executions: Sequence[Execution]) -> Figure | None:
    """Seconds of each component; None if none is known."""
    rows = [
        {
            "name": e.component,
            "seconds": e.seconds,
            "text": seconds(e.seconds) + ("" if e.state == "complete" else f" ({e.state})"),
            "solid": e.state == "complete",
        }
        for e in executions
        if e.seconds is not None
    ]
    if not rows:
        return None
    fill = alt.condition("datum.solid", alt.value(ACCENT), alt.value(SURFACE))
    return figure(
        "chart-seconds",
        "How long each component took",
        "Filled bars ran in this run; outlined ones did not complete, or were taken from the cache "
        "and took this long when they ran.",
        labelled_bars(rows, "seconds", fill=fill, stroke=alt.value(ACCENT)),
        height=24 * len(rows),
    )


def _lines(graph: Graph) -> alt.Chart:
    rows = [
        {"edge": number, "seq": seq, "x": x, "layer": layer, "waits": edge.waits}
        for number, edge in enumerate(graph.edges)
        for seq, (x, layer) in enumerate(edge.points)
    ]
    return chart(
        rows,
        **_place(graph),
        detail="edge:N",
        order="seq:Q",
        strokeDash=alt.condition("datum.waits", alt.value([4, 3]), alt.value([1, 0])),
    ).mark_line(color=MUTED, strokeWidth=1.2, interpolate="monotone", orient="horizontal")


def _boxes(graph: Graph) -> list[alt.Chart]:
    rows = [_row(node) for node in graph.nodes]
    place = _place(graph)
    # Symbols are scaled by half the square root of their size.
    ratio = _BOX[1] / _BOX[0]
    box = chart(rows).mark_point(
        shape=f"M-1,{-ratio}h2v{2 * ratio}h-2z", size=_BOX[0] ** 2, opacity=1, strokeWidth=1
    )
    made = alt.condition("datum.made", alt.value(SURFACE), alt.value(ACCENT))
    words = alt.condition("datum.made", alt.value(INK), alt.value(SURFACE))
    return [
        box.encode(
            **place,
            fill=made,
            stroke=alt.condition("datum.made", alt.value(MUTED), alt.value(ACCENT)),
            tooltip=tips(text="name", detail="state or place"),
        ),
        chart(rows, **place, text="text:N", fill=words).mark_text(fontSize=11, limit=_BOX[0] - 8),
    ]


def _row(node: Node) -> dict[str, str | float | bool]:
    notable = node.kind == "execution" and node.detail not in ("", "complete")
    return {
        "text": f"{node.label} · {node.detail}" if notable else node.label,
        "detail": node.detail,
        "made": node.kind == "artifact",
        "x": node.x,
        "layer": node.layer,
    }


def _place(graph: Graph) -> dict[str, Any]:
    return {
        "x": alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, graph.width], nice=False)),
        "y": alt.Y(
            "layer:Q",
            axis=None,
            scale=alt.Scale(domain=[-0.5, graph.layers - 0.5], nice=False, reverse=True),
        ),
    }
