"""Made-up facts of runs, with every section filled and nasty strings wherever data has a say."""

from __future__ import annotations

import datetime
import math
from dataclasses import replace

from models.declaration import Bounds, Label
from models.error_estimate import Estimate
from models.history import Ancestor, Base, Carried, History, Parameters, Record, Worker
from report.facts import (
    Artifact,
    Coverage,
    CrossUse,
    Data,
    Distribution,
    ErrorGroup,
    Errors,
    EstimatedWeek,
    Execution,
    Facts,
    Lineage,
    Metric,
    Reference,
    Served,
    Slice,
    SliceCoverage,
    Transformed,
    Trial,
    Truth,
    Verdict,
    Violation,
)
from report.run_info import RunInfo
from report.wording import Wording
from schema.comparators import DRIFT, SKEW
from schema.distances import Distance
from schema.findings import Finding
from schema.served_findings import ServedDistance
from schema.statistics import Statistics
from serving.replay.comparison import Change, Changes, Latency, Replayed
from serving.watch.watched import Period, Predictions, Watched

NASTY = "<script>alert(1)</script>"
CLOSING = "</script><img src=x onerror=alert(2)>"
QUOTES = "\"'`&{{7*7}}<!--"
WHEN = datetime.datetime(2026, 11, 23, 2, 3, 44, tzinfo=datetime.timezone.utc)
WEIGHT = Wording(
    Label("weight_pounds", "lb", 0, 20, "", "weight", "too heavy", "too light"),
    {"weight_pounds": "weight"},
    ("year", "month"),
)
FARE = Wording(Label("fare", "dollars", 0, 500, "", "fare", "too dear", "too cheap"), {})
"""A table of another kind: no calendar, and nothing has a title of its own."""
BOUNDS = Bounds(1.15, 2.5, 0.01, 0.1, 200, ("plurality", "gestation_band"))

_SLICES = (
    ("gestation_band", "under 28 weeks", 92, 2.61),
    ("gestation_band", "28-33 weeks", 358, 2.534),
    ("plurality", "Quadruplets(4)", 4, 1.9),
    ("birth_weight", "low", 1_001, 1.61),
    ("plurality", "Triplets(3)", 31, 1.3),
    ("gestation_band", "34-36 weeks", 1_094, 1.221),
    ("mother_age_band", "40 and over", 270, 1.18),
    ("plurality", NASTY, 12, 1.15),
    ("mother_age_band", "under 18", 402, 1.09),
    ("ultrasound", "yes", 6_210, 1.041),
    ("is_male", "True", 3_177, 1.04),
    ("plurality", "Single(1)", 11_890, 1.031),
    ("plurality", CLOSING, 321, 1.02),
    ("plurality", "Twins(2)", 210, 0.97),
)


def a_slice(feature: str, value: str, examples: int, rmse: float, baseline: bool = True) -> Slice:
    """A slice whose figures follow from its RMSE and size."""
    spread = 1.96 * rmse / math.sqrt(2 * examples)

    def metric(now: float, change: float, width: float) -> Metric:
        return Metric(
            value=now,
            interval=(now - width, now + width) if examples > 10 else None,
            baseline=now - change if baseline else None,
            change=change if baseline else None,
            change_interval=(change - width / 3, change + width / 3) if baseline else None,
        )

    return Slice(
        feature=feature,
        value=value,
        examples=examples,
        rmse=metric(rmse, 0.004 - rmse / 400, spread),
        mae=metric(rmse * 0.79, -0.002, spread * 0.8),
        calibration=metric(1 + (1.03 - rmse) / 40, 0.001, spread / 7),
        bias=metric((1.03 - rmse) / 5, 0.003, spread * 1.4),
        judged=feature in ("", "plurality", "gestation_band", "mother_age_band"),
        small=0 < examples < BOUNDS.min_slice_size,
    )


def _groups(labels: list[str], start: float, step: float) -> tuple[ErrorGroup, ...]:
    middle = len(labels) / 2
    groups = []
    for i, label in enumerate(labels):
        off = (i - middle) / max(middle, 1)
        groups.append(
            ErrorGroup(
                label=label,
                low=start + i * step,
                examples=round(4_000 * math.exp(-4 * off * off)) + 3,
                mean_label=7.2 - off * 0.4,
                mean_prediction=7.21 - off * 0.35,
                rmse=1 + off * off,
                tenth=-1.3 - off * off,
                median=0.03 * off - 0.02,
                ninetieth=1.31 + off * off / 2,
            )
        )
    return tuple(groups)


def _errors() -> Errors:
    cells = tuple(
        (p / 2, y / 2, round(900 * math.exp(-((y - p) ** 2) / 8 - (p - 14.6) ** 2 / 9)))
        for p in range(4, 18)
        for y in range(2, 26)
    )
    deciles = _groups([f"decile {i}" for i in range(1, 11)], 3.1, 0.55)
    return Errors(
        examples=12_420,
        of=12_420,
        cells=tuple(cell for cell in cells if cell[2]),
        cell_width=0.5,
        by={
            "predicted value": _groups(
                [f"{w / 2:g}-{w / 2 + 0.5:g} lb" for w in range(6, 18)], 3, 0.5
            ),
            "gestation weeks": _groups([str(week) for week in range(22, 48)], 22, 1),
            "mother age": (
                *_groups([str(age) for age in range(13, 52)], 13, 1),
                replace(_groups(["unknown"], 0, 1)[0], low=math.nan),
            ),
            "weight band": _groups(["under 5.5 lb", "5.5-8.8 lb", "8.8 lb and over"], 0, 5.5),
        },
        deciles=tuple(
            replace(group, mean_prediction=3.6 + i * 0.5, mean_label=3.55 + i * 0.507)
            for i, group in enumerate(deciles)
        ),
    )


def _coverage() -> Coverage:
    slices = [("", "", 12_266), *((feature, value, n) for feature, value, n, _ in _SLICES)]
    return Coverage(
        12_420,
        tuple(
            SliceCoverage(
                *(feature, value, n),
                held={80: 0.804 - 9 / (n + 80), 95: 0.948 + 2 / (n + 80)},
                width={80: 2.64, 95: 4.01},
            )
            for feature, value, n in slices
        ),
    )


def _words(split: str, examples: int, values: dict[str, float], missing: float) -> Distribution:
    known = examples * (1 - missing)
    return Distribution(
        split, examples, missing, values=tuple((v, known * s) for v, s in values.items())
    )


def _numbers(
    split: str, examples: int, mean: float, sd: float, low: float, high: float
) -> Distribution:
    width = (high - low) / 10
    edges = [low + i * width for i in range(10)]
    heights = [math.exp(-(((e + width / 2 - mean) / sd) ** 2) / 2) for e in edges]
    return Distribution(
        split=split,
        examples=examples,
        missing=0.0,
        histogram=tuple(
            (e, e + width, examples * h / sum(heights)) for e, h in zip(edges, heights, strict=True)
        ),
        mean=mean,
        deviation=sd,
        minimum=low,
        maximum=high,
    )


def _data() -> Data:
    rows = {"train": 74_712, "eval": 12_420, "test": 12_266}
    races = {
        "White": 0.78,
        "Black": 0.15,
        NASTY: 0.03,
        CLOSING: 0.02,
        "A race with a long name": 0.02,
    }
    columns: dict[str, tuple[Distribution, ...]] = {}
    for i, (split, n) in enumerate(rows.items()):
        shift = i * 0.02
        made = {
            "is_male": _words(
                split, n, {"Unknown": 0.5, "True": 0.26 - shift, "False": 0.24 + shift}, 0
            ),
            "mother_race": _words(split, n, races, 0.312 + shift),
            f"odd {QUOTES}": _words(split, n, {QUOTES: 1.0}, 0.00004),
            "never_filled_in": Distribution(split, n, missing=1.0),
            "mother_age": _numbers(split, n, 27.4 + shift, 6.2, 12, 52),
            "gestation_weeks": _numbers(split, n, 38.6, 2.5, 17, 47),
            "weight_pounds": _numbers(split, n, 7.23, 1.32, 0.5, 13.5),
        }
        for name, column in made.items():
            columns[name] = (*columns.get(name, ()), column)
    months = tuple(
        (year, month, split, 1_000.0 + 10 * month)
        for year in range(2001, 2009)
        for month in range(1, 13)
        for split in [
            ("train", "train", "train", "eval", "train", "test")[(year * 7 + month * 5) % 6]
        ]
    )
    far = Distance("mother_race", 0.061, 0.038)
    near = (Distance("is_male", 0.004, 0.038), Distance("mother_age", 0.0007, 0.028))
    return Data(
        rows=rows,
        months=months,
        months_estimated=True,
        columns=columns,
        skew={"eval": (*near, far), "test": near},
        drift=(*near, Distance(f"odd {QUOTES}", math.nan, 0.02)),
        findings=(
            Finding(
                split="eval",
                feature="mother_race",
                kind="SKEW",
                severity="warning",
                found=f"a distance of 0.061, {NASTY!r} 3% of train",
                expected="at most 0.038",
                cure="Look at how data/natality.sql makes the splits.",
            ),
        ),
        schema_diff=(
            "--- schema/schema.pbtxt\n+++ proposed\n@@ -41,3 +41,4 @@\n"
            f'   value: "White"\n-  value: "Black"\n+  value: "{NASTY}"\n'
        ),
    )


def _transformed() -> Transformed:
    return Transformed(
        boundaries={
            "mother_age_bucket": tuple(float(age) for age in range(15, 46)),
            "mother_age_quantile": (19.0, 21.0, 23.0, 25.0, 27.0, 29.0, 31.0, 33.0, 36.0),
        },
        vocabularies={
            "mother_race": ("White", "Black", NASTY, CLOSING),
            "is_male": ("Unknown", "True", "False"),
        },
        unseen={"mother_race": 0.00031, "is_male": 0.0},
        crosses=(
            CrossUse(("mother_age", "gestation_weeks"), 4_000, 871, 780, 0.19, 0.196, 0.21),
            CrossUse(("is_male", "plurality"), 100, 13, 12, 0.15, 0.113, 0.02),
            CrossUse(
                ("is_male", "mother_age", "plurality", "gestation_weeks"),
                *(20_000, 4_310, 3_880, 0.2, 0.194, 0.18),
            ),
        ),
        examples=74_712,
    )


def _training() -> History:
    return History(
        steps=3_000,
        batch_size=512,
        seed=2001,
        examples_per_second=191_204.0,
        resumed_from=(1_000,),
        best_step=2_250,
        records=tuple(
            Record(
                step=step,
                loss=1.03 + 9 * math.exp(-step / 300),
                rmse=math.sqrt(1.03 + 9 * math.exp(-step / 300)),
                val_loss=1.07 + 8 * math.exp(-step / 280) + step / 40_000,
                val_rmse=math.sqrt(1.07 + 8 * math.exp(-step / 280) + step / 40_000),
                seconds=0.7,
                examples_per_second=180_000 + 20 * step,
            )
            for step in range(250, 3_001, 250)
        ),
        parameters=Parameters(wide=24_000, deep=3_000),
        hyperparameters={"hidden_units": [64, 32]},
        sources={"hidden_units": "of the base model"},
        base=Base(
            lineage=(
                Ancestor(f"runs/pipeline/Trainer/model/3/{QUOTES}", 1_500, 1.071),
                Ancestor("runs/pipeline/Trainer/model/8", 400, None),
            ),
            carried=(Carried("mother_race", 3, 4), Carried("mother_age_quantile", 8, 10)),
        ),
        workers=(Worker("chief", 2, 37_356, 95_602.0), Worker("worker 1", 2, 37_356, 95_602.0)),
    )


TRIALS = tuple(
    Trial(
        number,
        1.04 + (number - 3) ** 2 / 200,
        {"hidden_units": widths, "wide_l2": 0.5 * 3**number, "category_embedding": 4},
    )
    for number, widths in enumerate(("64,32", "32", "128,64", "256,128", "64"))
)


REPLAY = Replayed(
    source=f"the log of requests gs://{NASTY}",
    rows=1000,
    alone=200,
    left_out=12,
    max_p99_ms=1000,
    reasons=(f"p99 of a request is 1,212.0 ms {CLOSING}",),
    latency=Latency(1.234, 1212.0),
    champion=Latency(1.1, 2.75),
    changes=Changes(
        mean=-0.021,
        typical=0.034,
        ninety_fifth=0.172,
        bins=tuple((n / 20, (n + 1) / 20, 10 * (9 - abs(n))) for n in range(-8, 8)),
        largest=tuple(
            Change({"plurality": CLOSING, "gestation_weeks": 39.0}, 7.5, 7.5 + 0.4 / n)
            for n in (1, -2, 3)
        ),
    ),
)


_DAG: dict[str, tuple[str, ...]] = {
    "BigQueryExampleGen": (),
    "PreviousStatistics": (),
    "ImportSchemaGen": (),
    "StatisticsGen": ("BigQueryExampleGen", "PreviousStatistics"),
    "SchemaGen": ("StatisticsGen",),
    "ExampleValidator": ("StatisticsGen", "ImportSchemaGen"),
    "AnomalyGate": ("ExampleValidator", "SchemaGen", "PreviousStatistics"),
    "Transform": ("BigQueryExampleGen", "ImportSchemaGen", "AnomalyGate"),
    "Trainer": ("BigQueryExampleGen", "Transform", "ImportSchemaGen"),
    "Baseline": ("Trainer",),
    "Evaluator": ("BigQueryExampleGen", "Trainer", "Baseline", "ImportSchemaGen"),
    "Replay": ("BigQueryExampleGen", "Trainer", "Baseline", "Evaluator"),
    "Pusher": ("Trainer", "Evaluator", "Replay"),
}
_OUTPUTS: dict[str, tuple[str, ...]] = {
    "BigQueryExampleGen": ("Examples",),
    "PreviousStatistics": (),
    "ImportSchemaGen": ("Schema",),
    "StatisticsGen": ("ExampleStatistics",),
    "SchemaGen": ("Schema",),
    "ExampleValidator": ("ExampleAnomalies",),
    "AnomalyGate": ("JsonValue",),
    "Transform": ("TransformGraph", "TransformCache"),
    "Trainer": ("Model", "ModelRun"),
    "Baseline": (),
    "Evaluator": ("ModelEvaluation", "ModelBlessing"),
    "Replay": ("InfraBlessing",),
    "Pusher": ("PushedModel",),
}


def _lineage() -> Lineage:
    artifacts: dict[int, Artifact] = {}
    made: dict[str, dict[str, tuple[int, ...]]] = {}
    executions = []
    for number, (component, upstream) in enumerate(_DAG.items(), start=1):
        outputs: dict[str, tuple[int, ...]] = {}
        for type_name in _OUTPUTS[component]:
            artifact = Artifact(
                len(artifacts) + 1, type_name, f"runs/pipeline/{component}/{type_name}/{QUOTES}"
            )
            artifacts[artifact.id] = artifact
            outputs[type_name.lower()] = (artifact.id,)
        made[component] = outputs
        executions.append(
            Execution(
                id=number,
                component=component,
                state="cached" if component == "SchemaGen" else "complete",
                started=WHEN + datetime.timedelta(seconds=7 * number),
                seconds=None if component == "Baseline" else 0.4 * number**1.4,
                inputs={
                    f"{name}_{key}": ids for name in upstream for key, ids in made[name].items()
                },
                outputs=outputs,
            )
        )
    return Lineage(tuple(executions), artifacts)


def _info() -> RunInfo:
    return RunInfo(
        pipeline="natality",
        source=f"the committed sample {NASTY}",
        severity="error",
        bounds=BOUNDS,
        settings={"train_steps": "3000", "source": CLOSING, "years": "2001-2008"},
        command=f"python local_runner.py --train-steps 3000 --source '{CLOSING}'",
        queries={
            "train": f"SELECT *\nFROM natality\nWHERE plurality != '{NASTY}'",
            "eval": "SELECT 1",
        },
        fingerprints={
            "models.transform": "9f86d081884c7d65",
            "data/natality.sql": "2c26b46b68ffc68f",
        },
        upstream=_DAG,
    )


def rich(blessed: bool = False) -> Facts:
    """A run that got to the end.

    Args:
        blessed: Whether its model may serve.
    """
    overall = a_slice("", "", 12_420, 1.0345)
    slices = (overall, *(a_slice(*row) for row in _SLICES))
    error = Violation("RMSE", "gestation_band", "28-33 weeks", 2.534, 2.5, None)
    rise = Violation("rise of the RMSE over the baseline", "plurality", CLOSING, 0.112, 0.1, 0.908)
    references = (
        Reference("mean predictor", 1.318, 1.02, "the mean weight of 74,712 train rows", True),
        Reference("linear model", 1.0655, 0.836, "ridge on 74,712 train rows", True),
        Reference("gradient-boosted tree", 1.0291, 0.809, "scikit-learn, 74,712 train rows", True),
        Reference(
            "BigQuery ML, linear", 1.0675, 0.83, "course lab, real births of 2001-2008", False
        ),
        Reference("AutoML Tables", 1.027, None, f"course lab {NASTY}", False),
    )
    return Facts(
        run_id="20261123-020344",
        made=WHEN + datetime.timedelta(minutes=3),
        info=_info(),
        wording=WEIGHT,
        verdict=Verdict(
            outcome="blessed" if blessed else "not blessed",
            sentence=(
                "The model may serve: its RMSE of 1.034 lb is within the bound of 1.150 lb, and no "
                "slice is worse than the last blessed model by more than allowed."
                if blessed
                else "The model may not serve: in gestation band 28-33 weeks its RMSE is 2.534 lb, "
                "and 2.500 lb is allowed."
            ),
            violations=() if blessed else (error, rise),
            overall=overall,
            pushed_to=f"runs/serving/natality/1795399473{QUOTES}" if blessed else None,
            references=references,
            bounds=BOUNDS,
        ),
        slices=slices,
        errors=_errors(),
        data=_data(),
        transformed=_transformed(),
        training=_training(),
        lineage=_lineage(),
        versions={"python": "3.10.19", "tfx": "1.16.0", "tensorflow": "2.16.2"},
        coverage=_coverage(),
        trials=TRIALS,
        replay=replace(REPLAY, reasons=()) if blessed else REPLAY,
    )


def without_baseline() -> Facts:
    """A first run: nothing to compare with, no previous statistics, no test split."""
    facts = rich(blessed=True)
    overall = a_slice("", "", 12_420, 1.0345, baseline=False)
    assert facts.data is not None
    kept = ("train", "eval")
    return replace(
        facts,
        verdict=replace(facts.verdict, overall=overall, references=()),
        coverage=None,
        replay=replace(
            REPLAY,
            reasons=(),
            champion=None,
            changes=None,
            no_champion="There is no blessed model yet.",
        ),
        slices=(overall, *(a_slice(*row, baseline=False) for row in _SLICES)),
        data=replace(
            facts.data,
            rows={split: facts.data.rows[split] for split in kept},
            months=tuple(month for month in facts.data.months if month[2] in kept),
            columns={
                name: tuple(d for d in splits if d.split in kept)
                for name, splits in facts.data.columns.items()
            },
            skew={"eval": facts.data.skew["eval"]},
            drift=None,
            findings=(),
            schema_diff="",
        ),
    )


def stopped() -> Facts:
    """A run that the gate stopped before training."""
    facts = rich()
    assert facts.data is not None
    finding = Finding(
        split="train",
        feature="mother_race",
        kind="ENUM_TYPE_UNEXPECTED_STRING_VALUES",
        severity="error",
        found=f"{NASTY!r} in 3% of examples",
        expected="one of 'White', 'Black'",
        cure="If the data is right, accept it: python -m schema.propose --write",
    )
    reached = facts.lineage.executions[:7]
    return replace(
        facts,
        verdict=Verdict(
            outcome="stopped",
            sentence="The run stopped before training: the data is not what the schema agrees on.",
            stopped_by=(str(finding),),
        ),
        slices=(),
        errors=None,
        coverage=None,
        replay=None,
        data=replace(facts.data, findings=(finding,)),
        transformed=None,
        training=None,
        lineage=replace(
            facts.lineage,
            executions=(*reached[:-1], replace(reached[-1], state="failed", outputs={})),
        ),
    )


def nothing() -> Facts:
    """A run that failed in its first component."""
    facts = rich()
    return replace(
        facts,
        verdict=Verdict("failed", "The run failed.", stopped_by=("BigQueryExampleGen: no disk",)),
        slices=(),
        errors=None,
        coverage=None,
        replay=None,
        data=None,
        transformed=None,
        training=None,
        lineage=Lineage(),
        info=replace(facts.info, queries={}, fingerprints={}),
    )


def of_trips() -> Facts:
    """A run on a table of another kind: dollars, no calendar, no crosses, nothing published."""
    facts = without_baseline()
    assert facts.errors and facts.data and facts.transformed and facts.verdict.overall

    def amounts(of: Slice) -> Slice:
        return replace(of, rmse=replace(of.rmse, value=of.rmse.value * 1_234))

    names = {"gestation_weeks": "trip_miles", "mother_age": "hour", "weight_pounds": "fare"}
    return replace(
        facts,
        info=replace(facts.info, pipeline="trips", queries={}),
        wording=FARE,
        verdict=replace(
            facts.verdict,
            sentence="Blessed: RMSE 4.21 dollars.",
            overall=amounts(facts.verdict.overall),
            bounds=replace(BOUNDS, judged_slices=()),
        ),
        slices=(amounts(facts.slices[0]),),
        errors=replace(
            facts.errors,
            by={
                "trip miles": facts.errors.by["gestation weeks"],
                "fare band": _groups(["0 to 5 dollars", "5 to 10 dollars"], 0, 5),
            },
        ),
        data=replace(
            facts.data,
            months=(),
            columns={names[n]: facts.data.columns[n] for n in names},
            skew={},
        ),
        transformed=replace(
            facts.transformed,
            crosses=(),
            vocabularies={},
            unseen={},
            boundaries={"trip_miles_bucket": (1.0, 2.5)},
        ),
    )


def _period(day: int | None, version: int, rows: int, far: float) -> Period:
    date = None if day is None else datetime.date(2026, 11, day)
    judged = rows >= 100
    finding = Finding(
        *(f"{date} of version {version}", f"odd {QUOTES}", SKEW, "error"),
        *(f"a distance of {far}, {NASTY!r} 3% of training", "at most 0.1", f"Mend it {CLOSING}."),
    )
    distances = (
        ServedDistance("mother_age", 0.05, 0.17, SKEW),
        ServedDistance(f"odd {QUOTES}", far, 0.1, SKEW),
        ServedDistance(f"odd {QUOTES}", math.nan, 0.1, SKEW, missing=True),
        *([ServedDistance("mother_age", 0.01, 0.2, DRIFT)] if day else []),
    )
    return Period(
        *(date, version, rows, Predictions(5.8, 7.4 + far, 8.9)),
        findings=(finding,) if judged and far > 0.1 else (),
        distances=distances if judged else (),
        before=None if day is None or not judged else datetime.date(2026, 11, day - 1),
        unjudged="" if judged else f"{rows} rows are too few, 100 are needed {NASTY}",
    )


def served() -> Facts:
    """The page of a watch: two versions, a day too short to judge, and one that has drifted."""
    facts = rich(blessed=True)
    assert facts.data is not None
    watched = Watched(
        log=f"runs/requests {NASTY}",
        first=datetime.date(2026, 11, 2),
        last=datetime.date(2026, 11, 6),
        min_rows=100,
        version=12,
        versions=(_period(None, 11, 2_900, 0.04), _period(None, 12, 1_100, 0.09)),
        days=tuple(
            _period(day, version, rows, far)
            for day, version, rows, far in (
                *((2, 11, 1_000, 0.04), (3, 11, 900, 0.05), (4, 11, 1_000, 0.03)),
                *((4, 12, 40, 0.2), (5, 12, 560, 0.06), (6, 12, 500, 0.13)),
            )
        ),
        training=Statistics(),
        served=Statistics(),
    )
    columns = {
        name: tuple(
            replace(d, split=split) for d, split in zip(its, ("training", "served"), strict=False)
        )
        for name, its in facts.data.columns.items()
    }
    rise = Violation("RMSE", "plurality", CLOSING, 2.6, 2.5, None)
    truth = Truth(
        version=12,
        unlogged=7,
        ambiguous=2,
        bounds=BOUNDS,
        violations=(rise,),
        reasons=(f"plurality {CLOSING}: RMSE is 2.6 lb; 2.5 is allowed",),
        slices=(a_slice("", "", 900, 1.12, False), *(a_slice(*row, False) for row in _SLICES)),
        weeks=tuple(
            a_slice("served/week", f"2026-10-{day}", 300, 1.05 + day / 300, False)
            for day in (12, 19, 26)
        ),
        estimate=Estimate(1.06, 1.01, 1.11),
    )
    estimates = tuple(
        EstimatedWeek(week, 300, Estimate(1.06 + i / 50, 1.01, 1.12 + i / 50))
        for i, week in enumerate(("", "2026-10-12", "2026-10-19", "2026-10-26"))
    )
    return replace(facts, served=Served(watched, columns, truth, estimates))
