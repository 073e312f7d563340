"""The declaring files of a project, written from its plan and trial."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jinja2

from models.declaration import UNKNOWN, Category, Label, Number
from models.features import HYPERPARAMETERS
from scaffold import sql
from scaffold.identifiers import Names
from scaffold.plan import Plan, rounded
from scaffold.profile import MOST_WORDS, RARE
from scaffold.rows import Rows
from scaffold.trial import Trial
from schema.draft import draft as draft_schema


def query(names: Names, rows: Rows, plan: Plan) -> str:
    """The query, with its placeholders."""
    columns = {column.name: column for column in rows.columns}
    label = columns[plan.label.name]
    filters = [f"{sql.name(label.name)} IS NOT NULL"]
    if label.type == "FLOAT64":
        filters.append(f"NOT IS_NAN({sql.name(label.name)})")
    key = columns[plan.key] if plan.key else None
    return _render(
        "query.sql.jinja",
        rows=names.rows,
        label=(plan.label_sql, sql.name(plan.label.name)),
        features=[(planned.sql, sql.name(planned.feature.name)) for planned in plan.features],
        key=sql.key(key) if key else None,
        key_name=plan.key,
        days=key is not None and key.type in ("TIMESTAMP", "DATETIME"),
        row_key=sql.row_key(rows.columns),
        filters=filters,
    )


def features(names: Names, plan: Plan, trial: Trial) -> str:
    """`models/features.py`."""
    declared = [planned.feature for planned in plan.features]
    used: set[str] = {"Band", "Calendar", "Contradiction", "Cross", "Feature", "Group"}
    used |= {"Hyperparameters", "Label"}
    for feature in declared:
        used.add(type(feature).__name__)
        if isinstance(feature, Category) and UNKNOWN in feature.vocabulary:
            used.add("UNKNOWN")
    return _render(
        "features.py.jinja",
        pipeline=names.pipeline,
        imports=sorted(used, key=lambda name: (not name.isupper(), name)),
        unknown=UNKNOWN,
        label=_with_plausible(plan.label, trial),
        features=declared,
        numbers=[f for f in declared if isinstance(f, Number)],
        crosses=trial.crosses,
        bands=trial.bands,
        slices=trial.slices,
        # This project's own, on the scale of the label.
        hyperparameters=dataclasses.asdict(HYPERPARAMETERS)
        | {"label_scale": rounded(trial.spread, 2)},
    )


def _with_plausible(label: Label, trial: Trial) -> Label:
    """The label, with a mean and a spread that other rows of the table may well have.

    Another unit has others: it moves both by its factor.
    """
    mean = rounded(trial.mean - trial.spread), rounded(trial.mean + trial.spread)
    spread = rounded(trial.spread / 1.5), rounded(trial.spread * 1.5)
    return dataclasses.replace(label, plausible_mean=mean, plausible_spread=spread)


def judging(plan: Plan, trial: Trial) -> str:
    """`models/judging.py`."""
    return _render("judging.py.jinja", unit=plan.label.unit, trial=trial, bounds=trial.bounds)


def table(names: Names, rows: Rows) -> str:
    """`data/table.py`."""
    return _render("table.py.jinja", names=names, table=rows.name, columns=rows.columns)


def schema(plan: Plan) -> str:
    """`schema/schema.pbtxt`."""
    declared = [planned.feature for planned in plan.features]
    return _render("schema.pbtxt.jinja", blocks=draft_schema(plan.label, declared))


def readme(names: Names, rows: Rows, plan: Plan, trial: Trial) -> str:
    """`README.md`."""
    request = json.dumps(dict(trial.request))
    return _render(
        "README.md.jinja", names=names, rows=rows, plan=plan, trial=trial, request=request
    )


def decisions(names: Names, rows: Rows, plan: Plan, trial: Trial) -> str:
    """`docs/decisions.md`: what was decided, and why."""
    types = {column.name: column.type for column in rows.columns}
    return _render(
        "decisions.md.jinja",
        names=names,
        rows=rows,
        plan=plan,
        trial=trial,
        types=types,
        days=plan.key is not None and types[plan.key] in ("TIMESTAMP", "DATETIME"),
        counts=", ".join(f"{count:,} {split}" for split, count in trial.examples.items()),
        rare=RARE,
        most=MOST_WORDS,
        unit=f" {plan.label.unit}" if plan.label.unit else "",
    )


def _render(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("template")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["py"] = _python
    environment.filters["four"] = lambda number: f"{number:.4g}"
    return environment.get_template(template).render(values)


def _python(value: Any) -> str:
    """A value as Python source, as a formatter would have it."""
    if isinstance(value, str):
        quoted = repr(value)
        if '"' not in value and quoted.startswith("'"):
            quoted = f'"{quoted[1:-1]}"'.replace("\\'", "'")
        return quoted
    if isinstance(value, tuple):
        inside = ", ".join(map(_python, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)
