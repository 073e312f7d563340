"""Draws the page of a run, and the comparison of two, as one self-contained HTML document."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from models.history import History
from report.facts import Facts, Served, Slice
from report.render import formatting
from report.render.assets import library, policy, script, style
from report.render.charts import data_quality as data_charts
from report.render.charts import provenance as provenance_charts
from report.render.charts import replayed_changes as replay_charts
from report.render.charts import residuals as error_charts
from report.render.charts import search_record as trial_charts
from report.render.charts import served_days as served_charts
from report.render.charts import slice_metrics as slice_charts
from report.render.charts import training_record as training_charts
from report.render.charts.base import Figure
from report.served_verdict import describe_estimate, describe_record, describe_truth, judge_served
from report.wording import Wording

_MARKS = {
    "blessed": "\N{CHECK MARK}",
    "not blessed": "\N{MULTIPLICATION X}",
    "stopped": "\N{BLACK SQUARE}",
    "failed": "!",
    "not evaluated": "?",
}
"""A sign beside each outcome, so that it is told without colour."""

SECTIONS = {
    "verdict": "Verdict",
    "slices": "Slices",
    "errors": "Errors",
    "data": "Data",
    "training": "Transform and training",
    "replay": "Replay",
    "provenance": "Provenance",
}
SERVED = {"served": "Served"}
"""The section that the page of a watch begins with."""

COMPARISON = {"verdicts": "Verdicts", "metrics": "Metrics", "inputs": "Data", "choices": "Settings"}


def render(facts: Facts) -> str:
    """Draws the page of a run, an HTML document that needs nothing else: no file, no network."""
    return _document(
        "run.html",
        facts.wording,
        _figures(facts),
        facts=facts,
        sections=SERVED | SECTIONS if facts.served else SECTIONS,
        served=facts.served,
        training_settings=_training_settings(facts.training) if facts.training else {},
    )


def render_served(
    served: Served, pipeline: str, report: str | None, max_rmse: float, wording: Wording
) -> str:
    """Draws what a model was asked, where the page of its run can't be made anew.

    That page's address is `report`; `max_rmse` is the gate's bound, in the label's unit.
    """
    return _document(
        "watch.html",
        wording,
        _served_figures(served, max_rmse, wording),
        served=served,
        pipeline=pipeline,
        report=report,
        sections=SERVED,
    )


def render_comparison(a: Facts, b: Facts) -> str:
    """Draws two runs side by side, with changes from the first to the second."""
    slices = _paired(a.slices, b.slices, a.wording)
    names = (f"A · {a.run_id}", f"B · {b.run_id}")
    figures = {}
    if slices:
        figures["compared"] = slice_charts.compared(slices, names, a.wording)
    return _document(
        "comparison.html",
        a.wording,
        figures,
        a=a,
        b=b,
        sections=COMPARISON,
        slices=slices,
        settings=_choices(a.info.settings, b.info.settings),
        versions=_choices(a.versions, b.versions),
        fingerprints=_choices(a.info.fingerprints, b.info.fingerprints),
        queries=_query_diffs(a, b),
    )


def _document(template: str, wording: Wording, figures: dict[str, Any], **values: Any) -> str:
    drawn = list(_flat(figures.values()))
    scripts = [library(), script()] if drawn else [script()]
    return (
        _environment(wording)
        .get_template(template)
        .render(
            **values,
            figures=figures,
            scripts=[Markup(text) for text in scripts],
            style=Markup(style()),
            policy=policy(scripts),
        )
    )


def _environment(wording: Wording) -> Environment:
    """Templates that speak of a table; `w` in them is how."""
    environment = Environment(
        loader=PackageLoader("report.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for show in (
        *(formatting.number, formatting.signed, formatting.interval, formatting.count),
        *(formatting.share, formatting.compact, formatting.seconds, formatting.utc),
    ):
        environment.filters[show.__name__] = show
    environment.filters["title_of"] = wording.title
    environment.filters["in_words"] = lambda truth: (
        f"{describe_truth(truth, wording)} {describe_record(truth, wording)}".strip()
    )
    environment.filters["estimate"] = lambda estimate: describe_estimate(estimate, wording)
    environment.filters["verdict"] = lambda watched: judge_served(watched, wording)
    environment.globals.update(w=wording, mark=_MARKS.__getitem__)
    # JSON has no NaN: one that got this far would break the chart, and must be seen here.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _figures(facts: Facts) -> dict[str, Any]:
    """The charts of a run by name; what there are no facts for has no chart."""
    verdict, errors, data, wording = facts.verdict, facts.errors, facts.data, facts.wording
    figures: dict[str, Any] = {
        "lineage": provenance_charts.lineage(facts.lineage, facts.info.upstream),
        "seconds": provenance_charts.durations(facts.lineage.executions),
    }
    if verdict.overall and verdict.references:
        figures["references"] = slice_charts.references(
            verdict.overall, verdict.references, wording
        )
    if facts.slices:
        figures["slices"] = slice_charts.rmse(facts.slices, verdict.bounds, wording)
        figures["changes"] = slice_charts.change(facts.slices, verdict.bounds, wording)
    if errors:
        figures["heat"] = error_charts.heat(errors, wording)
        figures["residuals"] = [
            error_charts.residuals(f"chart-residuals-{i}", by, groups, wording)
            for i, (by, groups) in enumerate(errors.by.items(), start=1)
        ]
        figures["calibration"] = error_charts.calibration(errors.deciles, wording)
    if facts.coverage:
        figures["coverage"] = error_charts.coverage(facts.coverage, wording)
    if data:
        figures["rows"] = data_charts.rows_per_split(data.rows)
        figures["months"] = data_charts.calendar(data) if data.months else None
        figures["columns"] = [
            data_charts.column(f"chart-column-{i}", wording.title(name), distributions)
            for i, (name, distributions) in enumerate(data.columns.items(), start=1)
            if name not in wording.calendar  # Of which the months by split tell more.
        ]
        figures["distances"] = data_charts.distances(data, wording)
    if facts.transformed and facts.transformed.crosses:
        figures["crosses"] = training_charts.crosses(facts.transformed.crosses, wording)
    if facts.training:
        figures["progress"] = training_charts.progress(facts.training, wording)
        figures["rate"] = training_charts.rate(facts.training)
    if len(facts.trials) > 1:
        figures["trials"] = trial_charts.by_trial(facts.trials, wording)
        figures["hyperparameters"] = trial_charts.side_by_side(facts.trials, wording)
    if facts.replay and facts.replay.changes:
        figures["replayed"] = replay_charts.changes(facts.replay.changes, wording)
    if facts.served:
        figures |= _served_figures(facts.served, facts.info.bounds.max_rmse, wording)
    return figures


def _served_figures(served: Served, max_rmse: float, wording: Wording) -> dict[str, Any]:
    watched, truth, estimates = served.watched, served.truth, served.estimates
    figures: dict[str, Any] = {
        "served_rows": served_charts.requests(watched),
        "served_days": served_charts.largest(watched),
        "served_columns": served_charts.by_column(watched, wording),
        "served_predictions": served_charts.predictions(watched, wording),
        "served_values": [
            data_charts.column(f"chart-served-{i}", wording.title(name), distributions)
            for i, (name, distributions) in enumerate(served.columns.items(), start=1)
        ],
    }
    if truth or estimates:
        figures["served_error"] = served_charts.weekly_error(truth, estimates, max_rmse, wording)
    if truth:
        figures["served_slices"] = replace(
            slice_charts.rmse(truth.slices, truth.bounds, wording), id="chart-served-slices"
        )
    return figures


def _flat(figures: Iterable[Any]) -> Iterable[Figure]:
    for item in figures:
        if isinstance(item, Figure):
            yield item
        elif item:
            yield from filter(None, item)


def _training_settings(history: History) -> dict[str, str]:
    """How a model was trained, by what people read."""
    return {
        "steps": formatting.count(history.steps),
        "batch size": formatting.count(history.batch_size),
        "seed": str(history.seed),
        "parameters of the wide half": formatting.count(history.parameters.wide),
        "parameters of the deep half": formatting.count(history.parameters.deep),
    } | {
        name.replace("_", " "): _hyperparameter(value, history.sources.get(name))
        for name, value in history.hyperparameters.items()
    }


def _hyperparameter(value: object, source: str | None) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{text} ({source})" if source else text


def _paired(
    a: Iterable[Slice], b: Iterable[Slice], wording: Wording
) -> list[tuple[str, Slice | None, Slice | None]]:
    """Slices of two runs by name, in the order of the first; a slice may be in one only."""
    first, second = ({slice_charts.slice_name(s, wording): s for s in of} for of in (a, b))
    return [(name, first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second])]


def _choices(
    a: Mapping[str, str], b: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """Name and both values, those that differ first."""
    rows = [(name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b])]
    return sorted(rows, key=lambda row: row[1] == row[2])


def _query_diffs(a: Facts, b: Facts) -> dict[str, str]:
    """Unified diff of the query by split, where it differs."""
    diffs = {}
    for split in dict.fromkeys([*a.info.queries, *b.info.queries]):
        first, second = (of.info.queries.get(split, "").splitlines() for of in (a, b))
        lines = difflib.unified_diff(first, second, a.run_id, b.run_id, lineterm="")
        if diff := "\n".join(lines):
            diffs[split] = diff
    return diffs
