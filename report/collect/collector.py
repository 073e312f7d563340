"""Everything a page says, read from the artifacts of a run."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import pandas as pd

from report.collect.data_quality import describe_data, find, read_split_statistics, row_counts
from report.collect.example_rows import read_examples
from report.collect.lineage import Lineage
from report.collect.provenance import provenance
from report.collect.reference_models import references
from report.collect.residuals import group_errors, predictions
from report.collect.run_artifacts import Run
from report.collect.slice_metrics import read_slices
from report.collect.training_record import describe_training
from report.collect.transform_graph import describe_transform
from report.collect.verdict import judge
from report.facts import Errors, Facts, Transformed
from report.run_info import About


def gather(
    run: Run, about: About, run_id: str, lineage: Lineage, failure: str | None = None
) -> Facts:
    """Reads the facts of a run, however far it got.

    Args:
        run: Its artifacts.
        about: What the runner told of it.
        run_id: Its name.
        lineage: What ML Metadata has on it; nothing on Vertex AI.
        failure: What failed, a sentence; None if nothing did.

    Returns:
        The facts; None or empty for what the run did not get to.
    """
    statistics = read_split_statistics(run)
    rows = row_counts(statistics)
    examples = read_examples(run.examples.uri, run.examples.splits) if run.examples else {}
    findings = find(run, statistics) or ()
    slices = read_slices(run.evaluation.uri) if run.evaluation else ()
    evaluated = bool(slices) and {"train", "eval"} <= rows.keys() & examples.keys()
    return Facts(
        run_id=run_id,
        pipeline=about.pipeline,
        made=datetime.datetime.now(datetime.timezone.utc),
        source=about.source,
        verdict=judge(
            run,
            slices,
            references(examples, rows) if evaluated else (),
            findings,
            about.severity,
            about.bounds,
            failure or _failure(lineage),
        ),
        slices=slices,
        errors=_errors(run, examples, rows),
        data=describe_data(run, statistics, findings, examples) if statistics else None,
        transformed=_transformed(run, examples),
        trained=describe_training(run.training.uri) if run.training else None,
        provenance=provenance(about, lineage),
    )


def _failure(lineage: Lineage) -> str | None:
    return f"{lineage.failed} failed; the log has the whole story." if lineage.failed else None


def _errors(
    run: Run, examples: Mapping[str, pd.DataFrame], rows: Mapping[str, int]
) -> Errors | None:
    if run.model is None or "eval" not in examples:
        return None
    predicted = predictions(run.model.uri, examples["eval"])
    return group_errors(examples["eval"], predicted, rows.get("eval", len(predicted)))


def _transformed(run: Run, examples: Mapping[str, pd.DataFrame]) -> Transformed | None:
    if run.transform_graph is None or "train" not in examples:
        return None
    return describe_transform(run.transform_graph.uri, examples)
