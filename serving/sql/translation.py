"""A pushed model as one query, proven against the model before anybody runs it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from common.errors import UserError
from data.warehouse import Warehouse
from models import features as declared
from models.declaration import Category, Feature
from models.declared_sql import as_literal
from models.names import PREDICTED, PREDICTION, SERVING
from models.request import check_value
from serving.instances import Columns, as_fed
from serving.sql.learned_network import Network, read_network
from serving.sql.learned_transform import LearnedTransform, read_transform
from serving.sql.score_query import write_query
from serving.versions.saved_model import SavedModel

Row = Mapping[str, str | float | None]

MOST_BYTES = 1_000_000
"""Longest query that BigQuery takes."""

_ASKED = 200
_TOLERANCE = 1e-3
"""Largest difference to the model, in the label's scale; rounding makes a thousandth of it."""


def translate_model(version: Path, rows: str, model: SavedModel | None = None) -> str:
    """Writes a pushed model as one query, and asks both the same to see that they agree.

    Args:
        version: The model's folder.
        rows: A query for the rows to score, in BigQuery's dialect, with a column for every feature.
        model: What was loaded of that folder; by default it is loaded here.

    Returns:
        BigQuery SQL; see `write_query`.

    Raises:
        UserError: If the query is too long for BigQuery, or does not answer as the model.
    """
    model = model or SavedModel(str(version), 0)
    learned = read_transform(version, model)
    network = read_network(version, {name: len(words) for name, words in learned.words.items()})
    query = write_query(rows, learned, network, version.name)
    size = len(query.encode())
    if size > MOST_BYTES:
        raise UserError(
            f"The model at {version} makes a query of {size:,} bytes; BigQuery takes "
            f"{MOST_BYTES:,}.",
            "Train a model of fewer hidden units, or declare fewer buckets of the crosses in "
            "models/features.py; or predict with --input and --output.",
        )
    _prove(model, learned, network, version)
    return query


def _prove(model: SavedModel, learned: LearnedTransform, network: Network, version: Path) -> None:
    asked = list(_requests(_ASKED))
    truth = model.signatures[SERVING](_columns(asked))[PREDICTION]
    # DISTINCT gathers them first; ALL would have DuckDB plan the whole network for each row.
    rows = "\nUNION DISTINCT ".join(_literal(place, row) for place, row in enumerate(asked))
    with Warehouse({}) as warehouse:
        query = write_query(rows, learned, network, version.name)
        found = [row for batch in warehouse.query(query) for row in batch.to_pylist()]
    # UNION promises no order.
    answers = np.array([row[PREDICTED] for row in sorted(found, key=lambda row: row[_PLACE])])
    allowed = _TOLERANCE * network.scale + 1e-6 * np.abs(truth)
    apart = np.abs(answers - truth)
    if not np.all(apart <= allowed):
        worst = int(np.argmax(apart / allowed))
        raise UserError(
            f"The query differs from the model at {version}: to {dict(asked[worst])} it answers "
            f"{answers[worst]:g}, the model {truth[worst]:g} {declared.LABEL.unit}".rstrip()
            + ".",
            "The model was made by other code than is here: run local_runner.py, to train and "
            "push one by today's.",
        )


_PLACE = "place"
"""A column beside the features: which request a row is."""


def _requests(count: int) -> Iterator[Row]:
    """Requests that leave out what may be left out now and then; the same ones each time."""
    draw = random.Random(count)
    for _ in range(count):
        yield {feature.name: _value(feature, draw) for feature in declared.FEATURES}


def _value(feature: Feature, draw: random.Random) -> str | float | None:
    if not feature.required and draw.random() < 0.2:
        return None
    if isinstance(feature, Category):
        return draw.choice(feature.vocabulary)
    inside = [edge for edge in feature.boundaries if feature.minimum <= edge <= feature.maximum]
    edges = [feature.minimum, feature.maximum, *inside]
    return float(draw.choice([draw.uniform(feature.minimum, feature.maximum), draw.choice(edges)]))


def _columns(rows: Sequence[Row]) -> Columns:
    """As the model takes them: not checked, as random values may contradict each other."""
    return {
        f.name: as_fed(f, [check_value(f, row[f.name]) for row in rows]) for f in declared.FEATURES
    }


def _literal(place: int, row: Row) -> str:
    columns = [f"{place} AS {_PLACE}"]
    for feature in declared.FEATURES:
        value = row[feature.name]
        kind = "STRING" if isinstance(feature, Category) else "FLOAT64"
        literal = f"CAST(NULL AS {kind})" if value is None else as_literal(value)
        columns.append(f"{literal} AS {feature.name}")
    return f"SELECT {', '.join(columns)}"
