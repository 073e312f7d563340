"""Writes a pushed model as one query in BigQuery's dialect.

The steps are those of `models/transform.py` and `models/model.py`, one common table expression
each: what is missing, indices and buckets, crosses, the two halves, the hidden layers. Weights are
arrays. What a step makes is a column with a `_` before its name, and gone after the step that reads
it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.table import TABLE
from models import features as declared
from models.declaration import UNKNOWN, Category, Number
from models.declared_sql import as_literal, bucket, cross_hash, hash_bucket, word
from models.feature_kinds import categories, numbers
from models.model import BEND
from models.names import PREDICTED
from models.transform import bucket_name, unknown_name, z_score_name
from serving.sql.learned_network import Dense, Network
from serving.sql.learned_transform import LearnedNumber, LearnedTransform, Steps

VERSION = "model_version"
"""The column that says which version of the model predicted."""

_WIDTH = 110


def write_query(rows: str, learned: LearnedTransform, network: Network, version: str) -> str:
    """The query.

    Args:
        rows: A query for the rows to score, with a column for every feature; others stay.
        learned: What the model's transform learned.
        network: The model's weights.
        version: The version's name.

    Returns:
        BigQuery SQL. To the columns of the rows it adds `PREDICTED`, in the label's unit (NULL for
        a row that lacks what a request has to give), and `VERSION`.
    """
    halves = {"_wide": _wide(network)} | _deep_inputs(network)
    steps = [
        _Step("given", "What is missing or empty.", _given()),
        _Step(
            "indexed",
            "Words by their place in the vocabulary, numbers scaled and by their bucket.",
            _indexed(learned),
        ),
        _Step("hashed", "Crosses: the words and buckets themselves, ...", _hashed()),
        _Step("crossed", "... and by their bucket.", _crossed()),
    ]
    made = [name for step in steps for name in step.columns]
    steps.append(_Step("halves", "The wide half, and what the deep half reads.", halves, made))
    inputs = [name for name in halves if name != "_wide"]
    for layer, dense in enumerate(network.hidden, start=1):
        sums = _dense(dense, inputs)
        outputs = {f"_{layer}_{unit}": f"GREATEST(0.0, {s})" for unit, s in enumerate(sums)}
        comment = f"Hidden layer {layer}: {len(inputs)} inputs, {len(outputs)} units."
        steps.append(_Step(f"hidden_{layer}", comment, outputs, inputs))
        inputs = list(outputs)
    (deep,) = _dense(network.output, inputs)
    total = {"_total": f"_wide + {as_literal(network.scale)} * ({deep})"}
    unit = f", in {declared.LABEL.unit}" if declared.LABEL.unit else ""
    steps.append(_Step("summed", f"Both halves{unit}.", total, ["_wide", *inputs]))
    answer = {PREDICTED: _within_range(BEND * network.scale), VERSION: as_literal(version)}
    last = _Step("", "Bent to stay within the label's range.", answer, ["_total"])
    tables, source = [f"examples AS (\n{textwrap.indent(rows.strip(), '    ')}\n  )"], "examples"
    for step in steps:
        if step.columns:
            select = textwrap.indent(step.select(source), "    ")
            tables.append(f"{step.name} AS (\n{select}\n  )")
            source = step.name
    joined = ",\n  ".join(tables)
    return f"{_title(version)}WITH\n  {joined}\n{last.select(source)}\n"


def _title(version: str) -> str:
    about = (
        f"Version {version} of {TABLE.pipeline}, a wide-and-deep network, as one query in "
        f"BigQuery's dialect. It adds {PREDICTED} and {VERSION} to each row of the first table, "
        "examples. Made from the pushed model: to change it, train."
    )
    return textwrap.fill(about, _WIDTH, initial_indent="-- ", subsequent_indent="-- ") + "\n"


@dataclass(frozen=True)
class _Step:
    """One SELECT: all columns of the step before but those dropped, and new ones."""

    name: str
    comment: str
    columns: Mapping[str, str]
    dropped: Sequence[str] = ()

    def select(self, source: str) -> str:
        star = f"* EXCEPT ({', '.join(self.dropped)})" if self.dropped else "*"
        columns = [_folded(star), *(f"{_folded(e)} AS {n}" for n, e in self.columns.items())]
        listed = ",\n".join(textwrap.indent(column, "  ") for column in columns)
        return f"-- {self.comment}\nSELECT\n{listed}\nFROM {source}"


def _given() -> dict[str, str]:
    columns = {}
    for feature in declared.FEATURES:
        if isinstance(feature, Category):
            given = f"NULLIF({feature.name}, '')" if feature.required else word(feature.name)
            columns[f"_{feature.name}"] = given
        else:
            number = f"CAST({feature.name} AS FLOAT64)"
            columns[f"_{feature.name}"] = f"IF(IS_NAN({number}), NULL, {number})"
    return columns


def _indexed(learned: LearnedTransform) -> dict[str, str]:
    columns = {}
    for feature in declared.FEATURES:
        name = f"_{feature.name}"
        if isinstance(feature, Category):
            words = learned.words[feature.name]
            found = " ".join(f"WHEN {as_literal(w)} THEN {i}" for i, w in enumerate(words))
            index = f"CASE {name} {found} ELSE {len(words)} END"
            required = feature.required
            columns[f"{name}_index"] = f"IF({name} IS NULL, NULL, {index})" if required else index
        else:
            columns |= _scaled(feature, learned.numbers[feature.name])
    return columns


def _scaled(number: Number, learned: LearnedNumber) -> dict[str, str]:
    name = f"_{number.name}"

    def or_if_unknown(unknown: str | None, known: str) -> str:
        return known if unknown is None else f"IF({name} IS NULL, {unknown}, {known})"

    z = f"({name} - {as_literal(learned.mean)}) * {as_literal(learned.slope)}"
    unknown = None if learned.unknown is None else as_literal(learned.unknown)
    columns = {f"_{z_score_name(number)}": or_if_unknown(unknown, z)}
    for step, found in learned.steps.items():
        unknown = None if found.unknown is None else str(found.unknown)
        columns[f"_{step}"] = or_if_unknown(unknown, _step(name, found))
    if number.optional:
        columns[f"_{unknown_name(number)}"] = f"IF({name} IS NULL, 1, 0)"
    return columns


def _step(name: str, steps: Steps) -> str:
    if not steps.thresholds:
        return f"IF({name} IS NULL, NULL, {steps.values[0]})"
    place = bucket(name, steps.thresholds)
    if steps.values == tuple(range(len(steps.values))):
        return place
    return f"[{', '.join(map(str, steps.values))}][OFFSET({place})]"


def _hashed() -> dict[str, str]:
    features = {feature.name: feature for feature in declared.FEATURES}
    return {
        f"_{cross.name}_hash": cross_hash(_part(features[name]) for name in cross.parents)
        for cross in declared.CROSSES
    }


def _part(feature: Category | Number) -> str:
    if isinstance(feature, Category):
        return f"_{feature.name}"
    place = f"CAST(_{bucket_name(feature)} AS STRING)"
    if feature.optional:
        return f"IF(_{feature.name} IS NULL, {as_literal(UNKNOWN)}, {place})"
    return place


def _crossed() -> dict[str, str]:
    return {
        f"_{cross.name}": hash_bucket(f"_{cross.name}_hash", cross.buckets)
        for cross in declared.CROSSES
    }


def _wide(network: Network) -> str:
    terms = [
        f"[{', '.join(map(as_literal, weights))}][OFFSET({_used(name, len(weights))})]"
        for name, weights in network.wide.items()
    ]
    terms += [f"{as_literal(weight)} * _{name}" for name, weight in network.wide_numbers.items()]
    inner = _sum(network.wide_bias, terms)
    return f"{as_literal(network.mean)} + {as_literal(network.scale)} * ({inner})"


def _used(name: str, count: int) -> str:
    """An index among those that have a weight; of a cross, they may be fewer than its buckets."""
    fewer = any(name == cross.name and count < cross.buckets for cross in declared.CROSSES)
    return f"MOD({_index(name)}, {count})" if fewer else _index(name)


def _index(name: str) -> str:
    return f"_{name}_index" if any(name == c.name for c in categories()) else f"_{name}"


def _deep_inputs(network: Network) -> dict[str, str]:
    """As `models.model` puts them together: z-scores, what is unknown, embeddings."""
    columns = [f"_{z_score_name(number)}" for number in numbers()]
    columns += [f"_{unknown_name(number)}" for number in numbers() if number.optional]
    for category in categories():
        for dimension in network.embeddings[category.name].T:
            values = ", ".join(map(as_literal, dimension))
            columns.append(f"[{values}][OFFSET({_index(category.name)})]")
    return {f"_0_{place}": expression for place, expression in enumerate(columns)}


def _dense(dense: Dense, inputs: Sequence[str]) -> Iterator[str]:
    """One sum for each unit."""
    for weights, bias in zip(dense.kernel.T, dense.bias, strict=True):
        terms = [f"{as_literal(w)} * {name}" for w, name in zip(weights, inputs, strict=True)]
        yield _sum(bias, terms)


def _within_range(bend: float) -> str:
    """As `models.model.within_range`; in FLOAT64 there is nothing to be lost far outside."""
    low, high, expression = declared.LABEL.minimum, declared.LABEL.maximum, "_total"
    if math.isfinite(low):
        outside = f"({as_literal(float(low))} - _total) / {as_literal(bend)}"
        expression += f" + {as_literal(bend)} * {_softplus(outside)}"
    if math.isfinite(high):
        outside = f"(_total - {as_literal(float(high))}) / {as_literal(bend)}"
        expression += f" - {as_literal(bend)} * {_softplus(outside)}"
    if math.isfinite(low):
        expression = f"GREATEST({expression}, {as_literal(float(low))})"
    if math.isfinite(high):
        expression = f"LEAST({expression}, {as_literal(float(high))})"
    return expression


def _softplus(x: str) -> str:
    """Without an overflow, whatever x is."""
    return f"(GREATEST({x}, 0.0) + LN(1.0 + EXP(-ABS({x}))))"


def _sum(first: float, terms: Iterable[str]) -> str:
    return " + ".join([as_literal(first), *terms]).replace("+ -", "- ")


def _folded(expression: str) -> str:
    """In lines that an editor can show; text, which must stay as it is, is in short ones."""
    if "'" in expression or len(expression) < _WIDTH:
        return expression
    return textwrap.fill(
        expression,
        _WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
