"""What is asked otherwise than it was learned is found, and nothing else is."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from request_logs import FIRST, SCHEMA, VERSION, drawn, training_statistics, write_log

from models.declaration import UNKNOWN, Category, Feature
from models.features import FEATURES
from schema.comparators import DRIFT, SKEW
from schema.statistics import Statistics
from serving.instances import from_rows
from serving.records.request_log import RequestLog, RequestLogSettings
from serving.watch.judgement import judge
from serving.watch.log_files import find_files
from serving.watch.logged_rows import read_rows
from serving.watch.watched import Watched

ROWS = 600


@pytest.fixture(scope="module")
def training() -> dict[int, Statistics]:
    return {VERSION: training_statistics()}


@pytest.fixture
def watch(training: dict[int, Statistics], tmp_path: Path) -> Callable[..., Watched]:
    def watched(*days: pd.DataFrame, **how: int) -> Watched:
        folder = write_log(tmp_path / "log", days)
        rows = read_rows(find_files(folder, None), SCHEMA, None)
        return judge(rows, training, SCHEMA, str(folder), **how)

    return watched


def moved(frame: pd.DataFrame, feature: Feature) -> pd.DataFrame:
    """Rows in which one column is otherwise: a rare word in half of them, or a larger number."""
    values = frame[feature.name].copy()
    if isinstance(feature, Category):
        asked = values.tolist()
        words = (word for word in feature.vocabulary if word != UNKNOWN)
        values[frame.index % 2 == 0] = min(words, key=asked.count)
    else:
        reach = feature.maximum - feature.minimum
        values = (values + 0.2 * reach).clip(upper=feature.maximum)
    return frame.assign(**{feature.name: values})


def test_nothing_is_found_in_ten_undisturbed_weeks(watch: Callable[..., Watched]):
    watched = watch(*(drawn(ROWS, seed) for seed in range(70)))
    assert watched.findings == ()
    assert len(watched.days) == 70
    assert {period.unjudged for period in watched.periods} == {""}
    assert (watched.first, watched.last) == (FIRST, FIRST + datetime.timedelta(69))
    assert watched.days[1].before == FIRST
    assert {d.comparator for d in watched.days[1].distances} == {SKEW, DRIFT}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_drift_in_a_column_is_found_there_and_nowhere_else(
    watch: Callable[..., Watched], feature: Feature
):
    watched = watch(drawn(ROWS, 1), moved(drawn(ROWS, 2), feature))
    yesterday, today = watched.days
    assert yesterday.findings == ()
    assert {finding.feature for finding in watched.findings} == {feature.name}
    assert {(f.kind, f.severity) for f in today.findings} == {(SKEW, "error"), (DRIFT, "warning")}


@pytest.mark.parametrize(
    "feature",
    [f for f in FEATURES if not f.required and f.name != "is_male"],
    ids=lambda feature: feature.name,
)
def test_a_field_that_is_no_longer_sent_is_found(watch: Callable[..., Watched], feature: Feature):
    """Also if it was often unknown: its values that are left would be as ever."""
    silent = drawn(ROWS, 2).assign(**{feature.name: None})
    found = watch(drawn(ROWS, 1), silent).days[1].findings
    assert {finding.feature for finding in found} == {feature.name}
    assert all("and in 100% of requests" in f.found for f in found if f.kind == SKEW)


def test_what_an_example_leaves_out_is_the_word_that_training_has_for_it(
    watch: Callable[..., Watched],
):
    """Else half of all births, of which no sex is told, would be a skew."""
    unknown = drawn(ROWS, 1).assign(is_male="Unknown")
    (finding,) = watch(unknown).days[0].findings
    assert finding.feature == "is_male"
    assert "'Unknown' 50% of training and 'Unknown' 100% of requests" in finding.found


def test_a_value_that_is_not_allowed_is_found_however_few_rows_there_are(
    watch: Callable[..., Watched],
):
    few = drawn(20, 1)
    few.loc[0, "plurality"] = "Sextuplets(6)"
    few.loc[1, "mother_age"] = 99.0
    watched = watch(drawn(ROWS, 2), few)
    assert {(f.feature, f.severity) for f in watched.days[1].findings} == {
        ("plurality", "error"),
        ("mother_age", "error"),
    }
    assert all("schema/schema.pbtxt" in f.cure for f in watched.days[1].findings)


def test_too_few_rows_are_said_and_not_judged(watch: Callable[..., Watched]):
    odd = moved(drawn(60, 1), FEATURES[1])
    watched = watch(drawn(ROWS, 2), odd, drawn(ROWS, 3))
    few, after = watched.days[1:]
    assert (few.findings, few.distances) == ((), ())
    assert few.unjudged == "60 rows are too few, 100 are needed"
    assert after.before == FIRST  # The last day that has rows enough.


def test_each_version_is_held_to_what_it_learned(training: dict[int, Statistics], tmp_path: Path):
    write_log(tmp_path, [drawn(ROWS, 1), drawn(ROWS, 2)])
    write_log(tmp_path, [drawn(ROWS, 3)], version=4, first=FIRST + datetime.timedelta(1))
    rows = read_rows(find_files(tmp_path, None), SCHEMA, None)
    watched = judge(rows, training, SCHEMA, "log")
    assert [(p.version, p.rows, p.unjudged) for p in watched.versions] == [
        (3, 2 * ROWS, ""),
        (4, ROWS, "what version 4 learned from is not known here"),
    ]
    canary = watched.days[-1]
    assert {d.comparator for d in canary.distances} == {DRIFT}
    assert canary.before == FIRST
    assert watched.version == 3
    assert watched.findings == ()


def test_a_log_as_the_server_writes_it_is_read(tmp_path: Path):
    log = RequestLog(RequestLogSettings(tmp_path, 1.0, 10**6, 3600, 10**9))
    row = {"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}
    log.put("one", 7, from_rows([row, row | {"is_male": "True"}]), np.array([7.5, 7.25]))
    log.close()
    rows = read_rows(find_files(tmp_path, None), SCHEMA, None)
    assert rows.features.to_pydict() == {
        "is_male": [[b"Unknown"], [b"True"]],
        "mother_age": [[28.0]] * 2,
        "plurality": [[b"Single(1)"]] * 2,
        "gestation_weeks": [[39.0]] * 2,
        "mother_race": [None] * 2,
        "cigarette_use": [None] * 2,
        "alcohol_use": [None] * 2,
    }
    assert rows.keys.to_pydict() == {"request_id": [b"one"] * 2, "row": [0, 1]}
    assert (rows.versions.tolist(), rows.predictions.tolist()) == ([7, 7], [7.5, 7.25])
    assert len(rows.where(np.array([True, False]))) == 1
