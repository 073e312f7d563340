"""What tuning tried: RMSE by trial, and hyperparameters side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import altair as alt

from report.facts import Trial
from report.render.charts.base import (
    ACCENT,
    AMOUNT,
    BAD,
    MUTED,
    Figure,
    chart,
    figure,
    number_axis,
    tips,
)
from report.wording import Wording


def by_trial(trials: Sequence[Trial], wording: Wording) -> Figure:
    """RMSE of each trial, and the least so far."""
    least = itertools.accumulate((t.rmse for t in trials), min)
    rows = [
        {"trial": t.number, "rmse": t.rmse, "least": best}
        for t, best in zip(trials, least, strict=True)
    ]
    unit = wording.in_unit("RMSE")
    x = alt.X("trial:Q", axis=number_axis("trial", ticks=5))
    scale = alt.Scale(zero=False)
    y = alt.Y("rmse:Q", scale=scale, axis=number_axis(unit, ticks=5, grid=True))
    base = chart(rows)
    caption = "Each trial's least RMSE on eval; the line is the least so far."
    if any(trial.number == 0 for trial in trials):  # Vertex AI counts from one.
        caption += " Trial 0 is the settings."
    return figure(
        "chart-trials",
        "RMSE by trial",
        caption,
        [
            base.mark_line(color=MUTED, interpolate="step-after").encode(
                x=x, y=alt.Y("least:Q", scale=scale)
            ),
            base.mark_point(color=ACCENT, filled=True, size=50, opacity=1).encode(
                x=x, y=y, tooltip=tips(trial="trial", rmse=f"{unit}|{AMOUNT}")
            ),
        ],
        height=220,
    )


def side_by_side(trials: Sequence[Trial], wording: Wording) -> Figure:
    """A line for each trial over the hyperparameters, each on a scale of its own."""
    names = [n for n in trials[0].hyperparameters if len(_values(trials, n)) > 1]
    best = min(trials, key=lambda trial: trial.rmse)
    rows = [
        {
            "trial": trial.number,
            "name": name.replace("_", " "),
            "place": _place(trial.hyperparameters[name], _values(trials, name)),
            "value": str(trial.hyperparameters[name]),
            "rmse": trial.rmse,
        }
        for trial in trials
        for name in names
    ]
    order = [name.replace("_", " ") for name in names]
    x = alt.X("name:N", title=None, sort=order, axis=alt.Axis(labelAngle=0, labelLimit=90))
    y = alt.Y("place:Q", title=None, axis=alt.Axis(labels=False, ticks=False, grid=True))
    tip = tips(
        trial="trial",
        name="hyperparameter",
        value="value",
        rmse=f"{wording.in_unit('RMSE')}|{AMOUNT}",
    )
    others = chart(row for row in rows if row["trial"] != best.number)
    chosen = chart(row for row in rows if row["trial"] == best.number)
    return figure(
        "chart-hyperparameters",
        "Hyperparameters side by side",
        "A line is a trial, from the lowest value tried at the bottom to the highest at the top; "
        "the thick one is the best.",
        [
            others.mark_line(color=MUTED, strokeWidth=1, opacity=0.6).encode(
                x=x, y=y, detail="trial:N"
            ),
            others.mark_point(color=ACCENT, size=24).encode(x=x, y=y, tooltip=tip),
            chosen.mark_line(color=BAD, strokeWidth=3).encode(x=x, y=y),
            chosen.mark_point(color=BAD, filled=True, size=50).encode(x=x, y=y, tooltip=tip),
        ],
        height=220,
        wide=90 * len(names),
    )


def _values(trials: Sequence[Trial], name: str) -> list[Any]:
    """What was tried of a hyperparameter, in order; widths by their number and sizes."""

    def size(value: Any) -> Any:
        return [int(width) for width in value.split(",")] if isinstance(value, str) else value

    return sorted({trial.hyperparameters[name] for trial in trials}, key=size)


def _place(value: Any, values: Sequence[Any]) -> float:
    return values.index(value) / (len(values) - 1)
