"""What a page says, as plain values: read by one half of this room, drawn by the other.

Weights and errors are in pounds, shares between 0 and 1, durations in seconds, times in UTC. What a
run did not get to is None or empty; the page then says so rather than leave a gap.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # They load TFDV; a list of runs is to come at once.
    from models.declaration import Bounds
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
        feature: Slicing feature, such as `plurality`; empty for all examples.
        value: Its value, such as `Twins(2)`; empty for all examples.
        examples: How many are in it.
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
class Crossing:
    """A bound that the model crossed.

    Attributes:
        metric: What was held to the bound, in words.
        place: The slice, in words.
        value: The value seen: an RMSE, or its rise over the baseline.
        bound: What is allowed.
        baseline: The baseline's RMSE, where the bound is on the rise.
    """

    metric: str
    place: str
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
        outcome: In a word.
        sentence: In one sentence, with the reason.
        crossings: Each bound that was crossed.
        stopped_by: The findings that stopped the run, or the failure, a sentence each.
        overall: Metrics over all examples of the eval split; None before the evaluation.
        pushed_to: Where it was pushed.
        references: What it must beat to be worth it, on the same rows and as published.
        bounds: What the gate allows.
    """

    outcome: Outcome
    sentence: str
    crossings: tuple[Crossing, ...] = ()
    stopped_by: tuple[str, ...] = ()
    overall: Slice | None = None
    pushed_to: str | None = None
    references: tuple[Reference, ...] = ()
    bounds: Bounds | None = None


@dataclass(frozen=True)
class ErrorGroup:
    """Residuals (prediction minus label) of a group of examples.

    Attributes:
        label: The group: a week, an age, a band.
        low: Where it begins on its axis, for drawing in order.
        examples: How many.
        mean_label: Mean label.
        mean_prediction: Mean prediction.
        rmse: Root mean squared error.
        tenth: Residual that a tenth of the examples is below.
        median: Median residual.
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
        cells: (prediction, label, examples): lower edges of squares of `cell_width` pounds.
        cell_width: Side of a square.
        by: Groups by what they are grouped by, in words: predicted value, gestation week, mother's
            age, weight band.
        deciles: Ten groups of equal count by rising prediction, for the calibration.
    """

    examples: int
    of: int
    cells: tuple[tuple[float, float, int], ...]
    cell_width: float
    by: dict[str, tuple[ErrorGroup, ...]]
    deciles: tuple[ErrorGroup, ...]


@dataclass(frozen=True)
class Distribution:
    """A column in one split, from TFDV's statistics.

    Attributes:
        split: The split.
        examples: Examples of the split.
        missing: Share of them without a value.
        values: (value, examples) of a column of words, the most frequent first.
        histogram: (lowest, highest, examples) of a column of numbers, bins of equal width.
        mean: Of numbers; None for words.
        deviation: Standard deviation of numbers.
        minimum: Of numbers.
        maximum: Of numbers.
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
        months: (year, month, split, examples).
        months_estimated: Whether months were counted in the first examples of each split only, and
            scaled.
        columns: Distributions by column, a split each.
        skew: Distances between train and each other split, by split.
        drift: Distances between this run's train split and the previous run's; None without one.
        findings: Anomalies, skew and drift beyond bounds.
        schema_diff: Unified diff from the curated schema to one that accepts the data; empty if
            there is nothing to accept.
    """

    rows: dict[str, int]
    months: tuple[tuple[int, int, str, float], ...]
    months_estimated: bool
    columns: dict[str, tuple[Distribution, ...]]
    skew: dict[str, tuple[Distance, ...]]
    drift: tuple[Distance, ...] | None
    findings: tuple[Finding, ...]
    schema_diff: str


@dataclass(frozen=True)
class CrossUse:
    """How a hashed cross uses its buckets, on the rows that were read.

    Attributes:
        name: The cross.
        buckets: Buckets it is hashed into.
        combinations: Distinct combinations that occur.
        used: Buckets that at least one falls in.
        colliding: Share of the combinations that share a bucket with another.
        expected: Share that chance would make collide.
        colliding_examples: Share of the examples whose combination does.
    """

    name: str
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
    """An artifact in ML Metadata."""

    id: int
    type: str
    uri: str


@dataclass(frozen=True)
class Execution:
    """An execution in ML Metadata.

    Attributes:
        id: Its id.
        component: The component.
        state: `complete`, `cached`, `failed`, `canceled` or `running`.
        started: When.
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
class Provenance:
    """Where the run's results come from.

    Attributes:
        upstream: Names of the components that each waits for, as the DAG has it.
        executions: In order; empty on Vertex AI, whose own metadata has them.
        artifacts: Those that the executions name, by id.
        fingerprints: Of code and data, by what they are of.
        versions: Of Python and packages, by name.
        queries: SQL by split.
        settings: As they were, by name.
        command: What makes this very run again, in one line.
    """

    upstream: dict[str, tuple[str, ...]]
    executions: tuple[Execution, ...]
    artifacts: dict[int, Artifact]
    fingerprints: dict[str, str]
    versions: dict[str, str]
    queries: dict[str, str]
    settings: dict[str, str]
    command: str


@dataclass(frozen=True)
class Stretch:
    """Training from one checkpoint to the next.

    Attributes:
        step: The last step of it.
        loss: Mean squared error on the train split.
        rmse: Its root.
        eval_loss: Mean squared error on the eval split.
        eval_rmse: Its root.
        examples_per_second: Rate of training.
    """

    step: int
    loss: float
    rmse: float
    eval_loss: float
    eval_rmse: float
    examples_per_second: float


@dataclass(frozen=True)
class Trained:
    """How the model was trained.

    Attributes:
        stretches: In order of steps.
        best_step: Step of the checkpoint that was exported.
        resumed_from: Steps at which a killed training went on.
        examples_per_second: Overall rate.
        settings: Steps, batch size, seed, widths, rates, weights: by name, as shown.
    """

    stretches: tuple[Stretch, ...]
    best_step: int
    resumed_from: tuple[int, ...]
    examples_per_second: float
    settings: dict[str, str]


@dataclass(frozen=True)
class Facts:
    """Everything one page says.

    Attributes:
        run_id: The run.
        pipeline: Name of the pipeline.
        made: When the page was made.
        source: Where the births came from, in words.
        verdict: Section 1.
        slices: Section 2, all examples first, then the worst RMSE first.
        errors: Section 3.
        data: Section 4.
        transformed: Section 5, first half.
        trained: Section 5, second half.
        provenance: Section 6.
    """

    run_id: str
    pipeline: str
    made: datetime.datetime
    source: str
    verdict: Verdict
    slices: tuple[Slice, ...]
    errors: Errors | None
    data: Data | None
    transformed: Transformed | None
    trained: Trained | None
    provenance: Provenance
