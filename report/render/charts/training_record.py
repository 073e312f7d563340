"""How the model was trained, and how crosses use their buckets."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from models.history import History
from report.facts import CrossUse
from report.render.charts.base import (
    ACCENT,
    AMOUNT,
    BAD,
    INK,
    LINE_HEIGHT,
    MUTED,
    Figure,
    centred,
    chart,
    figure,
    names,
    number_axis,
    rule_at,
    series,
    tips,
)
from report.wording import Wording

_SPLITS = ("train", "eval")
_BETWEEN_PARENTS = "\n\N{MULTIPLICATION SIGN} "


def progress(history: History, wording: Wording) -> tuple[Figure, Figure]:
    """RMSE and loss by step, on train and eval."""
    return (
        _curve(
            history,
            "chart-rmse",
            "RMSE by step",
            wording.in_unit("RMSE"),
            [(r.step, r.rmse, r.val_rmse) for r in history.records],
        ),
        _curve(
            history,
            "chart-loss",
            "Loss by step",
            wording.in_unit("mean squared error", "\N{SUPERSCRIPT TWO}"),
            [(r.step, r.loss, r.val_loss) for r in history.records],
        ),
    )


def rate(history: History) -> Figure:
    """Examples a second, by step."""
    # Of step 0 of a warm start there is no rate: nothing was trained yet.
    rows = [{"step": r.step, "rate": r.examples_per_second} for r in history.records if r.step]
    base = chart(rows)
    x, y = _steps(), alt.Y("rate:Q", axis=number_axis("examples/s", ticks=4, grid=True))
    return figure(
        "chart-rate",
        "Examples a second",
        "How fast training went between two checkpoints; the first of them includes the start.",
        [
            *_resumed(history),
            base.mark_line(color=MUTED, strokeWidth=1).encode(x=x, y=y),
            base.mark_point(color=ACCENT, filled=True, size=50, opacity=1).encode(
                x=x, y=y, tooltip=tips(step="step|,", rate="examples a second|,.0f")
            ),
        ],
        height=160,
    )


def crosses(uses: Sequence[CrossUse], wording: Wording) -> Figure:
    """Used buckets and collisions of each hashed cross."""
    # A name may be as long as four columns; each gets a line of its own.
    lines = max((len(use.parents) for use in uses), default=1)
    rows = [
        {
            "name": centred(_BETWEEN_PARENTS.join(map(wording.title, use.parents)), lines),
            "used": use.used / use.buckets if use.buckets else None,
            "colliding": use.colliding,
            "expected": use.expected,
        }
        for use in uses
    ]
    kinds = ("combinations that collide", "buckets used")
    points = [
        {"name": row["name"], "kind": kind, "share": row[key]}
        for row in rows
        for kind, key in zip(kinds, ("colliding", "used"), strict=True)
    ]
    share = alt.X("share:Q", scale=alt.Scale(domainMin=0), axis=number_axis("share", "%", ticks=5))
    dots = chart(
        points,
        x=share,
        y=names(rows),
        tooltip=tips(name="cross", kind="what", share="share|.1%"),
        **series("kind", kinds),
    ).mark_point(filled=True, size=80, opacity=1)
    chance = chart(rows).mark_tick(color=INK, thickness=2, height=18)
    return figure(
        "chart-crosses",
        "Buckets and collisions of the crosses",
        "Circles: combinations that share a bucket with another, so that the model can't tell them "
        "apart; the tick is what chance alone would make collide. Squares: buckets in use.",
        [chance.encode(x="expected:Q", y=names(rows)), dots],
        height=(lines * LINE_HEIGHT + 12) * len(rows),
        key=kinds,
    )


def _curve(
    history: History, id: str, title: str, unit: str, points: Sequence[tuple[int, float, float]]
) -> Figure:
    rows = [
        {"step": step, "split": split, "value": value}
        for step, *both in points
        for split, value in zip(_SPLITS, both, strict=True)
        if step or split == "eval"  # Of step 0 of a warm start there is no more.
    ]
    x = _steps()
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=number_axis(unit, ticks=5, grid=True))
    base = chart(rows)
    lines = base.mark_line(strokeWidth=2).encode(x=x, y=y, **series("split", _SPLITS, dashed=True))
    dots = base.mark_point(filled=True, size=34, opacity=1).encode(
        x=x,
        y=y,
        color=series("split", _SPLITS, dashed=True)["color"],
        tooltip=tips(split="split", step="step|,", value=f"{unit}|{AMOUNT}"),
    )
    best = chart([{"step": history.best_step, "text": f"best: {history.best_step:,}"}])
    last = max((step for step, *_ in points), default=0)
    # Near the right edge the label has no room on its right.
    align, dx = ("right", -6) if history.best_step > last * 0.6 else ("left", 6)
    return figure(
        id,
        title,
        "Dashed is eval, solid is train; the upright line marks the exported checkpoint, where "
        "eval was best, a dotted one where training went on after it was killed.",
        [
            *_resumed(history),
            best.mark_rule(color=BAD, strokeWidth=1.5).encode(x="step:Q"),
            best.mark_text(color=INK, align=align, dx=dx, fontSize=12, baseline="top").encode(
                x="step:Q", y=alt.value(2), text="text:N"
            ),
            lines,
            dots,
        ],
        height=220,
        key=_SPLITS,
        labels=60,
    )


def _resumed(history: History) -> list[alt.Chart]:
    return [
        rule_at(x=step, strokeDash=[2, 3], strokeWidth=1.5).encode(x="x:Q")
        for step in history.resumed_from
    ]


def _steps() -> alt.X:
    return alt.X("step:Q", axis=number_axis("steps", ticks=5))
