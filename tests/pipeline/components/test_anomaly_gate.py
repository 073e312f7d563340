"""The gate stops a run for what is wrong with its data, and says so; it lets good data pass."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from common.errors import UserError
from common.lean_beam import lean_beam
from models.declaration import Label
from models.features import LABEL
from pipeline.beam import in_process
from pipeline.components import anomaly_gate as gate
from pipeline.components.accepted_statistics import AcceptedStatistics
from pipeline.components.resolvers import OtherAcceptedStrategy
from pipeline.settings import ROOT
from schema import distances, findings, plausibility
from schema.validation import inspect, read_findings

SCHEMA_FILE = Path(__file__).parents[3] / "schema" / "schema.pbtxt"
SCHEMA = tfdv.load_schema_text(str(SCHEMA_FILE))
TEXT = pa.large_list(pa.large_binary())
TYPES = {"FLOAT": pa.large_list(pa.float32()), "INT": pa.large_list(pa.int64()), "BYTES": TEXT}
COLUMN_TYPES = {
    **{f.name: TYPES["FLOAT"] for f in SCHEMA.feature if f.HasField("float_domain")},
    **{f.name: TYPES["INT"] for f in SCHEMA.feature if f.HasField("int_domain")},
}


def births(n: int, seed: int = 0) -> pd.DataFrame:
    """Births as the query gives them: half without an ultrasound, some things unknown."""
    rng = np.random.default_rng(seed)
    seen = rng.random(n) < 0.5
    weeks = np.clip(np.round(rng.normal(39, 2, n)), 24, 44)

    def words(*values: str | None, p: list[float]) -> np.ndarray:
        return rng.choice(np.array(values, dtype=object), n, p=p)

    return pd.DataFrame(
        {
            "weight_pounds": np.clip(7.3 + 0.25 * (weeks - 39) + rng.normal(0, 1, n), 1, 15),
            "is_male": np.where(seen, rng.choice(["True", "False"], n), "Unknown"),
            "mother_age": np.clip(np.round(rng.normal(27, 6, n)), 14, 48),
            "plurality": np.where(rng.random(n) < 0.97, "Single(1)", "Multiple(2+)"),
            "gestation_weeks": weeks,
            "mother_race": words("White", "Black", "Other", None, p=[0.5, 0.1, 0.1, 0.3]),
            "cigarette_use": words("True", "False", None, p=[0.03, 0.37, 0.6]),
            "alcohol_use": words("True", "False", None, p=[0.01, 0.59, 0.4]),
            "year": rng.integers(2001, 2009, n),
            "month": rng.integers(1, 13, n),
        }
    )


def records(frame: pd.DataFrame) -> pa.RecordBatch:
    """As the examples have it: a list per value, null for what is missing."""
    arrays = []
    for name in frame:
        kind = COLUMN_TYPES.get(str(name), TEXT)
        if any(isinstance(value, str) for value in frame[name]):
            kind = TEXT
        arrays.append(pa.array([None if v is None else [v] for v in frame[name].tolist()], kind))
    return pa.record_batch(arrays, [str(name) for name in frame])


def statistics(frame: pd.DataFrame):
    return stats_impl.generate_statistics_in_memory(records(frame), StatsOptions())


def found_in(frame: pd.DataFrame, split: str = "train") -> dict[str, list[findings.Finding]]:
    """What ExampleValidator and the gate make of some births, by feature."""
    stats = statistics(frame)
    # As ExampleValidator calls it: without an environment.
    anomalies = tfdv.validate_statistics(stats, SCHEMA)
    result: dict[str, list[findings.Finding]] = {}
    for finding in findings.findings(anomalies, stats, SCHEMA, split, "run/schema.pbtxt"):
        result.setdefault(finding.feature, []).append(finding)
    return result


@pytest.fixture(scope="module")
def good() -> pd.DataFrame:
    return births(1000)


@pytest.fixture(scope="module")
def bad(good: pd.DataFrame) -> pd.DataFrame:
    """Everything that can be wrong with single columns, one thing per column."""
    frame = good.copy()
    frame.loc[:1, "plurality"] = "Sextuplets(6)"
    frame.loc[0, "weight_pounds"] = -3.0
    frame.loc[1, "weight_pounds"] = 99.0
    frame.loc[2, "gestation_weeks"] = float("nan")
    frame["mother_age"] = frame["mother_age"].astype(int).astype(str)
    frame.loc[:9, "is_male"] = None
    frame.loc[0, "year"] = 1917
    frame["eye_colour"] = "green"
    return frame.drop(columns="month")


@pytest.fixture(scope="module")
def wrong(bad: pd.DataFrame) -> dict[str, list[findings.Finding]]:
    return found_in(bad)


def test_good_examples_have_no_findings(good):
    assert found_in(good) == {}


def test_years_that_did_not_ask_about_smoking_are_fine(good):
    early = good.assign(cigarette_use=None, mother_race=None)
    assert found_in(early) == {}
    assert found_in(early.drop(columns=["cigarette_use", "alcohol_use"])) == {}


def test_every_wrong_column_is_found_and_no_other(wrong):
    assert set(wrong) == {
        "plurality",
        "weight_pounds",
        "gestation_weeks",
        "mother_age",
        "is_male",
        "year",
        "eye_colour",
        "month",
    }
    assert {f.severity for found in wrong.values() for f in found} == {"error"}


@pytest.mark.parametrize(
    ("feature", "found", "expected", "cure"),
    [
        ("plurality", "'Sextuplets(6)' in 0.2% of examples", "one of 'Single(1)'", "propose"),
        (
            "gestation_weeks",
            "NaN in 0.1% of examples",
            "a number from 17 to 47",
            "change the column",
        ),
        ("mother_age", "text (BYTES)", "numbers (FLOAT)", "change the column"),
        ("is_male", "no value in 1% of examples", "a value in every example", "propose"),
        ("year", "a smallest value of 1917", "a number from 1969 to 2008", "widen the range"),
        ("eye_colour", "a column of text (BYTES)", "only the columns of the schema", "propose"),
        ("month", "no value in any example", "a value in every example", "change the column"),
    ],
)
def test_a_finding_says_what_was_found_and_expected(wrong, feature, found, expected, cure):
    (finding,) = wrong[feature]
    assert finding.found == found
    assert finding.expected.startswith(expected)
    assert cure in finding.cure


def test_both_ends_of_a_range_are_told(wrong):
    assert [(f.found, f.expected) for f in wrong["weight_pounds"]] == [
        ("a smallest value of -3", "a number from 0.002 to 20"),
        ("a largest value of 99", "a number from 0.002 to 20"),
    ]


def test_the_command_that_accepts_names_the_inferred_schema(wrong):
    assert "--inferred run/schema.pbtxt --write" in wrong["plurality"][0].cure


def test_a_split_without_examples_is_an_error(good):
    (finding,) = found_in(good.iloc[:0])["(all columns)"]
    assert (finding.severity, finding.found) == ("error", "no example")


def test_a_split_without_examples_comes_first_and_stops_whatever_else_is_wrong(bad):
    stats = {"train": statistics(bad), "eval": statistics(bad.iloc[:0])}
    anomalies = {split: tfdv.validate_statistics(of, SCHEMA) for split, of in stats.items()}
    found = inspect(anomalies, stats, {}, SCHEMA, "run/schema.pbtxt")
    assert len(found) > 5
    assert (found[0].split, found[0].found) == ("eval", "no example")
    assert findings.blocking(found, "never") == found[:1]


def label_found(frame: pd.DataFrame, *, label: Label = LABEL) -> dict[str, findings.Finding]:
    """What the declaration of the label alone has against some births, by kind."""
    return {f.kind: f for f in plausibility.implausible(statistics(frame), "train", label)}


class TestImplausibleLabel:
    def test_kilograms_are_refused_without_any_run_before(self, good):
        found = label_found(good.assign(weight_pounds=good["weight_pounds"] * 0.45359237))
        assert set(found) == {plausibility.MEAN, plausibility.SPREAD}
        mean = found[plausibility.MEAN]
        assert (mean.severity, mean.feature) == ("error", "weight_pounds")
        assert str(mean) == (
            "error in train: weight_pounds: found a mean of 3.289 lb over 1,000 examples; expected "
            "one from 6 to 8.5 lb."
        )
        assert "change plausible_mean of LABEL in models/features.py" in mean.cure
        assert "change plausible_spread" in found[plausibility.SPREAD].cure

    def test_in_a_run_they_are_found_beside_the_anomalies(self, good):
        light = good.assign(weight_pounds=good["weight_pounds"] * 0.45359237)
        stats = {"train": statistics(light), "eval": statistics(good)}
        anomalies = {split: tfdv.validate_statistics(of, SCHEMA) for split, of in stats.items()}
        found = inspect(anomalies, stats, {}, SCHEMA, "run/schema.pbtxt")
        kinds = {(f.split, f.kind) for f in findings.blocking(found, "error")}
        assert ("train", plausibility.MEAN) in kinds
        assert ("eval", plausibility.MEAN) not in kinds

    def test_one_value_everywhere_is_no_label(self, good):
        found = label_found(good.assign(weight_pounds=7.25))
        assert set(found) == {plausibility.CONSTANT}
        assert found[plausibility.CONSTANT].severity == "error"
        assert "found the one value 7.25 lb in all 1,000 examples" in str(
            found[plausibility.CONSTANT]
        )

    def test_chance_explains_the_mean_of_a_few(self, good):
        light = good.nsmallest(12, "weight_pounds")
        assert light["weight_pounds"].mean() < 6
        assert label_found(light) == {}

    def test_a_label_of_which_nothing_is_declared_may_be_any_but_constant(self, good):
        label = Label("weight_pounds", "", -1e9, 1e9, "a number", noun="number")
        assert label_found(good.assign(weight_pounds=-good["weight_pounds"]), label=label) == {}
        assert set(label_found(good.assign(weight_pounds=-3.0), label=label)) == {
            plausibility.CONSTANT
        }

    def test_no_value_at_all_is_left_to_the_anomalies(self, good):
        assert label_found(good.drop(columns="weight_pounds")) == {}


class TestSkew:
    def test_two_samples_of_the_same_births_pass(self, good):
        other = statistics(births(200, seed=1))
        assert distances.skew(statistics(good), other, SCHEMA, "eval") == []

    def test_a_handful_of_births_proves_nothing(self, good):
        assert distances.skew(statistics(good), statistics(good.iloc[:5]), SCHEMA, "eval") == []

    def test_other_units_other_words_and_columns_not_filled_are_found(self, good):
        other = births(1000, seed=2)
        other["weight_pounds"] *= 0.4536
        other["is_male"] = "Unknown"
        other["alcohol_use"] = None
        found = distances.skew(statistics(good), statistics(other), SCHEMA, "eval")
        said = {f.feature: f.found for f in found}
        assert set(said) == {"weight_pounds", "is_male", "alcohol_use"}
        assert "the mean 7.25 and 3.31" in said["weight_pounds"]
        assert "'Unknown' 5" in said["is_male"] and "100% of eval" in said["is_male"]
        assert said["alcohol_use"].endswith("no value at all in eval")
        assert {(f.kind, f.severity, f.split) for f in found} == {("SKEW", "error", "eval")}

    def test_a_missing_required_column_does_not_break_the_comparison(self, good):
        other = statistics(good.drop(columns=["mother_age", "is_male"]))
        distances.skew(statistics(good), other, SCHEMA, "eval")
        distances.skew(other, statistics(good), SCHEMA, "eval")


class TestDrift:
    def test_the_same_births_a_year_on_pass(self, good):
        now = statistics(births(800, seed=3))
        assert distances.drift(statistics(good), now, SCHEMA, "train") == []

    def test_births_that_changed_are_a_warning_that_says_where(self, good):
        later = births(1000, seed=4)
        later["gestation_weeks"] -= 6
        later["is_male"] = "Unknown"
        found = distances.drift(statistics(good), statistics(later), SCHEMA, "train")
        said = {f.feature: f.found for f in found}
        assert set(said) == {"gestation_weeks", "is_male"}
        assert "'Unknown' 5" in said["is_male"] and "100% of this run" in said["is_male"]
        assert {(f.kind, f.severity, f.split) for f in found} == {("DRIFT", "warning", "train")}

    def test_another_label_stops_the_run(self, good):
        later = good.assign(weight_pounds=good["weight_pounds"] * 0.45359237)
        found = distances.drift(statistics(good), statistics(later), SCHEMA, "train")
        assert [(f.feature, f.kind, f.severity) for f in found] == [
            ("weight_pounds", "DRIFT", "error")
        ]
        assert "the mean 7.25 and 3.29" in found[0].found
        assert "drift_comparator in schema/schema.pbtxt" in found[0].cure
        assert findings.blocking(found, "error") == found

    def test_every_distance_is_told_with_its_bound(self, good):
        now = statistics(births(800, seed=3))
        told = distances.distances(statistics(good), now, SCHEMA, distances.DRIFT)
        with_comparator = {f.name for f in SCHEMA.feature if f.HasField("drift_comparator")}
        assert {d.feature for d in told} == with_comparator
        assert all(0 <= d.value <= d.bound for d in told)


def finding(severity: str, feature: str = "plurality") -> findings.Finding:
    return findings.Finding("train", feature, "K", severity, "this", "that", "Do it.")


@pytest.mark.parametrize(
    ("severity", "stopping"),
    [("error", ["error"]), ("warning", ["error", "warning"]), ("never", [])],
)
def test_only_findings_of_the_severity_stop(severity, stopping):
    found = [finding("error"), finding("warning")]
    assert [f.severity for f in findings.blocking(found, severity)] == stopping


def test_the_failure_carries_every_finding_across_processes():
    failure = findings.AnomaliesFound([finding("error"), finding("warning", "is_male")], "error")
    copy = pickle.loads(pickle.dumps(failure))
    assert copy.findings == failure.findings
    text = str(copy)
    assert "error in train: plurality: found this; expected that." in text
    assert "warning in train: is_male: found this; expected that." in text
    assert text.count("Do it.") == 1
    assert "anomaly_severity to 'never'" in copy.cure


def write_split(folder: Path, frame: pd.DataFrame) -> None:
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "examples")) as writer:
        for example in RecordBatchToExamplesEncoder().encode(records(frame)):
            writer.write(example)


def run_pipeline(folder: Path, severity: str) -> None:
    """Everything from examples to the gate and behind it, as the project's pipeline has it."""
    split = tfx.proto.Input.Split
    examples = tfx.components.ImportExampleGen(
        input_base=str(folder / "examples"),
        input_config=tfx.proto.Input(
            splits=[split(name="train", pattern="train/*"), split(name="eval", pattern="eval/*")]
        ),
    )
    stats = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    previous = tfx.dsl.Resolver(
        strategy_class=OtherAcceptedStrategy,
        statistics=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics),
    ).with_id("PreviousStatistics")
    previous.add_upstream_node(stats)
    inferred = tfx.components.SchemaGen(statistics=stats.outputs["statistics"])
    agreed = tfx.components.ImportSchemaGen(schema_file=str(SCHEMA_FILE)).with_id("CheckedSchema")
    anomalies = tfx.components.ExampleValidator(
        statistics=stats.outputs["statistics"], schema=agreed.outputs["schema"]
    )
    step = gate.AnomalyGate(
        anomalies=anomalies.outputs["anomalies"],
        statistics=stats.outputs["statistics"],
        schema=agreed.outputs["schema"],
        inferred=inferred.outputs["schema"],
        previous=previous.outputs["statistics"],
        severity=severity,
    )
    accepted = AcceptedStatistics(statistics=stats.outputs["statistics"])
    accepted.add_upstream_node(step)
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(folder / "metadata.db")
    )
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="gated",
        pipeline_root=str(folder / "root"),
        components=[examples, previous, stats, inferred, agreed, anomalies, step, accepted],
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=[*in_process(ROOT / "setup.py")],
    )
    with lean_beam():
        tfx.orchestration.LocalDagRunner().run(pipeline)


def executions(folder: Path, state: int) -> list[str]:
    """Types of the executions in a state."""
    config = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(folder / "metadata.db")
    )
    with metadata.Metadata(config) as store:
        return [e.type for e in store.store.get_executions() if e.last_known_state == state]


def test_in_a_pipeline_it_fails_with_all_findings_or_passes_with_them_in_a_file(
    tmp_path, good, bad
):
    write_split(tmp_path / "examples" / "train", good)
    write_split(tmp_path / "examples" / "eval", bad)

    with pytest.raises(findings.AnomaliesFound) as failure:
        run_pipeline(tmp_path, "error")
    assert executions(tmp_path, metadata_store_pb2.Execution.FAILED) == [
        "pipeline.components.anomaly_gate.AnomalyGate"
    ]
    assert "eval: plurality: found 'Sextuplets(6)' in 0.2% of examples" in str(failure.value)
    (schema,) = (tmp_path / "root" / "SchemaGen").rglob("schema.pbtxt")
    assert f"schema.propose --inferred {schema} --write" in str(failure.value)

    run_pipeline(tmp_path, "never")
    (report,) = (tmp_path / "root" / "AnomalyGate" / "report").glob("*/value")
    assert read_findings(str(report)) == list(failure.value.findings)


def test_data_that_was_rejected_is_rejected_again(tmp_path, good):
    def run(frame: pd.DataFrame) -> None:
        for name in ("train", "eval"):
            shutil.rmtree(tmp_path / "examples" / name, ignore_errors=True)
            write_split(tmp_path / "examples" / name, frame)
        run_pipeline(tmp_path, "warning")

    run(good)
    drifted = good.assign(plurality="Single(1)", mother_race="White")
    for _ in range(2):
        with pytest.raises(findings.AnomaliesFound, match="mother_race"):
            run(drifted)
    run(good)


def test_an_unknown_severity_is_refused():
    artifact = tfx.types.standard_artifacts
    with pytest.raises(UserError, match="anomaly_severity is 'fatal'"):
        gate.AnomalyGate.test_call(
            anomalies=artifact.ExampleAnomalies(),
            statistics=artifact.ExampleStatistics(),
            schema=artifact.Schema(),
            report=artifact.JsonValue(),
            severity="fatal",
        )
