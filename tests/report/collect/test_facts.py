"""Each figure that a page shows is the one in the artifacts, read there in another way."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from real_runs import Runs

from models.declaration import UNKNOWN
from models.feature_kinds import categories, numbers
from models.features import CROSSES, LABEL
from models.judging import PUBLISHED
from pipeline.settings import load_settings
from report.collect.collector import collect_facts
from report.collect.run_artifacts import RunArtifacts
from report.facts import Artifact, ErrorGroup, Facts, Lineage
from report.run_info import RunInfo
from schema.distances import SKEW, distances
from schema.validation import read_schema, read_statistics

pytestmark = pytest.mark.slow

Births = dict[str, list[dict[str, Any]]]
Artifacts = dict[str, Artifact]


@pytest.fixture(scope="module")
def births(runs: Runs) -> Births:
    """The examples of each split, one by one; None where there is no value."""
    examples = runs.artifacts("first").examples
    assert examples is not None
    found: Births = {}
    for split in ("train", "eval", "test"):
        files = sorted(map(str, Path(examples.uri, f"Split-{split}").glob("*.gz")))
        records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
        found[split] = [_values(tf.train.Example.FromString(record)) for record in records]
    return found


def _values(example: tf.train.Example) -> dict[str, Any]:
    values = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        given = getattr(feature, kind).value if kind else []
        value = given[0] if given else UNKNOWN
        values[name] = value.decode() if isinstance(value, bytes) else value
    return values


@pytest.fixture(scope="module")
def artifacts(runs: Runs) -> dict[str, Artifact]:
    return vars(runs.artifacts("first"))


class TestVerdictAndSlices:
    def test_slices_are_tfmas_the_worst_first(self, first: Facts, artifacts: Artifacts):
        result = tfma.load_eval_result(artifacts["evaluation"].uri)
        expected = {
            tuple(key[0]) if key else ("", ""): metrics[""][""]
            for key, metrics in result.slicing_metrics
        }
        assert {(s.feature, s.value) for s in first.slices} == set(expected)
        for of in first.slices:
            theirs = expected[of.feature, of.value]
            assert of.examples == theirs["example_count"]["doubleValue"]
            for ours, name in (
                (of.rmse, "root_mean_squared_error"),
                (of.mae, "mean_absolute_error"),
                (of.calibration, "calibration"),
            ):
                value, interval = _read(theirs[name])
                assert (ours.value, ours.interval) == (value, interval)
                assert interval is None or interval[0] < value < interval[1]
            prediction, label = _read(theirs["mean_prediction"]), _read(theirs["mean_label"])
            assert of.bias.value == pytest.approx(prediction[0] - label[0])
        assert first.slices[0].feature == ""
        assert first.slices[0].rmse.interval
        errors = [of.rmse.value for of in first.slices[1:]]
        assert errors == sorted(errors, reverse=True)

    def test_small_slices_are_marked_and_not_judged(self, first: Facts):
        small = {of.value for of in first.slices if of.small}
        assert "Triplets(3)" in small and "Single(1)" not in small
        for of in first.slices:
            assert of.small is (of.feature != "" and of.examples < 200)
            assert not (of.judged and of.small)
        judged = {of.feature for of in first.slices if of.judged}
        assert "is_male" not in judged and "gestation_band" in judged

    def test_the_verdict_says_so_in_a_sentence(self, first: Facts):
        verdict = first.verdict
        assert verdict.outcome == "blessed"
        assert verdict.overall == first.slices[0]
        assert f"RMSE {first.slices[0].rmse.value:.4f} lb" in verdict.sentence
        assert "no baseline" in verdict.sentence
        assert verdict.pushed_to and Path(verdict.pushed_to, "saved_model.pb").is_file()
        assert verdict.bounds and verdict.bounds.max_rmse == verdict.bounds.max_rmse_rise == 20

    def test_what_it_must_beat_learned_from_the_same_rows(self, first: Facts, births: Births):
        labels = {split: np.array([b[LABEL.name] for b in births[split]]) for split in births}
        by_name = {reference.name: reference for reference in first.verdict.references}
        mean = math.sqrt(np.mean((labels["eval"] - labels["train"].mean()) ** 2))
        assert by_name["mean predictor"].rmse == pytest.approx(mean, rel=1e-5)
        tree, linear = by_name["gradient-boosted tree"], by_name["linear regression"]
        assert tree.rmse < linear.rmse < mean
        assert tree.same_rows
        assert tree.source == f"learned from {len(labels['train']):,} examples"
        published = first.verdict.references[-len(PUBLISHED) :]
        assert [(r.name, r.rmse, r.mae) for r in published] == [
            (p.model, p.rmse, p.mae) for p in PUBLISHED
        ]


def _read(metric: dict[str, Any]) -> tuple[float, tuple[float, float] | None]:
    """A value as TFMA gives it, and its interval; NaN, which small slices have, is none."""
    bounded = metric.get("boundedValue")
    if bounded is None:
        return metric["doubleValue"], None
    low, high = float(bounded["lowerBound"]), float(bounded["upperBound"])
    return bounded["value"], None if math.isnan(low) else (low, high)


class TestErrors:
    def test_every_grouping_holds_every_example_and_the_whole_error(
        self, first: Facts, births: Births
    ):
        errors = first.errors
        assert errors and first.verdict.overall
        count = len(births["eval"])
        assert errors.examples == errors.of == count
        assert sum(n for *_, n in errors.cells) == count
        for groups in (*errors.by.values(), errors.deciles):
            assert sum(group.examples for group in groups) == count
            squares = sum(group.examples * group.rmse**2 for group in groups)
            assert math.sqrt(squares / count) == pytest.approx(
                first.verdict.overall.rmse.value, rel=1e-4
            )
            assert [g.low for g in groups] == sorted(g.low for g in groups)
            assert all(g.tenth <= g.median <= g.ninetieth for g in groups)

    def test_groups_are_of_the_examples_they_name(self, first: Facts, births: Births):
        assert first.errors
        weeks = Counter(b["gestation_weeks"] for b in births["eval"])
        found = first.errors.by["gestation weeks"]
        assert {float(g.label): g.examples for g in found} == weeks
        term = [b[LABEL.name] for b in births["eval"] if b["gestation_weeks"] == 39]
        assert _group(found, "39").mean_label == pytest.approx(np.mean(term), rel=1e-5)
        heavy = [b for b in births["eval"] if 8 <= b[LABEL.name] < 9]
        assert _group(first.errors.by["weight band"], "8 to 9 lb").examples == len(heavy)

    def test_deciles_are_of_equal_count_and_rise(self, first: Facts):
        assert first.errors
        counts = [group.examples for group in first.errors.deciles]
        means = [group.mean_prediction for group in first.errors.deciles]
        assert len(counts) == 10 and max(counts) - min(counts) <= 1
        assert means == sorted(means)


class TestCoverage:
    def test_intervals_are_judged_on_births_that_made_none(self, first: Facts, births: Births):
        coverage = first.coverage
        assert coverage
        assert coverage.learned_from == len(births["eval"])
        assert coverage.overall.examples == len(births["test"])
        assert coverage.overall.held == pytest.approx({80: 0.8, 95: 0.95}, abs=0.03)
        assert coverage.overall.width[80] < coverage.overall.width[95]

    def test_slices_add_up(self, first: Facts, births: Births):
        assert first.coverage
        by_sex = [s for s in first.coverage.slices if s.feature == "is_male"]
        counts = Counter(b["is_male"] for b in births["test"])
        assert {s.value: s.examples for s in by_sex} == counts
        for level, held in first.coverage.overall.held.items():
            within = sum(s.examples * s.held[level] for s in by_sex)
            assert within == pytest.approx(held * len(births["test"]))


def _group(groups: tuple[ErrorGroup, ...], label: str) -> ErrorGroup:
    return next(group for group in groups if group.label == label)


class TestData:
    def test_rows_and_months_are_counted(self, first: Facts, births: Births):
        assert first.data
        assert first.data.rows == {split: len(its) for split, its in births.items()}
        months = {
            (int(b["year"]), int(b["month"]), split): n
            for split, its in births.items()
            for (b, n) in _counted(its, "year", "month")
        }
        assert {(y, m, split): n for y, m, split, n in first.data.months} == months
        assert not first.data.months_estimated

    def test_distributions_are_of_the_examples(self, first: Facts, births: Births):
        assert first.data
        for place, split in enumerate(births):
            words = first.data.columns["mother_race"][place]
            found = Counter(b["mother_race"] for b in births[split])
            missing = found.pop(UNKNOWN)
            assert words.split == split
            assert dict(words.values) == found
            assert words.missing == pytest.approx(missing / len(births[split]))
            weights = np.array([b[LABEL.name] for b in births[split]])
            number = first.data.columns[LABEL.name][place]
            assert (number.minimum, number.maximum) == (weights.min(), weights.max())
            assert number.mean == pytest.approx(weights.mean(), rel=1e-5)
            assert number.deviation == pytest.approx(weights.std(), rel=1e-5)
            assert sum(n for *_, n in number.histogram) == pytest.approx(len(weights))

    def test_distances_are_those_the_gate_measures(self, first: Facts, artifacts: Artifacts):
        assert first.data
        statistics = artifacts["statistics"]
        by_split = read_statistics(statistics.uri, statistics.splits)
        schema = read_schema(artifacts["schema"].uri)
        assert set(first.data.skew) == {"eval", "test"}
        for split, found in first.data.skew.items():
            assert list(found) == distances(by_split["train"], by_split[split], schema, SKEW)
        assert first.data.drift is None  # There was no run before.
        assert first.data.findings == ()
        assert first.data.schema_diff == ""


def _counted(births: list[dict], *names: str) -> list[tuple[dict, int]]:
    counts = Counter(tuple(b[name] for name in names) for b in births)
    return [(dict(zip(names, key, strict=True)), n) for key, n in counts.items()]


class TestTransformAndTraining:
    def test_vocabularies_are_those_of_the_graph(self, first: Facts, artifacts: Artifacts):
        assert first.transformed
        assets = Path(artifacts["transform_graph"].uri, "transform_fn", "assets")
        for category in categories():
            words = (assets / category.name).read_text().splitlines()
            assert list(first.transformed.vocabularies[category.name]) == words

    def test_words_that_training_never_saw_are_counted(self, first: Facts, births: Births):
        assert first.transformed
        for name, share in first.transformed.unseen.items():
            known = {b[name] for b in births["train"]}
            unseen = sum(b[name] not in known for b in births["eval"])
            assert share == pytest.approx(unseen / len(births["eval"]))

    def test_boundaries(self, first: Facts, births: Births):
        assert first.transformed
        found = first.transformed.boundaries
        assert found["mother_age_bucket"] == tuple(range(15, 46))
        ages = np.array([b["mother_age"] for b in births["train"]])
        below = [np.mean(ages < boundary) for boundary in found["mother_age_quantile"]]
        # Of equal count, as far as whole years allow.
        assert below == pytest.approx(np.arange(1, 10) / 10, abs=0.06)

    def test_crosses_collide_as_their_hash_says(self, first: Facts, births: Births):
        assert first.transformed
        boundaries = {n.name: n.boundaries for n in numbers()}
        for cross, use in zip(CROSSES, first.transformed.crosses, strict=True):
            joined = Counter(
                "|".join(
                    str(np.digitize(b[p], boundaries[p])) if p in boundaries else str(b[p])
                    for p in cross.parents
                )
                for b in births["train"]
            )
            buckets = tf.strings.to_hash_bucket_fast(list(joined), cross.buckets).numpy()
            sizes = Counter(buckets)
            shared = [sizes[bucket] > 1 for bucket in buckets]
            colliding = sum(
                n for n, is_shared in zip(joined.values(), shared, strict=True) if is_shared
            )
            assert (use.parents, use.buckets) == (cross.parents, cross.buckets)
            assert use.combinations == len(joined)
            assert use.used == len(sizes)
            assert use.colliding == pytest.approx(np.mean(shared))
            assert use.colliding_examples == pytest.approx(colliding / len(births["train"]))
            assert 0 <= use.expected < 1
        assert any(use.colliding > 0 for use in first.transformed.crosses)

    def test_training_is_that_of_its_record(self, first: Facts, artifacts: Artifacts):
        assert first.training
        record = json.loads(Path(artifacts["training"].uri, "training.json").read_text())
        assert first.training.best_step == record["best_step"]
        assert [r.val_rmse for r in first.training.records] == [
            r["val_rmse"] for r in record["records"]
        ]
        assert [r.step for r in first.training.records] == [20, 40, 60]
        assert first.training.batch_size == 128


class TestProvenance:
    def test_executions_follow_the_dag(self, first: Facts):
        known, upstream = first.lineage, first.info.upstream
        assert {e.component for e in known.executions} == set(upstream)
        assert {e.state for e in known.executions} == {"complete"}
        makers = {
            artifact: execution.component
            for execution in known.executions
            for ids in execution.outputs.values()
            for artifact in ids
        }
        for execution in known.executions:
            assert execution.seconds is not None
            inputs = {i for ids in execution.inputs.values() for i in ids}
            assert {makers[i] for i in inputs} <= set(upstream[execution.component])
        assert all(Path(a.uri).exists() for a in known.artifacts.values())

    def test_the_command_repeats_the_settings(self, first: Facts, runs: Runs):
        python, script, *flags = shlex.split(first.info.command)
        assert (python, script) == ("python", "local_runner.py")
        again = load_settings(flags)
        assert again.to_dict() == runs.settings().to_dict() == first.info.settings
        assert "--run-root" not in flags

    def test_queries_versions_and_fingerprints(self, first: Facts):
        known = first.info
        assert set(known.queries) == {"train", "eval", "test"}
        assert all("FARM_FINGERPRINT" in query for query in known.queries.values())
        assert first.versions["tensorflow"] == tf.__version__
        assert len(known.fingerprints["births"]) == 64
        assert {"transform", "training"} <= set(known.fingerprints)


class TestLess:
    """A run of which something is missing is known as far as it goes."""

    def info(self, runs: Runs) -> RunInfo:
        return runs.past("first").known_info()

    def test_what_vertex_gives_is_enough(self, first: Facts, runs: Runs):
        facts = collect_facts(runs.artifacts("first"), self.info(runs), "first", Lineage())
        assert facts.lineage.executions == ()
        assert replace(facts, made=first.made, lineage=first.lineage) == first

    def test_a_run_without_test_split(self, first: Facts, runs: Runs):
        names = {"split_names": '["train", "eval"]'}
        run = runs.artifacts("first")
        two = {
            part: replace(found, properties={**found.properties, **names})
            for part, found in vars(run).items()
            if found is not None and part in ("examples", "statistics", "anomalies")
        }
        facts = collect_facts(replace(run, **two), self.info(runs), "first", Lineage())
        assert facts.data and set(facts.data.rows) == {"train", "eval"}
        assert set(facts.data.skew) == {"eval"}
        assert facts.coverage is None
        assert facts.verdict == first.verdict

    def test_nothing_at_all(self, runs: Runs):
        facts = collect_facts(RunArtifacts(), self.info(runs), "empty", Lineage())
        assert facts.verdict.outcome == "not evaluated"
        assert facts.data is facts.errors is facts.transformed is facts.training is None
        assert facts.coverage is None
