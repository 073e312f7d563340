"""Tables that are nothing like ours: the same code learns, serves and judges what they declare."""

# TensorFlow carries no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from analysis import analyze
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.api.types import VarLenTensorValue
from tfx.components.evaluator.executor import Executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from common.lean_beam import lean_beam
from data.warehouse import Warehouse
from models import features as declared
from models.declaration import (
    UNKNOWN,
    Band,
    Bounds,
    Category,
    Cross,
    Feature,
    Group,
    Hyperparameters,
    Label,
    Number,
)
from models.evaluation import eval_config
from models.history import read
from models.names import EXAMPLES, PREDICTED, PREDICTION, SERVING, TRANSFORM
from models.request import RequestError, check_request, parse_request
from models.resampling import resampling_groups
from models.slicing import slice_values
from models.task import Training, run_fn
from pipeline.beam import in_process
from pipeline.settings import ROOT
from serving.sql.translation import translate_model

Row = dict[str, Any]

PAYS = Category("pays", ("cash", "card", UNKNOWN), "how it was paid", title="payment")
MILES = Number("miles", "", 0, 30, "how far", boundaries=(5, 15), quantiles=4, optional=True)
HOUR = Number("hour", "hours", 0, 23, "when it began")
ZONE = Category("zone", ("north", "south"), "where it began")


@dataclass(frozen=True)
class Table:
    """A declaration, and rows that keep to it."""

    features: tuple[Feature, ...]
    truth: Callable[[Row], float]
    crosses: tuple[Cross, ...] = ()
    bands: tuple[Band, ...] = ()
    groups: tuple[Group, ...] = ()
    slices: tuple[str, ...] = ()
    label: Label = field(default=Label("gain", "", -100, 100, "what was left", "gain"))


TABLES = {
    "trips": Table(
        features=(PAYS, MILES, HOUR),
        truth=lambda row: (
            (10 if row["miles"] is None else row["miles"] - 20) - 5 * (row["pays"] == "card")
        ),
        crosses=(Cross(("pays", "miles"), 1000),),
        bands=(Band("distance", "miles", (5, 15), ("near", "middling", "far")),),
        groups=(Group("told", "pays", ((UNKNOWN, "no"),), "yes"),),
        slices=("pays", "distance", "told"),
    ),
    "numbers": Table(
        features=(HOUR,),
        truth=lambda row: row["hour"] - 12,
        label=Label("gain", "", -math.inf, math.inf, "what was left", "gain"),
    ),
    "optional number": Table(
        features=(Number("miles", "", 0, 30, "how far", optional=True),),
        truth=lambda row: -20 if row["miles"] is None else row["miles"],
    ),
    "categories": Table(
        features=(ZONE,), truth=lambda row: 10 if row["zone"] == "north" else -10, slices=("zone",)
    ),
}


def rows_of(table: Table, count: int, seed: int) -> list[Row]:
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        row: Row = {}
        for feature in table.features:
            if isinstance(feature, Category):
                value = str(draw.choice(feature.vocabulary))
                row[feature.name] = None if value == UNKNOWN else value
            else:
                known = not feature.optional or draw.random() > 0.3
                row[feature.name] = float(draw.integers(0, feature.maximum)) if known else None
        row[table.label.name] = table.truth(row) + draw.normal(0, 0.1)
        rows.append(row)
    return rows


def schema_of(table: Table) -> schema_pb2.Schema:
    always = "presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 1 } }"
    perhaps = "value_count { min: 0 max: 1 } presence { min_count: 0 }"
    described = [f'feature {{ name: "{table.label.name}" type: FLOAT {always} }}']
    for feature in table.features:
        kind = "BYTES" if isinstance(feature, Category) else "FLOAT"
        known = always if feature.required else perhaps
        described.append(f'feature {{ name: "{feature.name}" type: {kind} {known} }}')
    return text_format.Parse("\n".join(described), schema_pb2.Schema())


def example(row: Row) -> bytes:
    features = tf.train.Features()
    for name, value in row.items():
        if isinstance(value, str):
            features.feature[name].bytes_list.value.append(value.encode())
        elif value is not None:
            features.feature[name].float_list.value.append(value)
    return tf.train.Example(features=features).SerializeToString()


@dataclass(frozen=True)
class Learned:
    """A table, its examples and what was learned from them."""

    table: Table
    root: Path
    rows: dict[str, list[Row]]
    arguments: FnArgs

    @property
    def model(self) -> Any:
        return tf.saved_model.load(self.arguments.serving_model_dir)


def declare(monkeypatch: pytest.MonkeyPatch, table: Table) -> None:
    changes = {
        "FEATURES": table.features,
        "LABEL": table.label,
        "CROSSES": table.crosses,
        "BANDS": table.bands,
        "GROUPS": table.groups,
        "SLICES": table.slices,
        "CONTEXT": (),
        "CALENDAR": None,
        "CONTRADICTIONS": (),
        "COPIES_DIFFER_IN": (),
    }
    for name, value in changes.items():
        monkeypatch.setattr(declared, name, value)


@pytest.fixture(scope="module", params=TABLES)
def learned(request, tmp_path_factory) -> Any:
    """Each table's model, with the declaration in place while its tests run."""
    table = TABLES[request.param]
    root = tmp_path_factory.mktemp("table")
    rows = {"train": rows_of(table, 2000, 1), "eval": rows_of(table, 500, 2)}
    for split, some in rows.items():
        file = root / "examples" / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
        file.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions("GZIP")) as writer:
            for row in some:
                writer.write(example(row))
    with pytest.MonkeyPatch.context() as monkeypatch:
        declare(monkeypatch, table)
        analyze(str(root / "examples" / "Split-train" / "*"), schema_of(table), root / "transform")
        training = Training(
            batch_size=100,
            checkpoint_interval=100,
            checkpoint_root=str(root / "checkpoints"),
            cache_examples=True,
            seed=1,
            code="",
            hyperparameters=Hyperparameters((16,), 2, 0.5, 0.0, 0.03),
        )
        arguments = FnArgs(
            train_files=[str(root / "examples" / "Split-train" / "*")],
            eval_files=[str(root / "examples" / "Split-eval" / "*")],
            train_steps=300,
            transform_output=str(root / "transform"),
            serving_model_dir=str(root / "model" / "Format-Serving"),
            model_run_dir=str(root / "logs"),
            custom_config=json.loads(json.dumps(training.to_config())),
        )
        run_fn(arguments)
        yield Learned(table, root, rows, arguments)


def asked(row: Row, table: Table) -> dict[str, tf.Tensor]:
    """A request by name, through the check of requests."""
    names = [feature.name for feature in table.features]
    request = check_request({name: row[name] for name in names})
    return {name: tf.constant([value]) for name, value in request.items()}


def test_it_learns_what_there_is_to_learn(learned):
    history = read(learned.arguments.model_run_dir)
    labels = np.array([row[learned.table.label.name] for row in learned.rows["eval"]])
    assert labels.min() < 0 < labels.max()
    assert history.best.val_rmse < 0.3 * labels.std()
    assert history.hyperparameters["hidden_units"] == [16]


def test_by_name_and_by_example_it_answers_alike(learned):
    model, rows = learned.model, learned.rows["eval"][:20]
    examples = model.signatures[EXAMPLES](tf.constant([example(row) for row in rows]))[PREDICTION]
    for row, prediction in zip(rows, examples.numpy(), strict=True):
        named = model.signatures[SERVING](**asked(row, learned.table))[PREDICTION]
        assert named.numpy() == pytest.approx([prediction], rel=1e-5)
        assert prediction == pytest.approx(learned.table.truth(row), abs=5)


def test_what_is_unknown_may_be_left_out(learned):
    """A server fills in the defaults of the signature; in Python they are given."""
    model, features = learned.model, learned.table.features
    defaults = {
        f.name: tf.constant([UNKNOWN if isinstance(f, Category) else math.nan])
        for f in features
        if not f.required
    }
    given = {"hour": tf.constant([1.0, 2.0, 3.0])} if HOUR in features else {}
    given |= {"zone": tf.constant(["north", "south"])} if ZONE in features else {}
    answers = model.signatures[SERVING](**defaults | given)[PREDICTION].numpy()
    assert len(answers) == max([len(value) for value in given.values()], default=1)
    assert np.isfinite(answers).all()


def evaluated(learned: Learned) -> dict[tuple, int]:
    """Examples by slice, as TFX's Evaluator counts them."""
    examples = standard_artifacts.Examples()
    examples.uri = str(learned.root / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    schema, model = standard_artifacts.Schema(), standard_artifacts.Model()
    schema.uri, model.uri = str(learned.root / "schema"), str(learned.root / "model")
    Path(schema.uri).mkdir()
    Path(schema.uri, "schema.pbtxt").write_text(str(schema_of(learned.table)))
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(learned.root / "evaluation"), str(learned.root / "blessing")
    bounds = Bounds(10, 10, 1, 1, 1, learned.table.slices[:1])
    context = Executor.Context(
        beam_pipeline_args=[*in_process(ROOT / "setup.py")],
        tmp_dir=str(learned.root / "tmp"),
        unique_id="1",
    )
    with lean_beam():
        Executor(context).Do(
            {"examples": [examples], "model": [model], "schema": [schema]},
            {"evaluation": [evaluation], "blessing": [blessing]},
            {
                "eval_config": proto_utils.proto_to_json(eval_config(bounds, code="")),
                "module_path": "models.metrics",
                "example_splits": '["eval"]',
                "fairness_indicator_thresholds": "null",
            },
        )
    assert Path(blessing.uri, "BLESSED").exists()
    return {
        tuple((s.column, s.bytes_value.decode()) for s in record.slice_key.single_slice_keys): int(
            next(
                m.value.double_value.value
                for m in record.metric_keys_and_values
                if m.key.name == "example_count"
            )
        )
        for record in tfma.load_metrics(evaluation.uri)
    }


def test_the_evaluator_has_a_slice_for_what_is_unknown(learned):
    counts = evaluated(learned)
    rows = learned.rows["eval"]
    assert counts[()] == len(rows)
    if MILES in learned.table.features:
        unknown = sum(row["miles"] is None for row in rows)
        near = sum(row["miles"] is not None and row["miles"] < 5 for row in rows)
        assert counts[(("distance", UNKNOWN),)] == unknown > 0
        assert counts[(("distance", "near"),)] == near
        assert counts[(("pays", UNKNOWN),)] == counts[(("told", "no"),)]
        assert counts[(("pays", UNKNOWN),)] == sum(row["pays"] is None for row in rows)


@pytest.fixture
def trips(monkeypatch) -> Table:
    declare(monkeypatch, TABLES["trips"])
    return TABLES["trips"]


@pytest.mark.parametrize("learned", ["trips"], indirect=True)
class TestTransform:
    @pytest.fixture
    def outputs(self, learned) -> Callable[..., dict[str, np.ndarray]]:
        transform = learned.model.signatures[TRANSFORM]

        def made(miles: float, pays: str = "cash") -> dict[str, np.ndarray]:
            columns = {"miles": [miles], "pays": [pays], "hour": [1.0]}
            outputs = transform(**{name: tf.constant(value) for name, value in columns.items()})
            return {name: value.numpy()[0] for name, value in outputs.items()}

        return made

    def test_an_unknown_number_is_the_mean_of_the_known_and_says_so(self, outputs, learned):
        known = [r["miles"] for r in learned.rows["train"] if r["miles"] is not None]
        unknown, mean = outputs(math.nan), outputs(float(np.mean(known)))
        assert unknown["miles_z"] == pytest.approx(mean["miles_z"], abs=1e-5) == 0
        assert (unknown["miles_unknown"], mean["miles_unknown"]) == (1, 0)
        assert outputs(0.0)["miles_unknown"] == 0

    def test_quantiles_are_those_of_what_is_known(self, outputs, learned):
        known = [r["miles"] for r in learned.rows["train"] if r["miles"] is not None]
        buckets = [outputs(miles)["miles_quantile"] for miles in known[:400]]
        assert np.bincount(buckets, minlength=4) == pytest.approx([100] * 4, abs=35)

    def test_a_cross_tells_the_unknown_from_the_mean(self, outputs):
        assert outputs(math.nan)["pays_x_miles"] != outputs(14.5)["pays_x_miles"]


def test_a_request_may_leave_out_an_optional_number(trips):
    for text in ('{"hour": 3}', '{"hour": 3, "miles": null}'):
        request = parse_request(text)
        assert math.isnan(request["miles"])
        assert request["pays"] == UNKNOWN
        assert math.isnan(check_request(request)["miles"])
    with pytest.raises(RequestError, match="Give a number from 0 to 30: how far"):
        parse_request('{"hour": 3, "miles": 31}')
    with pytest.raises(RequestError, match="The field hour is missing"):
        parse_request('{"miles": 3}')


def test_columns_without_any_value_in_a_batch_are_unknown(trips):
    nothing = VarLenTensorValue(
        np.array([], object), np.empty((0, 2), np.int64), np.array([3, 1], np.int64)
    )
    for column in (None, nothing):
        batch = {"pays": column, "miles": column}
        assert slice_values(batch, "pays", 3).tolist() == [UNKNOWN] * 3
        assert slice_values(batch, "told", 3).tolist() == ["no"] * 3
    assert slice_values({"miles": None}, "distance", 3).tolist() == [UNKNOWN] * 3
    floats = nothing._replace(values=np.array([], np.float32))
    assert slice_values({"miles": floats}, "distance", 3).tolist() == [UNKNOWN] * 3


def test_a_record_that_gives_one_example_is_its_own_group(trips):
    rows = rows_of(trips, 1000, 3)
    columns: Row = {name: np.array([row[name] for row in rows]) for name in ("gain", "hour")}
    columns |= {"pays": np.array([b"cash"] * 1000), "miles": None}
    groups = resampling_groups(columns, 1000)
    assert len(set(groups)) == 100
    assert np.bincount(groups).max() < 30


def test_as_a_query_it_answers_as_the_model(learned):
    rows = learned.rows["eval"][:100]
    selected = "\nUNION ALL ".join(
        f"SELECT {place} AS place, {', '.join(literals(row, learned.table))}"
        for place, row in enumerate(rows)
    )
    query = translate_model(Path(learned.arguments.serving_model_dir), selected)
    with Warehouse({}) as warehouse:
        found = [row for batch in warehouse.query(query) for row in batch.to_pylist()]
    found.sort(key=lambda row: row["place"])
    examples = tf.constant([example(row) for row in rows])
    expected = learned.model.signatures[EXAMPLES](examples)[PREDICTION].numpy()
    assert np.array([row[PREDICTED] for row in found]) == pytest.approx(expected, abs=1e-3)


def literals(row: Row, table: Table) -> list[str]:
    columns = []
    for feature in table.features:
        value = row[feature.name]
        kind = "STRING" if isinstance(feature, Category) else "FLOAT64"
        text = f"'{value}'" if isinstance(value, str) else str(value)
        columns.append(f"CAST({'NULL' if value is None else text} AS {kind}) AS {feature.name}")
    return columns
