"""Where the model errs."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from report.facts import Coverage, ErrorGroup, Errors
from report.render.charts.base import (
    ACCENT,
    AMOUNT,
    CHANGE,
    INK,
    MUTED,
    SIGNED,
    SURFACE,
    Figure,
    chart,
    figure,
    names,
    number_axis,
    rule_at,
    series,
    tips,
)
from report.wording import Wording

_FEW = 8
"""Up to so many groups are drawn as rows, which leaves room for their names."""


def heat(errors: Errors, wording: Wording) -> Figure:
    """Predictions against the truth."""
    width = errors.cell_width
    rows = [
        {"p": p, "p2": p + width, "y": y, "y2": y + width, "n": n, "strength": n**0.5}
        for p, y, n in errors.cells
    ]
    low = min((min(row["p"], row["y"]) for row in rows), default=0)
    high = max((max(row["p2"], row["y2"]) for row in rows), default=1)
    scale = alt.Scale(domain=[low, high], nice=False)
    squares = chart(
        rows,
        x=alt.X("p:Q", scale=scale, axis=number_axis(wording.in_unit(f"predicted {wording.noun}"))),
        x2="p2:Q",
        y=alt.Y(
            "y:Q",
            scale=scale,
            axis=number_axis(wording.in_unit(f"actual {wording.noun}"), grid=True),
        ),
        y2="y2:Q",
        fillOpacity=alt.FillOpacity("strength:Q", scale=alt.Scale(range=[0.08, 1]), legend=None),
        tooltip=tips(
            p=f"{wording.in_unit('predicted from')}|{AMOUNT}",
            y=f"{wording.in_unit('actual from')}|{AMOUNT}",
            n="examples|,",
        ),
    ).mark_rect(color=ACCENT, stroke=SURFACE, strokeWidth=0.5)
    diagonal = chart([{"p": low, "y": low}, {"p": high, "y": high}], x="p:Q", y="y:Q").mark_line(
        color=INK, strokeWidth=1.5, strokeDash=[5, 4], clip=True
    )
    return figure(
        "chart-heat",
        f"Predicted against actual {wording.noun}",
        f"Each square holds examples within {width:g} {wording.label.unit}".rstrip()
        + "; the stronger its colour, the more (by square root). On the dashed line both agree; "
        f"above it the prediction is {wording.label.too_low}.",
        [squares, diagonal],
        height=360,
    )


def residuals(id: str, by: str, groups: Sequence[ErrorGroup], wording: Wording) -> Figure:
    """Residuals of groups, as the band of the middle 80% around the median."""
    rows = [{"name": g.label, **vars(g)} for g in groups]
    tooltip = tips(
        name=by,
        median=f"{wording.in_unit('median')}|{CHANGE}",
        tenth=f"{wording.in_unit('a tenth is below')}|{CHANGE}",
        ninetieth=f"{wording.in_unit('a tenth is above')}|{CHANGE}",
        rmse=f"{wording.in_unit('RMSE')}|{AMOUNT}",
        examples="examples|,",
    )
    band = chart(rows)
    bar = {"color": ACCENT, "opacity": 0.4, "cornerRadius": 3}
    dot = chart(rows).mark_point(color=INK, filled=True, size=30, opacity=1)
    difference = wording.in_unit(f"prediction minus {wording.noun}")
    axis = number_axis(difference, SIGNED, grid=True)
    if len(rows) <= _FEW:
        layers = [
            rule_at(x=0),
            band.mark_bar(height=8, **bar).encode(
                x=alt.X("tenth:Q", axis=axis), x2="ninetieth:Q", y=names(rows), tooltip=tooltip
            ),
            dot.encode(x="median:Q", y=names(rows), tooltip=tooltip),
        ]
        height = 26 * len(rows)
    else:
        across = alt.X(
            "name:N",
            sort=None,
            axis=alt.Axis(
                title=by, labelAngle=0, labelOverlap="greedy", labelSeparation=6, grid=False
            ),
        )
        layers = [
            rule_at(y=0),
            band.mark_bar(width=alt.RelativeBandSize(0.6), **bar).encode(
                x=across, y=alt.Y("tenth:Q", axis=axis), y2="ninetieth:Q", tooltip=tooltip
            ),
            dot.encode(x=across, y="median:Q", tooltip=tooltip),
        ]
        height = 200
    return figure(
        id,
        f"Residuals by {by}",
        f"The bar holds the middle 80% of prediction minus {wording.noun}, the dot is the median; "
        f"beyond zero, up or right, is predicted {wording.label.too_high}.",
        layers,
        height=height,
    )


def coverage(found: Coverage, wording: Wording) -> Figure:
    """The share of labels within the intervals, by slice."""
    levels = sorted(found.overall.held)
    key = [f"{level}% intervals" for level in levels]
    rows = [
        {
            "name": wording.slice_title(s.feature, s.value),
            "held": 100 * s.held[level],
            "of": f"{level}% intervals",
            "width": s.width[level],
            "examples": s.examples,
        }
        for s in found.slices
        for level in levels
    ]
    axis = number_axis("examples whose interval holds, in percent", grid=True)
    points = chart(
        rows,
        x=alt.X("held:Q", scale=alt.Scale(zero=False, padding=12), axis=axis),
        y=names(rows),
        tooltip=tips(
            name="slice",
            held="percent within|.1f",
            width=f"{wording.in_unit('mean width')}|{AMOUNT}",
            examples="examples|,",
        ),
        **series("of", key),
    ).mark_point(size=70, filled=True, opacity=1)
    return figure(
        "chart-coverage",
        "How many intervals hold, by slice",
        "Each shape should be on the dashed line of its level; in small slices chance moves it.",
        [*(rule_at(x=level, color=INK, strokeDash=[3, 3]) for level in levels), points],
        height=24 * len(found.slices),
        key=key,
    )


def calibration(deciles: Sequence[ErrorGroup], wording: Wording) -> Figure:
    """How far the mean prediction is off, by decile of the prediction."""
    rows = [{"name": g.label, "off": g.mean_prediction - g.mean_label, **vars(g)} for g in deciles]
    base = chart(rows)
    x = alt.X(
        "mean_prediction:Q",
        scale=alt.Scale(zero=False, padding=12),
        axis=number_axis(wording.in_unit("mean prediction of the decile")),
    )
    difference = wording.in_unit(f"mean prediction minus mean {wording.noun}")
    y = alt.Y("off:Q", axis=number_axis(difference, SIGNED, grid=True))
    return figure(
        "chart-calibration",
        "Calibration by decile of the prediction",
        "A tenth of the examples per dot, the lowest predictions left. On the line at zero the "
        f"predictions are right on average; above it they are {wording.label.too_high}.",
        [
            rule_at(y=0, color=INK),
            base.mark_line(color=MUTED, strokeWidth=1).encode(x=x, y=y),
            base.mark_point(color=ACCENT, filled=True, size=60, opacity=1).encode(
                x=x,
                y=y,
                tooltip=tips(
                    name="decile",
                    mean_prediction=f"{wording.in_unit('mean prediction')}|{AMOUNT}",
                    mean_label=f"{wording.in_unit(f'mean {wording.noun}')}|{AMOUNT}",
                    off=f"{wording.in_unit('difference')}|{CHANGE}",
                    examples="examples|,",
                ),
            ),
        ],
        height=300,
    )
