"""What a watch comes to, in the sentence that the page, the terminal and the webhook share."""

from __future__ import annotations

from models.error_estimate import Estimate
from report.facts import Truth
from report.wording import Wording
from schema.comparators import DRIFT
from serving.watch.watched import Watched


def judge_served(watched: Watched, wording: Wording) -> str:
    """Says whether what is asked is still what was learned."""
    if not watched.findings:
        if not watched.judged:
            return f"Not judged: no day has {watched.min_rows:,} rows of a version that is known."
        return "As learned: nothing that was asked is further from training than chance explains."
    kinds: dict[bool, dict[str, None]] = {False: {}, True: {}}
    for finding in watched.findings:
        kinds[finding.kind == DRIFT][wording.title(finding.feature)] = None
    said = []
    if kinds[False]:
        said.append(f"Not as learned: {', '.join(kinds[False])}.")
    if kinds[True]:
        said.append(f"Changed from one day to another: {', '.join(kinds[True])}.")
    return " ".join(said)


def describe_requests(watched: Watched) -> str:
    """What was asked, in a few words."""
    days = f"from {watched.first} to {watched.last}"
    if watched.first == watched.last:
        days = f"of {watched.first}"
    versions = " and ".join(str(period.version) for period in watched.versions)
    return f"{watched.rows:,} rows {days}, answered by version {versions}"


def describe_truth(truth: Truth, wording: Wording) -> str:
    """Says whether the model would be blessed today, by the labels that have come."""
    overall = truth.overall
    error = f"RMSE {wording.amount(overall.rmse.value, 1)} over {overall.examples:,} labelled rows"
    if truth.blessed is None:
        return f"Not judged: {error}; {truth.bounds.min_slice_size:,} are needed."
    if truth.blessed:
        return f"Would be blessed today: {error}; no bound is crossed."
    return f"Would not be blessed today: {'; '.join(truth.reasons)}."


def describe_estimate(estimate: Estimate, wording: Wording) -> str:
    """Says what the error is thought to be, such as `RMSE 1.03 kg, 95% between 1.01 and 1.05`."""
    low, high = (wording.amount(end, 1) for end in (estimate.low, estimate.high))
    return f"RMSE {wording.amount(estimate.rmse, 1)}, 95% between {low} and {high}"


def describe_record(truth: Truth, wording: Wording) -> str:
    """Says whether the estimate was right, a sentence; nothing if there was none."""
    if truth.estimate is None:
        return ""
    off = truth.estimate.rmse - truth.overall.rmse.value
    held = truth.estimate.low <= truth.overall.rmse.value <= truth.estimate.high
    return (
        f"Without labels it was estimated as {describe_estimate(truth.estimate, wording)}: "
        f"{'right' if held else 'wrong'}, by {wording.amount(abs(off), 1)}."
    )
