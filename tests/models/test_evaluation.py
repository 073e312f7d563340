"""The evaluation: its numbers are right, and its verdict is the one the bounds ask for.

The models judged here are one-liners with known errors; TFX's Evaluator, TFMA and our metrics are
the real ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_model_analysis.api.types import VarLenTensorValue
from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator.executor import Executor
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils
from tfx_bsl.public import tfxio

from common.lean_beam import lean_beam
from models.declaration import UNKNOWN, Bounds
from models.evaluation import eval_config
from models.features import BANDS, LABEL, SLICES
from models.metrics import FORMULAS, JUDGED
from models.names import EXAMPLES, PREDICTION
from models.resampling import RESAMPLING_GROUPS, resampling_groups
from models.slicing import slice_values
from pipeline.beam import in_process
from pipeline.settings import ROOT
from schema.propose import SCHEMA_FILE

Row = dict[str, Any]
SliceKey = tuple[tuple[str, str], ...]
Metrics = dict[SliceKey, dict[str, float]]

BEAM: list[Any] = [*in_process(ROOT / "setup.py")]
# The rule below keeps to them; in slices smaller than these it would not.
BOUNDS = Bounds(
    max_rmse=1.5,
    max_slice_rmse=2.0,
    max_rmse_rise=0.02,
    max_slice_rmse_rise=0.5,
    min_slice_size=30,
    judged_slices=("plurality", "gestation_band"),
)


# Of Student's t with 19 degrees of freedom, two-sided; what TFMA multiplies standard errors with.
STUDENT_19 = 2.093
LIGHTER = -0.4  # Pounds off each prediction: enough to be worse.


class Rule(tf.Module):
    """Weighs a birth by its weeks: 7.3 lb at 39 weeks, and some more."""

    def __init__(self, more: float) -> None:
        super().__init__()
        self._more = tf.constant(more)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"gestation_weeks": tf.io.FixedLenFeature([], tf.float32)}
        weeks = tf.io.parse_example(examples, spec)["gestation_weeks"]
        return {PREDICTION: weigh(weeks) + self._more}


def weigh(weeks: Any) -> Any:
    return 7.3 + 0.2 * (weeks - 39)


@pytest.fixture(scope="module")
def saved_rule(tmp_path_factory) -> Callable[[float], standard_artifacts.Model]:
    """A Model artifact of a rule that weighs too heavy by so many pounds."""

    def save(more: float) -> standard_artifacts.Model:
        artifact = standard_artifacts.Model()
        artifact.uri = str(tmp_path_factory.mktemp("model"))
        rule = Rule(more)
        tf.saved_model.save(rule, f"{artifact.uri}/Format-Serving", {EXAMPLES: rule.serve})
        return artifact

    return save


@dataclasses.dataclass
class Verdict:
    """What an Evaluator made of a model."""

    folder: str
    blessed: bool

    @property
    def metrics(self) -> Metrics:
        """Of the candidate, by slice and name."""
        found: Metrics = {}
        for record in tfma.load_metrics(self.folder):
            key = tuple(
                (single.column, single.bytes_value.decode())
                for single in record.slice_key.single_slice_keys
            )
            found[key] = {
                m.key.name: m.value.double_value.value
                for m in record.metric_keys_and_values
                if not m.key.is_diff and m.key.model_name != "baseline"
            }
        return found

    @property
    def intervals(self) -> dict[SliceKey, dict[tuple[str, str], tuple[float, float]]]:
        """Bounds by slice, by model (or "change") and name; only of what has an interval."""
        found: dict[SliceKey, dict[tuple[str, str], tuple[float, float]]] = {}
        for record in tfma.load_metrics(self.folder):
            key = tuple(
                (single.column, single.bytes_value.decode())
                for single in record.slice_key.single_slice_keys
            )
            found[key] = {
                ("change" if m.key.is_diff else m.key.model_name, m.key.name): (
                    m.confidence_interval.lower_bound.double_value.value,
                    m.confidence_interval.upper_bound.double_value.value,
                )
                for m in record.metric_keys_and_values
                if m.HasField("confidence_interval")
            }
        return found

    @property
    def failures(self) -> set[tuple[SliceKey, str, str]]:
        """What is not as the bounds ask: slice, metric and kind of bound."""
        result = tfma.load_validation_result(self.folder)
        return {
            (
                tuple(
                    (single.column, single.bytes_value.decode())
                    for single in sliced.slice_key.single_slice_keys
                ),
                failure.metric_key.name,
                "change" if failure.metric_key.is_diff else "value",
            )
            for sliced in result.metric_validations_per_slice
            for failure in sliced.failures
        }


@pytest.fixture(scope="module")
def evaluate(example_files, tmp_path_factory) -> Callable[..., Verdict]:
    """Runs TFX's Evaluator as the pipeline does."""
    examples = standard_artifacts.Examples()
    examples.uri = str(Path(example_files["eval"]).parents[1])
    examples.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    schema = standard_artifacts.Schema()
    # The only file of its folder.
    schema.uri = str(tmp_path_factory.mktemp("schema"))
    Path(schema.uri, SCHEMA_FILE.name).write_bytes(SCHEMA_FILE.read_bytes())

    def run(
        model: standard_artifacts.Model,
        bounds: Bounds = BOUNDS,
        baseline: standard_artifacts.Model | None = None,
    ) -> Verdict:
        folder = tmp_path_factory.mktemp("evaluation")
        evaluation = standard_artifacts.ModelEvaluation()
        evaluation.uri = str(folder / "evaluation")
        blessing = standard_artifacts.ModelBlessing()
        blessing.uri = str(folder / "blessing")
        inputs = {"examples": [examples], "model": [model], "schema": [schema]}
        if baseline:
            inputs["baseline_model"] = [baseline]
        context = Executor.Context(
            beam_pipeline_args=BEAM, tmp_dir=str(folder / "tmp"), unique_id="1"
        )
        with lean_beam():
            Executor(context).Do(
                inputs,
                {"evaluation": [evaluation], "blessing": [blessing]},
                {
                    "eval_config": proto_utils.proto_to_json(eval_config(bounds, code="")),
                    "module_path": "models.metrics",
                    "example_splits": "null",
                    "fairness_indicator_thresholds": "null",
                },
            )
        return Verdict(evaluation.uri, (folder / "blessing" / "BLESSED").exists())

    return run


@pytest.fixture(scope="module")
def first(evaluate, saved_rule) -> Verdict:
    """A first model, without a baseline."""
    return evaluate(saved_rule(0.0))


@pytest.fixture(scope="module")
def lighter(evaluate, saved_rule, births) -> Verdict:
    """A model that is worse than its baseline, by as much as is allowed."""
    bounds = dataclasses.replace(BOUNDS, max_rmse_rise=rise_of_rmse(births["eval"]) + 0.001)
    return evaluate(saved_rule(LIGHTER), bounds, saved_rule(0.0))


def rise_of_rmse(births: list[Row]) -> float:
    """From the rule to the lighter one."""
    errors = weigh(column(births, "gestation_weeks")) - column(births, LABEL.name)
    return math.sqrt(np.mean((errors + LIGHTER) ** 2)) - math.sqrt(np.mean(errors**2))


def column(births: list[Row], name: str) -> np.ndarray:
    return np.array([birth[name] for birth in births])


def expected_slice(birth: Row, key: str) -> str:
    """A second, plain reading of the declaration."""
    if key == "ultrasound":
        return "no" if birth["is_male"] == UNKNOWN else "yes"
    for band in BANDS:
        if band.name == key:
            return band.labels[sum(birth[band.source] >= edge for edge in band.edges)]
    return birth[key]


def expected_slices(births: list[Row]) -> dict[SliceKey, list[Row]]:
    slices: dict[SliceKey, list[Row]] = {(): births}
    for key in SLICES:
        for birth in births:
            slices.setdefault(((key, expected_slice(birth, key)),), []).append(birth)
    return slices


def expected_metrics(births: list[Row]) -> Metrics:
    metrics: Metrics = {}
    for key, members in expected_slices(births).items():
        label = column(members, LABEL.name)
        prediction = weigh(column(members, "gestation_weeks"))
        metrics[key] = {
            "root_mean_squared_error": np.sqrt(np.mean((prediction - label) ** 2)),
            "mean_absolute_error": np.mean(np.abs(prediction - label)),
            "mean_label": label.mean(),
            "mean_prediction": prediction.mean(),
            "bias": prediction.mean() - label.mean(),
            "calibration": prediction.mean() / label.mean(),
            "example_count": len(members),
        }
    return metrics


class TestMetrics:
    def test_every_slice_has_every_metric_as_numpy_has_it(self, first, births):
        expected = expected_metrics(births["eval"])
        found = first.metrics
        assert set(found) == set(expected)
        assert {key[0][0] for key in found if key} == set(SLICES)
        for key, metrics in expected.items():
            assert set(found[key]) == {*metrics, JUDGED}
            for name, value in metrics.items():
                assert found[key][name] == pytest.approx(value, rel=1e-5), (key, name)

    def test_they_are_those_of_stock_tfma(self, first, example_files, saved_rule, tmp_path):
        stock = stock_metrics(example_files["eval"], saved_rule(0.0), tmp_path)
        names = {
            "mean_squared_error": lambda ours: ours["root_mean_squared_error"] ** 2,
            "mean_absolute_error": lambda ours: ours["mean_absolute_error"],
            "mean_label": lambda ours: ours["mean_label"],
            "mean_prediction": lambda ours: ours["mean_prediction"],
            "calibration": lambda ours: ours["calibration"],
            "example_count": lambda ours: ours["example_count"],
        }
        plurality = {key for key in first.metrics if key and key[0][0] == "plurality"}
        assert set(stock) == {(), *plurality}
        for key, metrics in stock.items():
            for name, from_ours in names.items():
                ours = from_ours(first.metrics[key])
                assert metrics[name] == pytest.approx(ours, rel=1e-5), (key, name)

    def test_small_slices_are_shown_with_their_error_but_not_judged(self, first):
        sizes = {key: m["example_count"] for key, m in first.metrics.items()}
        assert min(sizes.values()) < BOUNDS.min_slice_size < max(sizes.values())
        for key, metrics in first.metrics.items():
            error = metrics["root_mean_squared_error"]
            large = sizes[key] >= BOUNDS.min_slice_size
            assert metrics[JUDGED] == pytest.approx(error if large else 0)
            assert error > 0


def analyse(
    example_files: str,
    model: standard_artifacts.Model,
    config: config_pb2.EvalConfig,
    folder: Path,
) -> str:
    """TFMA by itself."""
    source = tfxio.TFExampleRecord(
        example_files,
        raw_record_column_name=tfma.constants.ARROW_INPUT_COLUMN,
        schema=tfdv.load_schema_text(str(SCHEMA_FILE)),
        telemetry_descriptors=["test"],
    )
    shared = tfma.default_eval_shared_model(f"{model.uri}/Format-Serving", eval_config=config)
    with beam.Pipeline(options=PipelineOptions(BEAM)) as pipeline:
        _ = (
            pipeline
            | source.BeamSource()
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=config,
                eval_shared_model=shared,
                output_path=str(folder),
                tensor_adapter_config=source.TensorAdapterConfig(),
            )
        )
    return str(folder)


def stock_metrics(example_files: str, model: standard_artifacts.Model, folder: Path) -> Metrics:
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=EXAMPLES, label_key=LABEL.name, model_type=tfma.TF_GENERIC
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            config_pb2.SlicingSpec(feature_keys=["plurality"]),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name=name)
                    for name in (
                        "MeanSquaredError",
                        "MeanAbsoluteError",
                        "MeanLabel",
                        "MeanPrediction",
                        "Calibration",
                        "ExampleCount",
                    )
                ]
            )
        ],
    )
    return Verdict(analyse(example_files, model, config, folder), False).metrics


class TestVerdict:
    def test_a_first_model_within_the_bounds_is_blessed(self, first):
        assert first.blessed
        assert first.failures == set()

    def test_slices_that_are_too_small_stop_nothing(self, first):
        beyond = [
            metrics["example_count"]
            for key, metrics in first.metrics.items()
            if key
            and key[0][0] in BOUNDS.judged_slices
            and metrics["root_mean_squared_error"] > BOUNDS.max_slice_rmse
        ]
        assert beyond
        assert max(beyond) < BOUNDS.min_slice_size

    def test_too_high_an_error_is_not_blessed_and_the_slice_is_named(
        self, evaluate, saved_rule, first
    ):
        large = {
            key: metrics["root_mean_squared_error"]
            for key, metrics in first.metrics.items()
            if key
            and key[0][0] in BOUNDS.judged_slices
            and metrics["example_count"] >= BOUNDS.min_slice_size
        }
        worst = max(large, key=large.__getitem__)
        strict = dataclasses.replace(
            BOUNDS, max_rmse=0.5, max_slice_rmse=sorted(large.values())[-2]
        )
        verdict = evaluate(saved_rule(0.0), strict)
        assert not verdict.blessed
        assert verdict.failures == {
            ((), "root_mean_squared_error", "value"),
            (worst, JUDGED, "value"),
        }

    def test_a_rise_over_the_baseline_beyond_the_bound_is_not_blessed(
        self, evaluate, saved_rule, lighter, births
    ):
        rise = rise_of_rmse(births["eval"])
        assert rise > 0
        assert lighter.blessed
        strict = dataclasses.replace(BOUNDS, max_rmse_rise=rise - 0.001)
        verdict = evaluate(saved_rule(LIGHTER), strict, saved_rule(0.0))
        assert not verdict.blessed
        assert verdict.failures == {((), "root_mean_squared_error", "change")}


def birth_of_rows(rows: list[Row]) -> np.ndarray:
    """A number for each birth; its two examples have the same."""
    numbers: dict[tuple, int] = {}
    return np.array(
        [
            numbers.setdefault(
                tuple(value for name, value in row.items() if name not in ("is_male", "plurality")),
                len(numbers),
            )
            for row in rows
        ]
    )


def resampled(rows: list[Row], more: float = 0.0) -> dict[str, np.ndarray]:
    """Metrics of a rule over a thousand bootstrap samples of the births in these rows."""
    birth = birth_of_rows(rows)
    labels = column(rows, LABEL.name)
    predictions = weigh(column(rows, "gestation_weeks")) + more
    errors = predictions - labels
    draws = np.random.default_rng(1).integers(birth.max() + 1, size=(1000, birth.max() + 1))

    def total(terms: np.ndarray) -> np.ndarray:
        return np.bincount(birth, terms)[draws].sum(axis=1)

    count = total(np.ones_like(labels))
    return {
        "root_mean_squared_error": np.sqrt(total(errors**2) / count),
        "mean_absolute_error": total(np.abs(errors)) / count,
        "mean_label": total(labels) / count,
        "mean_prediction": total(predictions) / count,
        "bias": (total(predictions) - total(labels)) / count,
        "calibration": total(predictions) / total(labels),
    }


def assert_widths(
    intervals: dict[SliceKey, dict[str, tuple[float, float]]],
    samples: dict[SliceKey, dict[str, np.ndarray]],
) -> None:
    """The intervals are as wide as those of a bootstrap over births.

    TFMA resamples 20 times, so a width is known to about 20% only; their mean is, to 4%.
    """
    ratios = {
        (key, name): (high - low) / (2 * STUDENT_19 * samples[key][name].std())
        for key, by_name in intervals.items()
        for name, (low, high) in by_name.items()
    }
    assert len(ratios) > 30
    for place, ratio in ratios.items():
        assert 0.25 < ratio < 3, place
    assert np.sqrt(np.mean(np.square(list(ratios.values())))) == pytest.approx(1, rel=0.25)


class TestIntervals:
    """95% confidence intervals, by TFMA's jackknife."""

    # Where slices begin to have them; it depends on how births fall into groups.
    FEW, ENOUGH = 20, 45

    @pytest.fixture(scope="class")
    def sizes(self, births) -> dict[SliceKey, int]:
        """Births by slice."""
        slices = expected_slices(births["eval"])
        return {key: int(birth_of_rows(rows).max()) + 1 for key, rows in slices.items()}

    def test_they_are_as_wide_as_a_bootstrap_over_births_has_them(self, first, births, sizes):
        slices = expected_slices(births["eval"])
        found = {
            key: {name: bounds for (_, name), bounds in of.items()}
            for key, of in first.intervals.items()
            if sizes[key] >= self.ENOUGH
        }
        # Slices with fewer births than there are groups, too; and each birth is there twice.
        assert (
            min(sizes[key] for key in found) < RESAMPLING_GROUPS < sizes[()] < len(slices[()]) / 1.9
        )
        assert_widths(found, {key: resampled(slices[key]) for key in found})
        for key, bounds in found.items():
            assert set(bounds) == set(FORMULAS) - {"example_count"}
            for name, (low, high) in bounds.items():
                assert low < first.metrics[key][name] < high, (key, name)

    def test_the_change_from_the_baseline_has_them(self, lighter, births, sizes):
        slices = expected_slices(births["eval"])
        names = ("root_mean_squared_error", "mean_absolute_error", "calibration")
        found = {
            key: {name: of["change", name] for name in names}
            for key, of in lighter.intervals.items()
            if sizes[key] >= self.ENOUGH
        }
        changes = {}
        for key in found:
            baseline, candidate = resampled(slices[key]), resampled(slices[key], LIGHTER)
            # Of the same rows: what both models have in common adds no width.
            changes[key] = {name: candidate[name] - baseline[name] for name in names}
        assert_widths(found, changes)
        for key, of in lighter.intervals.items():
            for model in ("candidate", "baseline"):
                assert {n for m, n in of if m == model} == set(FORMULAS) - {"example_count"}, key

    def test_slices_of_few_births_have_none_and_tfma_complains_of_nothing(
        self, first, lighter, sizes
    ):
        assert min(sizes.values()) == 1
        for verdict in (first, lighter):
            for key, of in verdict.intervals.items():
                assert set(verdict.metrics[key]) == {*FORMULAS, JUDGED}
                told = {
                    math.isfinite(bound)
                    for (_, name), bounds in of.items()
                    if name not in ("example_count", JUDGED)
                    for bound in bounds
                }
                if sizes[key] <= self.FEW:
                    assert told == {False}, key
                elif sizes[key] >= self.ENOUGH:
                    assert told == {True}, key
                else:
                    assert len(told) == 1, key


def test_slices_of_a_batch_are_those_of_its_rows(births):
    some = births["eval"][:300]
    batch = {
        name: column(some, name).reshape(-1, 1)
        for name in ("mother_age", "gestation_weeks", LABEL.name)
    }
    batch |= {name: column(some, name).astype(bytes) for name in ("is_male", "plurality")}
    for key in SLICES:
        expected = [expected_slice(birth, key) for birth in some]
        assert slice_values(batch, key, len(some)).tolist() == expected


def test_the_two_examples_of_a_birth_are_in_one_group_whatever_their_batch(births):
    rows = sorted(births["eval"], key=lambda row: str(row["mother_race"]))
    groups = np.concatenate(
        [
            resampling_groups(extracted(rows[i : i + size]), len(rows[i : i + size]))
            for i, size in ((0, 1), (1, 999))
        ]
    )
    birth = birth_of_rows(rows)
    group_of_birth = dict(zip(birth, groups, strict=True))
    assert [group_of_birth[b] for b in birth] == groups.tolist()
    # Dealt evenly: as many births in each group as chance has it.
    counts = np.bincount(list(group_of_birth.values()), minlength=RESAMPLING_GROUPS)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.5)


def extracted(rows: list[Row]) -> dict[str, Any]:
    """Columns as TFMA extracts them; those that may be unknown are sparse."""
    columns: dict[str, Any] = {}
    for name in rows[0]:
        known = [i for i, row in enumerate(rows) if row[name] is not None]
        values = np.array([rows[i][name] for i in known])
        if name in ("mother_race", "cigarette_use", "alcohol_use"):
            places = np.array([(i, 0) for i in known], np.int64).reshape(-1, 2)
            shape = np.array([len(rows), 1])
            values = VarLenTensorValue(values.astype(bytes).astype(object), places, shape)
        columns[name] = values
    return columns
