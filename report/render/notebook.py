"""The page's charts in a notebook: as pictures, so that they need no network and no widgets."""

from __future__ import annotations

import html
import re
from typing import Any

import vl_convert
from IPython import display

from report.render.assets import style
from report.render.charts.base import Figure

WIDTH = 640
"""Width of a chart's plot, in pixels."""


def show(figure: Figure | None) -> display.HTML:
    """Draws a chart of `report.render.charts` below a cell; None where there is nothing to draw."""
    if figure is None:
        return display.HTML("<i>There is nothing to draw.</i>")
    drawn = vl_convert.vegalite_to_svg(_sized(figure.spec))
    return display.HTML(
        f'<div style="{_colours()}background:var(--paper);padding:1em">'
        f"<b>{html.escape(figure.title)}</b><br><small>{html.escape(figure.reading)}</small>"
        f"{drawn}</div>"
    )


def _sized(spec: dict[str, Any]) -> dict[str, Any]:
    """A page gives a chart its width; a picture must say it."""
    return {**spec, "width": WIDTH} if spec.get("width") == "container" else spec


def _colours() -> str:
    """The page's colours on paper, as the first block of its style sheet has them."""
    block = re.search(r":root \{(.*?)\}", style(), re.DOTALL)
    return " ".join(re.findall(r"--[\w-]+: [^;]+;", block[1] if block else ""))
