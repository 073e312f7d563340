"""What a page says, as plain values: read by one half of this room, drawn by the other.

Predictions and errors are in the label's unit, shares between 0 and 1, durations in seconds, times
in UTC. What a run did not get to is None or empty; the page then says so rather than leave a gap.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from models.declaration import Bounds
from models.error_estimate import Estimate
from models.history import History
from report.run_info import RunInfo
from report.wording import Wording
from serving.replay.comparison import Replayed
from serving.watch.watched import Watched

if TYPE_CHECKING:  # They load TFDV; a list of runs is to come at once.
    from schema.distances import Distance
    from schema.findings import Finding

Outcome = Literal["blessed", "not blessed", "stopped", "failed", "not evaluated"]
"""`stopped`: by the gate before training; `not evaluated`: the run ended before the Evaluator."""


@dataclass(frozen=True)
class Metric:
    """One metric in one slice.

    Attributes:
        value: Of the candidate.
        interval: Its 95% interval, lowest and highest; None where TFMA gives none.
        baseline: The same metric of the baseline; None without one.
        change: Candidate minus baseline.
        change_interval: 95% interval of the change.
    """

    value: float
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    change: float | None = None
    change_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Slice:
    """A slice of the evaluation.

    Attributes:
        feature: Slicing feature: a column, a band or a group; empty for all examples.
        value: Its value; empty for all examples.
        rmse: Root mean squared error.
        mae: Mean absolute error.
        calibration: Mean prediction over mean label.
        bias: Mean prediction minus mean label, with its interval where there is one.
        judged: Whether the gate's bounds hold in it.
        small: Whether it has too few examples to be judged.
    """

    feature: str
    value: str
    examples: int
    rmse: Metric
    mae: Metric
    calibration: Metric
    bias: Metric
    judged: bool
    small: bool


@dataclass(frozen=True)
class Violation:
    """A bound that the model does not keep.

    Attributes:
        metric: What is held to the bound: the RMSE, or its rise over the baseline.
        feature: Slicing feature; empty for all examples.
        slice_value: Its value; empty for all examples.
        value: The value seen.
        bound: What is allowed.
        baseline: The baseline's RMSE, where there is one.
    """

    metric: Literal["RMSE", "rise of the RMSE over the baseline"]
    feature: str
    slice_value: str
    value: float
    bound: float
    baseline: float | None


@dataclass(frozen=True)
class Reference:
    """Something the model is held against.

    Attributes:
        name: Such as `gradient-boosted tree`.
        rmse: Its error on the eval split, or as published.
        mae: The same, where known.
        source: How it came about: rows it learned from, or who published it and on what data.
        same_rows: Whether it was measured on this run's rows, so that it compares directly.
    """

    name: str
    rmse: float
    mae: float | None
    source: str
    same_rows: bool


@dataclass(frozen=True)
class Verdict:
    """Whether the model may serve.

    Attributes:
        sentence: In one sentence, with the reason.
        violations: Each bound that the model does not keep.
        stopped_by: The findings that stopped the run, or the failure, a sentence each.
        overall: Metrics over all examples of the eval split; None before the evaluation.
        pushed_to: Where it was pushed.
        references: What it must beat to be worth it, on the same rows and as published.
        bounds: What the gate allows.
    """

    outcome: Outcome
    sentence: str
    violations: tuple[Violation, ...] = ()
    stopped_by: tuple[str, ...] = ()
    overall: Slice | None = None
    pushed_to: str | None = None
    references: tuple[Reference, ...] = ()
    bounds: Bounds | None = None


@dataclass(frozen=True)
class ErrorGroup:
    """Residuals (prediction minus label) of a group of examples.

    Attributes:
        label: The group: a value, or a range of values.
        low: Where it begins on its axis; NaN for what has no value.
        rmse: Root mean squared error.
        tenth: Residual that a tenth of the examples is below.
        ninetieth: Residual that nine tenths are below.
    """

    label: str
    low: float
    examples: int
    mean_label: float
    mean_prediction: float
    rmse: float
    tenth: float
    median: float
    ninetieth: float


@dataclass(frozen=True)
class Errors:
    """Where the model errs.

    Attributes:
        examples: Examples of the eval split that were scored for this.
        of: Examples that the split has.
        cells: (prediction, label, examples): lower edges of squares.
        cell_width: Side of a square.
        by: Groups by what they are grouped by, in words: the predicted value, each number among the
            features, the label.
        deciles: Ten groups of equal count by rising prediction, for the calibration.
    """

    examples: int
    of: int
    cells: tuple[tuple[float, float, int], ...]
    cell_width: float
    by: dict[str, tuple[ErrorGroup, ...]]
    deciles: tuple[ErrorGroup, ...]


@dataclass(frozen=True)
class SliceCoverage:
    """How many labels of a slice are within the model's intervals.

    Attributes:
        feature: Slicing feature; empty for all examples.
        value: Its value; empty for all examples.
        held: Share of the labels within, by level in percent.
        width: Mean width of the intervals, by level.
    """

    feature: str
    value: str
    examples: int
    held: Mapping[int, float]
    width: Mapping[int, float]


COVERAGE_TOLERANCE = 0.01
"""How far the share of labels within may be from what is promised, over all examples."""


@dataclass(frozen=True)
class Coverage:
    """Whether intervals that were found on the eval split hold on the test split.

    Attributes:
        learned_from: Examples of the eval split that they were found on.
        slices: All examples of the test split that were read, then its slices.
    """

    learned_from: int
    slices: tuple[SliceCoverage, ...]

    @property
    def overall(self) -> SliceCoverage:
        """Over all examples."""
        return self.slices[0]

    @property
    def kept(self) -> bool:
        """Whether every level is within the tolerance of what it promises, over all examples."""
        return all(
            abs(held - level / 100) <= COVERAGE_TOLERANCE
            for level, held in self.overall.held.items()
        )


@dataclass(frozen=True)
class Distribution:
    """A column in one split, from TFDV's statistics.

    Attributes:
        missing: Share of them without a value.
        values: (value, examples) of a column of words, the most frequent first.
        histogram: (lowest, highest, examples) of a column of numbers, bins of equal width.
        mean: Of numbers; None for words.
        deviation: Standard deviation of numbers.
    """

    split: str
    examples: int
    missing: float
    values: tuple[tuple[str, float], ...] = ()
    histogram: tuple[tuple[float, float, float], ...] = ()
    mean: float | None = None
    deviation: float | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Data:
    """What the run was fed with.

    Attributes:
        rows: Examples by split.
        months: (year, month, split, examples); none for a table without a calendar.
        months_estimated: Whether months were counted in the first examples of each split only, and
            scaled.
        columns: Distributions by column, a split each.
        skew: Distances between train and each other split, by split.
        drift: Distances between this run's train split and that of the latest run on other
            examples; None without one.
        findings: Anomalies, skew and drift beyond bounds.
        schema_diff: Unified diff from the schema to one that accepts the data; empty if there is
            nothing to accept.
    """

    rows: dict[str, int]
    months: tuple[tuple[int, int, str, float], ...]
    months_estimated: bool
    columns: dict[str, tuple[Distribution, ...]]
    skew: dict[str, tuple[Distance, ...]]
    drift: tuple[Distance, ...] | None
    findings: tuple[Finding, ...]
    schema_diff: str

    @property
    def distances(self) -> list[tuple[str, tuple[Distance, ...]]]:
        """Distances by what they are between, in words."""
        measured = [(f"train and {split}", its) for split, its in self.skew.items()]
        if self.drift is not None:
            measured.append(("previous run and this one", self.drift))
        return measured


@dataclass(frozen=True)
class EstimatedWeek:
    """The RMSE of a week's rows, estimated without labels.

    Attributes:
        week: Its Monday; empty for all weeks together.
    """

    week: str
    rows: int
    estimate: Estimate


@dataclass(frozen=True)
class Truth:
    """How right a version was, of the rows whose labels have come.

    Attributes:
        version: That answered.
        unlogged: Labels of which no row is logged.
        ambiguous: Rows that were left out, as they share their key.
        bounds: When a model is blessed.
        violations: Each bound that it does not keep; none where there are too few labels to judge.
        reasons: The same, and what could not be judged, as sentences.
        slices: All rows first, then the worst RMSE first.
        weeks: The same metrics by week, in order; a week is named by its Monday.
        estimate: What was expected of the same rows without labels; None of a model that has none.
    """

    version: int
    unlogged: int
    ambiguous: int
    bounds: Bounds
    violations: tuple[Violation, ...]
    reasons: tuple[str, ...]
    slices: tuple[Slice, ...]
    weeks: tuple[Slice, ...]
    estimate: Estimate | None = None

    @property
    def overall(self) -> Slice:
        """Over all rows."""
        return self.slices[0]

    @property
    def blessed(self) -> bool | None:
        """Whether it would be blessed today; None where there are too few labels to judge."""
        if self.overall.examples < self.bounds.min_slice_size:
            return None
        return not self.reasons


@dataclass(frozen=True)
class Served:
    """What the model was asked since it was pushed.

    Attributes:
        watched: How that compares with what it learned from.
        columns: Distributions by feature, of its train split and of what it was asked.
        truth: How right it was; None without labels.
        estimates: How right it is thought to be, without labels: all weeks together, then each;
            none of a model that has no estimate.
    """

    watched: Watched
    columns: dict[str, tuple[Distribution, ...]]
    truth: Truth | None = None
    estimates: tuple[EstimatedWeek, ...] = ()


@dataclass(frozen=True)
class CrossUse:
    """How a hashed cross uses its buckets, on the rows that were read.

    Attributes:
        buckets: Buckets it is hashed into.
        combinations: Distinct combinations that occur.
        used: Buckets that at least one falls in.
        colliding: Share of the combinations that share a bucket with another.
        expected: Share that chance would make collide.
        colliding_examples: Share of the examples whose combination does.
    """

    parents: tuple[str, ...]
    buckets: int
    combinations: int
    used: int
    colliding: float
    expected: float
    colliding_examples: float


@dataclass(frozen=True)
class Transformed:
    """What the transform graph computed from the train split.

    Attributes:
        boundaries: Bucket boundaries by transformed feature, fixed and computed.
        vocabularies: Words by category, the most frequent first.
        unseen: Share of eval examples whose word training never saw, by category.
        crosses: How each cross uses its buckets.
        examples: Rows that the shares were measured on.
    """

    boundaries: dict[str, tuple[float, ...]]
    vocabularies: dict[str, tuple[str, ...]]
    unseen: dict[str, float]
    crosses: tuple[CrossUse, ...]
    examples: int


@dataclass(frozen=True)
class Artifact:
    """An artifact in ML Metadata, of a folder or file; its properties are those written on it."""

    id: int
    type: str
    uri: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> list[str]:
        """Its splits, where it has any."""
        return json.loads(self.properties.get("split_names") or "[]")


@dataclass(frozen=True)
class Execution:
    """An execution in ML Metadata.

    Attributes:
        state: `complete`, `cached`, `failed`, `canceled` or `running`.
        seconds: How long it took; of a cached one, how long it took when it ran.
        inputs: Ids of the artifacts it read, by input.
        outputs: Ids of the artifacts it made, by output.
    """

    id: int
    component: str
    state: str
    started: datetime.datetime
    seconds: float | None
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Lineage:
    """What ML Metadata has on a run; nothing on Vertex AI, whose own metadata has it.

    Attributes:
        executions: In order.
        artifacts: Those that the executions name, by id.
    """

    executions: tuple[Execution, ...] = ()
    artifacts: Mapping[int, Artifact] = field(default_factory=dict)

    @property
    def failed(self) -> str | None:
        """The component that failed, if one did."""
        return next((e.component for e in self.executions if e.state == "failed"), None)


@dataclass(frozen=True)
class Trial:
    """A training with hyperparameters that tuning tried.

    Attributes:
        number: In the order in which they were begun.
        rmse: Its least RMSE on the eval split.
        hyperparameters: By name, as KerasTuner has them.
    """

    number: int
    rmse: float
    hyperparameters: Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """Everything one page says.

    Attributes:
        info: What the runner knew of the run.
        wording: How the page speaks of the table.
        verdict: Section 1.
        slices: Section 2, all examples first, then the worst RMSE first.
        errors: Section 3.
        data: Section 4.
        transformed: Section 5, first half.
        training: Section 5, second half.
        lineage: Section 6, without the report, which is under way while it is written.
        versions: Of Python and packages, by name.
        coverage: Section 3, second half; None without a test split, or of a model without
            intervals.
        trials: What tuning tried in this run; in section 5.
        replay: What came of asking the model in its server; a section of its own.
        served: What it was asked since; on the page that a watch writes only.
    """

    run_id: str
    made: datetime.datetime
    info: RunInfo
    wording: Wording
    verdict: Verdict
    slices: tuple[Slice, ...]
    errors: Errors | None
    data: Data | None
    transformed: Transformed | None
    training: History | None
    lineage: Lineage
    versions: dict[str, str]
    coverage: Coverage | None = None
    trials: tuple[Trial, ...] = ()
    replay: Replayed | None = None
    served: Served | None = None
