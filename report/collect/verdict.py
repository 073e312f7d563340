"""Whether the model may serve, and why: in the words that the page and the terminal share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from models.declaration import Bounds
from report.collect.run_artifacts import Run
from report.collect.slice_metrics import slice_name
from report.facts import Crossing, Outcome, Reference, Slice, Verdict
from schema.findings import Finding, blocking

OVERALL = "all examples"


def judge(
    run: Run,
    slices: Sequence[Slice],
    references: Sequence[Reference],
    findings: Sequence[Finding],
    severity: str,
    bounds: Bounds,
    failure: str | None,
) -> Verdict:
    """Says whether the model may serve.

    Args:
        run: The run.
        slices: Of its evaluation, all examples first; none before the evaluation.
        references: What the model is held against.
        findings: What the gate found.
        severity: The severity that the gate stops at.
        bounds: When a model is blessed.
        failure: What failed, a sentence; None if nothing did.

    Returns:
        The verdict, with its reason in one sentence.
    """
    overall = slices[0] if slices else None
    crossings, unjudged = read_validation(run.evaluation.uri) if run.evaluation else ((), ())
    before = {_place(s.feature, s.value): s.rmse.baseline for s in slices}
    crossings = tuple(replace(c, baseline=before.get(c.place)) for c in crossings)
    stops = tuple(str(f) for f in blocking(findings, severity)) if failure else ()
    outcome = _outcome(run, stopped=bool(stops), failed=failure is not None)
    sentence = {
        "blessed": lambda: _why_blessed(overall),
        "not blessed": lambda: (
            "Not blessed: " + "; ".join([*map(crossed, crossings), *unjudged]) + "."
        ),
        "stopped": lambda: f"Stopped before training: {_count(len(stops), 'finding')} in the data.",
        "failed": lambda: f"Failed: {failure}",
        "not evaluated": lambda: "Not evaluated: the run ended before the Evaluator.",
    }[outcome]()
    return Verdict(
        outcome=outcome,
        sentence=sentence,
        crossings=crossings,
        stopped_by=stops or ((failure,) if failure else ()),
        overall=overall,
        pushed_to=pushed_to(run),
        references=tuple(references),
        # Not as the evaluation has them: without a baseline, TFMA drops bounds on the change.
        bounds=bounds if run.evaluation else None,
    )


def pushed_to(run: Run) -> str | None:
    """Where the model was pushed; None if it was not."""
    if run.pushed is None or run.pushed.properties.get("pushed") != 1:
        return None
    return run.pushed.properties["pushed_destination"]


def blessed(run: Run) -> bool | None:
    """Whether the model may serve; None before the evaluation."""
    return None if run.blessing is None else run.blessing.properties["blessed"] == 1


def _outcome(run: Run, *, stopped: bool, failed: bool) -> Outcome:
    if stopped:
        return "stopped"
    if failed:
        return "failed"
    answer = blessed(run)
    if answer is None:
        return "not evaluated"
    return "blessed" if answer else "not blessed"


def _why_blessed(overall: Slice | None) -> str:
    if overall is None:
        return "Blessed."
    error = f"RMSE {overall.rmse.value:.4f} lb over {overall.examples:,} examples"
    if overall.rmse.change is None:
        return f"Blessed: {error}; no bound is crossed, and there was no baseline to compare with."
    return f"Blessed: {error}, {_against_baseline(overall.rmse.change)}; no bound is crossed."


def _against_baseline(change: float) -> str:
    told = f"{abs(change):.4f}"
    if float(told) == 0:
        return "the same as the baseline"
    return f"{told} lb {'less' if change < 0 else 'more'} than the baseline"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def read_validation(uri: str) -> tuple[tuple[Crossing, ...], tuple[str, ...]]:
    """Reads why a model is not blessed.

    Args:
        uri: Of a ModelEvaluation.

    Returns:
        The bounds that were crossed; and what could not be judged, in words.
    """
    result = tfma.load_validation_result(uri)
    if result is None or result.validation_ok:
        return (), ()
    crossings: list[Crossing] = []
    unjudged: list[str] = []
    if result.missing_slices:
        names = ", ".join(",".join(s.feature_keys) or OVERALL for s in result.missing_slices)
        unjudged.append(f"no examples to judge in {names}")
    for of_slice in result.metric_validations_per_slice:
        place = _place(*slice_name(of_slice.slice_key))
        for failure in of_slice.failures:
            if failure.message:
                unjudged.append(f"{place}: {failure.metric_key.name}: {failure.message}")
            else:
                crossings.append(_crossing(place, failure))
    return tuple(crossings), tuple(unjudged)


def reasons(uri: str) -> tuple[str, ...]:
    """Why a model is not blessed, a sentence each.

    Args:
        uri: Of a ModelEvaluation.
    """
    crossings, unjudged = read_validation(uri)
    return (*map(crossed, crossings), *unjudged)


def _place(feature: str, value: str) -> str:
    return f"{feature} {value}" if feature else OVERALL


def _crossing(place: str, failure: validation_result_pb2.ValidationFailure) -> Crossing:
    value, threshold = failure.metric_value.double_value.value, failure.metric_threshold
    if threshold.HasField("change_threshold"):
        bound = threshold.change_threshold.absolute.value
        return Crossing("rise of the RMSE over the baseline", place, value, bound, None)
    return Crossing("RMSE", place, value, threshold.value_threshold.upper_bound.value, None)


def crossed(crossing: Crossing) -> str:
    """A crossed bound, in words."""
    if crossing.metric == "RMSE":
        what = f"RMSE is {crossing.value:.3f} lb"
    else:
        what = f"RMSE rose by {crossing.value:.3f} lb over the baseline"
    return f"{crossing.place}: {what}; {crossing.bound:.3f} is allowed"
