"""Everything a page says, read from the artifacts of a run."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Mapping

import pandas as pd
from tfx.dsl.io import fileio

from models import history
from report.collect.data_quality import describe_data, find, read_split_statistics, row_counts
from report.collect.example_rows import read_examples
from report.collect.lineage import Lineage
from report.collect.provenance import describe_provenance
from report.collect.reference_models import compare_references
from report.collect.residuals import group_errors, predict
from report.collect.run_artifacts import RunArtifacts
from report.collect.slice_metrics import read_slices
from report.collect.transform_graph import describe_transform
from report.collect.verdict import reach_verdict
from report.facts import Errors, Facts, Transformed
from report.run_info import RunInfo
from report.wording import declared_wording


def collect_facts(
    run: RunArtifacts, info: RunInfo, run_id: str, lineage: Lineage, failure: str | None = None
) -> Facts:
    """Reads the facts of a run, however far it got.

    Args:
        run: Its artifacts.
        info: What the runner knows of it.
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
    wording = declared_wording()
    return Facts(
        run_id=run_id,
        pipeline=info.pipeline,
        made=datetime.datetime.now(datetime.timezone.utc),
        source=info.source,
        wording=wording,
        verdict=reach_verdict(
            run,
            slices,
            compare_references(examples, rows) if evaluated else (),
            findings,
            info.severity,
            info.bounds,
            failure or _failure(lineage),
            wording,
        ),
        slices=slices,
        errors=_errors(run, examples, rows),
        data=describe_data(run, statistics, findings, examples) if statistics else None,
        transformed=_transformed(run, examples),
        training=_training(run.training.uri) if run.training else None,
        provenance=describe_provenance(info, lineage),
    )


def _failure(lineage: Lineage) -> str | None:
    return f"{lineage.failed} failed; the log has the whole story." if lineage.failed else None


def _errors(
    run: RunArtifacts, examples: Mapping[str, pd.DataFrame], rows: Mapping[str, int]
) -> Errors | None:
    if run.model is None or "eval" not in examples:
        return None
    predicted = predict(run.model.uri, examples["eval"])
    return group_errors(examples["eval"], predicted, rows.get("eval", len(predicted)))


def _transformed(run: RunArtifacts, examples: Mapping[str, pd.DataFrame]) -> Transformed | None:
    if run.transform_graph is None or "train" not in examples:
        return None
    return describe_transform(run.transform_graph.uri, examples)


def _training(uri: str) -> history.History:
    with fileio.open(posixpath.join(uri, history.FILE), "r") as file:
        return history.parse(file.read())
