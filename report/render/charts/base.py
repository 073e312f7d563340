"""What all charts share: colours and shapes, axes, and the way from a chart to a specification.

Colours are the page's CSS variables, so that a chart follows light, dark and print without being
drawn anew. Whatever a colour says, a shape, a dash or a label says too. Names of fields are ours;
words from the data are only ever values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

INK, MUTED, LINE = "var(--ink)", "var(--muted)", "var(--line)"
ACCENT, BAD, SURFACE = "var(--accent)", "var(--bad)", "var(--surface)"
SERIES = ("var(--series-1)", "var(--series-2)", "var(--series-3)", "var(--series-4)")
AMOUNT, CHANGE = ",.4~r", "+,.4~r"
"""Formats of tooltips for amounts of any size, and for changes of them."""

SHAPES = ("circle", "square", "triangle-up", "diamond")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 2, 2, 2))

LINE_HEIGHT = 14
ROW = 36
"""Height of a row that has a name of two lines, in pixels."""

BOUND = {"color": BAD, "strokeWidth": 2, "strokeDash": [5, 3]}
"""Style of a line that nothing should be beyond."""

Rows = Iterable[Mapping[str, Any]]

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": LINE,
        "gridColor": LINE,
        "labelColor": MUTED,
        "labelFontSize": 12,
        "labelLimit": 190,
        "tickColor": LINE,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisY": {"grid": False, "domain": False, "ticks": False, "labelPadding": 6},
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "offset": 6,
        "orient": "top",
        "symbolBaseStrokeColor": INK,
        "symbolStrokeWidth": 2,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
}


@dataclass(frozen=True)
class Figure:
    """A chart with its words.

    Attributes:
        id: Its anchor on the page.
        reading: One line that says how to read it.
        wide: Width in pixels below which it scrolls; 0 if it shrinks with the page.
        legend: Width in pixels that it needs for a legend in a row, 0 without one; where there is
            less, the legend is a column.
    """

    id: str
    title: str
    reading: str
    spec: dict[str, Any]
    wide: int = 0
    legend: int = 0


def figure(
    id: str,
    title: str,
    reading: str,
    layers: Sequence[alt.Chart],
    height: int,
    wide: int = 0,
    key: Sequence[str] = (),
    labels: int = 150,
) -> Figure:
    """Puts layers together to a `Figure` as wide as its place on the page.

    The lowest layer is the first; `height` and the room that `labels` take beside the plot are in
    pixels, `key` are the words of its legend.
    """
    chart = alt.layer(*layers).properties(width="container", height=height)
    spec = chart.to_dict(validate=False)
    spec["config"] = _CONFIG
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    legend = labels + sum(len(word) * 7 + 24 for word in key) if key else 0
    return Figure(id, title, reading, spec, wide, legend)


def chart(rows: Rows, **encoding: Any) -> alt.Chart:
    """A chart of rows by their fields; what is not a finite number is left out of them."""
    values = [{name: _clean(value) for name, value in row.items()} for row in rows]
    return alt.Chart(alt.InlineData(values=values)).encode(**encoding)


def rule_at(x: float | None = None, y: float | None = None, **style: Any) -> alt.Chart:
    """A line across the plot."""
    style = {"color": MUTED, "strokeWidth": 1, **style}
    if x is not None:
        return chart([{"x": x}], x="x:Q").mark_rule(**style)
    return chart([{"y": y}], y="y:Q").mark_rule(**style)


def labelled_bars(rows: Sequence[Mapping[str, Any]], field: str, **look: Any) -> list[alt.Chart]:
    """A bar for each row, named by its field `name`, with its field `text` at the end.

    Args:
        rows: In order.
        field: Name of the field that is drawn.
        look: Further encodings of the bars.
    """
    # Room for the words at the end of the longest bar.
    reach = 1.6 * max((row[field] for row in rows), default=0) or 1
    x = alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, reach], nice=False), axis=None)
    base = chart(rows, x=x, y=names(rows))
    return [
        base.mark_bar(color=ACCENT, height=14).encode(**look),
        base.mark_text(align="left", dx=6, color=INK, fontSize=12).encode(text="text:N"),
    ]


def distances_by_name(
    rows: Sequence[Mapping[str, Any]],
    look: Mapping[str, Any],
    tooltip: list[alt.Tooltip],
    **style: Any,
) -> list[alt.Chart]:
    """Distances, a row for each field `name`, and the line that they should not cross.

    Args:
        rows: With the distance as a share of what is allowed in the field `of`.
        look: How points are told apart, as by `series`.
        tooltip: Of the points.
        style: Of the points.
    """
    reach = max([1.0, *finite(row["of"] for row in rows)])
    x = alt.X(
        "of:Q",
        scale=alt.Scale(domain=[0, reach * 1.15], nice=False),
        axis=number_axis("distance, as a share of what is allowed", "%"),
    )
    points = chart(rows).mark_point(**style)
    return [rule_at(x=1.0, **BOUND), points.encode(x=x, y=names(rows), tooltip=tooltip, **look)]


def names(rows: Rows) -> alt.Y:
    """The axis of rows named by their field `name`, in their order.

    A name may have several lines, all of them the same number. All layers of a figure must be given
    the same rows: what only some of them have would else be put last.
    """
    order = list(dict.fromkeys(str(row["name"]) for row in rows))
    lines = max((name.count("\n") for name in order), default=0)
    axis = alt.Axis(
        # Vega puts the first line where the middle of the label should be.
        labelExpr="split(datum.value, '\\n')",
        labelLineHeight=LINE_HEIGHT,
        labelOffset=-lines * LINE_HEIGHT / 2,
    )
    return alt.Y("name:N", title=None, scale=alt.Scale(domain=order), axis=axis)


def centred(name: str, lines: int) -> str:
    """A name of some lines as one of more, so that names of a figure are all beside their row."""
    above = (lines - 1 - name.count("\n")) // 2
    below = lines - 1 - name.count("\n") - above
    return "\n" * above + name + "\n" * below


SIGNED = "+f"
"""Format of an axis of changes. Like an empty format, it leaves the digits to Vega, which takes as
many as tell its ticks apart."""


def number_axis(title: str, form: str = "", ticks: int = 6, **more: Any) -> alt.Axis:
    """An axis of numbers that is not crowded on a phone."""
    if form.startswith("+"):
        more["labelExpr"] = "datum.value == 0 ? '0' : datum.label"
    return alt.Axis(
        title=title or None,
        format=form or alt.Undefined,
        tickCount=ticks,
        labelOverlap="greedy",
        labelSeparation=6,
        **more,
    )


def finite(values: Iterable[Any]) -> list[float]:
    """Those of the values that an axis can be made for."""
    return [v for v in values if isinstance(v, (int, float)) and math.isfinite(v)]


def series(field: str, members: Sequence[str], dashed: bool = False) -> dict[str, Any]:
    """Tells the members of a field apart by colour, and by dash or shape.

    Args:
        field: Name of the field.
        members: Its values, in order.
        dashed: Whether lines are drawn; else points.
    """
    domain = list(members)

    def scale(values: Sequence[Any]) -> alt.Scale:
        # More splits than looks: they begin anew rather than fail.
        return alt.Scale(domain=domain, range=[values[i % len(values)] for i in range(len(domain))])

    more: dict[str, Any] = {"symbolType": "stroke", "symbolSize": 300} if dashed else {}
    key = alt.Legend(title=None, **more)
    encoding: dict[str, Any] = {"color": alt.Color(f"{field}:N", scale=scale(SERIES), legend=key)}
    if dashed:
        dashes = [list(dash) for dash in DASHES]
        encoding["strokeDash"] = alt.StrokeDash(f"{field}:N", scale=scale(dashes), legend=key)
    else:
        encoding["shape"] = alt.Shape(f"{field}:N", scale=scale(SHAPES), legend=key)
    return encoding


def tips(**titles: str) -> list[alt.Tooltip]:
    """Tooltips: titles by field; a title that ends in `|format` says how to write the number."""
    result = []
    for field, text in titles.items():
        title, _, form = text.partition("|")
        if form:
            result.append(alt.Tooltip(f"{field}:Q", title=title, format=form))
        else:
            result.append(alt.Tooltip(f"{field}:N", title=title))
    return result


def _clean(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
