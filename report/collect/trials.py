"""What tuning tried, from the record of TFX's Tuner."""

from __future__ import annotations

import json
import posixpath

from tfx.dsl.io import fileio

from report.facts import Trial

FILE = "tuner_results.json"
"""TFX's name of the record in the TunerResults artifact."""


def read_trials(uri: str) -> tuple[Trial, ...]:
    """Reads the trials of a TunerResults artifact that came to an end, in their order."""
    with fileio.open(posixpath.join(uri, FILE), "r") as file:
        given = json.loads(file.read())
    trials = [
        Trial(int(fields.pop("trial_id")), float(fields.pop("score")), fields) for fields in given
    ]
    return tuple(sorted(trials, key=lambda trial: trial.number))
