"""Whether the model may serve, and why: in the sentences that the page and the terminal share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2

from report.collect.replayed_requests import read_replay
from report.collect.run_artifacts import RunArtifacts
from report.collect.slice_metrics import slice_name
from report.facts import Outcome, Reference, Slice, Verdict, Violation
from report.run_info import RunInfo
from report.wording import OVERALL, Wording, declared_wording
from schema.findings import Finding, blocking


def reach_verdict(
    run: RunArtifacts,
    slices: Sequence[Slice],
    references: Sequence[Reference],
    findings: Sequence[Finding],
    info: RunInfo,
    failure: str | None,
    wording: Wording,
) -> Verdict:
    """Says whether the model may serve, with the reason in one sentence.

    Args:
        run: The artifacts of the run.
        slices: Of its evaluation, all examples first; none before the evaluation.
        references: What the model is held against.
        findings: What the gate found.
        info: What the runner knew of the run: its bounds, and the severity that the gate stops at.
        failure: What failed, a sentence; None if nothing did.
        wording: How to speak of the table.
    """
    overall = slices[0] if slices else None
    violations, unjudged = read_validation(run.evaluation.uri) if run.evaluation else ((), ())
    baselines = {(s.feature, s.value): s.rmse.baseline for s in slices}
    violations = tuple(
        replace(v, baseline=baselines.get((v.feature, v.slice_value))) for v in violations
    )
    stops = tuple(str(f) for f in blocking(findings, info.severity)) if failure else ()
    outcome = _outcome(run, stopped=bool(stops), failed=failure is not None)
    broken = [describe_violation(v, wording) for v in violations]
    refused = read_replay(run.replay.uri).reasons if run.replay else ()
    sentence = {
        "blessed": _why_blessed(overall, wording),
        "not blessed": f"Not blessed: {'; '.join([*broken, *unjudged, *refused]).rstrip('.')}.",
        "stopped": f"Stopped before training: {_count(len(stops), 'finding')} in the data.",
        "failed": f"Failed: {failure}",
        "not evaluated": "Not evaluated: the run ended before the Evaluator.",
    }[outcome]
    return Verdict(
        outcome=outcome,
        sentence=sentence,
        violations=violations,
        stopped_by=stops or ((failure,) if failure else ()),
        overall=overall,
        pushed_to=pushed_to(run),
        references=tuple(references),
        # Not as the evaluation has them: without a baseline, TFMA drops bounds on the change.
        bounds=info.bounds if run.evaluation else None,
    )


def pushed_to(run: RunArtifacts) -> str | None:
    """Where the model was pushed; None if it was not."""
    if run.pushed is None or run.pushed.properties.get("pushed") != 1:
        return None
    return run.pushed.properties["pushed_destination"]


def blessed(run: RunArtifacts) -> bool | None:
    """Whether the model may serve, by the Evaluator and the replay; None before the evaluation."""
    if run.blessing is None:
        return None
    marks = (run.blessing, run.replay) if run.replay else (run.blessing,)
    return all(mark.properties["blessed"] == 1 for mark in marks)


def _outcome(run: RunArtifacts, *, stopped: bool, failed: bool) -> Outcome:
    if stopped:
        return "stopped"
    if failed:
        return "failed"
    answer = blessed(run)
    if answer is None:
        return "not evaluated"
    return "blessed" if answer else "not blessed"


def _why_blessed(overall: Slice | None, wording: Wording) -> str:
    if overall is None:
        return "Blessed."
    rmse = overall.rmse
    error = f"RMSE {wording.amount(rmse.value, 1)} over {overall.examples:,} examples"
    if rmse.change is None:
        return f"Blessed: {error}; no bound is crossed, and there was no baseline to compare with."
    change = wording.amount(abs(rmse.change), 1)
    against = f"{change} {'less' if rmse.change < 0 else 'more'} than the baseline"
    if change == wording.amount(0, 1):
        against = "the same as the baseline"
    return f"Blessed: {error}, {against}; no bound is crossed."


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def read_validation(uri: str) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """Reads from a ModelEvaluation why a model is not blessed.

    Returns:
        The bounds that it does not keep; and what could not be judged, a phrase each.
    """
    result = tfma.load_validation_result(uri)
    if result is None or result.validation_ok:
        return (), ()
    violations: list[Violation] = []
    unjudged: list[str] = []
    wording = declared_wording()
    if result.missing_slices:
        names = [" ".join(map(wording.title, s.feature_keys)) for s in result.missing_slices]
        unjudged.append(f"no examples to judge in {', '.join(n or OVERALL for n in names)}")
    for of_slice in result.metric_validations_per_slice:
        key = slice_name(of_slice.slice_key)
        for failure in of_slice.failures:
            if failure.message:
                name = failure.metric_key.name
                unjudged.append(f"{wording.slice_title(*key)}: {name}: {failure.message}")
            else:
                violations.append(_violation(*key, failure))
    # TFMA has them in any order. All examples first, then the worst slice.
    violations.sort(key=lambda v: (bool(v.feature), -v.value))
    return tuple(violations), tuple(unjudged)


def read_reasons(uri: str) -> tuple[str, ...]:
    """Why a model is not blessed by a ModelEvaluation, a sentence each."""
    violations, unjudged = read_validation(uri)
    wording = declared_wording()
    return (*(describe_violation(v, wording) for v in violations), *unjudged)


def _violation(
    feature: str, slice_value: str, failure: validation_result_pb2.ValidationFailure
) -> Violation:
    value, threshold = failure.metric_value.double_value.value, failure.metric_threshold
    if threshold.HasField("change_threshold"):
        bound = threshold.change_threshold.absolute.value
        metric = "rise of the RMSE over the baseline"
        return Violation(metric, feature, slice_value, value, bound, None)
    bound = threshold.value_threshold.upper_bound.value
    return Violation("RMSE", feature, slice_value, value, bound, None)


def describe_violation(violation: Violation, wording: Wording) -> str:
    """A bound that a model does not keep, as a sentence."""
    value, bound = wording.amount(violation.value), f"{violation.bound:,.{wording.digits}f}"
    error = f"RMSE is {value}"
    if violation.metric != "RMSE":
        error = f"RMSE rose by {value} over the baseline"
    place = wording.slice_title(violation.feature, violation.slice_value)
    return f"{place}: {error}; {bound} is allowed"
