"""What a model was asked, beside what it learned from."""

from __future__ import annotations

from models.features import FEATURES
from report.collect.data_quality import distributions
from report.facts import EstimatedWeek, Served, Truth
from schema.served_findings import TRAINING
from serving.watch.watched import Watched

SERVED = "served"
"""What the requests are called beside the splits."""


def describe_served(
    watched: Watched, truth: Truth | None, estimates: tuple[EstimatedWeek, ...]
) -> Served:
    """Adds the distributions to what a watch has found, and how right the model was."""
    columns = distributions({TRAINING: watched.training, SERVED: watched.served})
    features = [feature.name for feature in FEATURES]
    return Served(watched, {n: columns[n] for n in features if n in columns}, truth, estimates)
