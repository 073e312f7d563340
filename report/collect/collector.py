"""Everything a page says, read from the artifacts of a run."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import posixpath
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
from tfx.dsl.io import fileio

from models import history, interpretation
from report.collect.coverage import measure
from report.collect.data_quality import describe_data, find, read_split_statistics, row_counts
from report.collect.example_rows import read_examples
from report.collect.reference_models import compare_references
from report.collect.replayed_requests import read_replay
from report.collect.residuals import group_errors, predict, serving_folder
from report.collect.run_artifacts import RunArtifacts
from report.collect.slice_metrics import read_slices
from report.collect.transform_graph import describe_transform
from report.collect.trials import read_trials
from report.collect.verdict import reach_verdict
from report.facts import Coverage, Errors, Facts, Lineage, Transformed
from report.run_info import RunInfo
from report.wording import declared_wording

PACKAGES = (
    "tfx",
    "tensorflow",
    "tensorflow-transform",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "ml-metadata",
    "tf-keras",
    "apache-beam",
    "scikit-learn",
)
"""What decides on results."""


def collect_facts(
    run: RunArtifacts, info: RunInfo, run_id: str, lineage: Lineage, failure: str | None = None
) -> Facts:
    """Reads the facts of a run, however far it got; `failure` is a sentence on what failed."""
    statistics = read_split_statistics(run)
    rows = row_counts(statistics)
    examples = read_examples(run.examples.uri, run.examples.splits) if run.examples else {}
    findings = find(run, statistics) or ()
    slices = read_slices(run.evaluation.uri) if run.evaluation else ()
    evaluated = bool(slices) and {"train", "eval"} <= rows.keys() & examples.keys()
    wording = declared_wording()
    # Of a second, half without Python's lock.
    with ThreadPoolExecutor(1, "references") as beside:
        references = evaluated and beside.submit(
            compare_references, examples, rows, info.bigquery_model
        )
        errors, coverage = _measured(run, examples, rows)
        data = describe_data(run, statistics, findings, examples) if statistics else None
        transformed = _transformed(run, examples)
    return Facts(
        run_id=run_id,
        made=datetime.datetime.now(datetime.timezone.utc),
        info=info,
        wording=wording,
        verdict=reach_verdict(
            run,
            slices,
            references.result() if references else (),
            findings,
            info,
            failure
            or (lineage.failed and f"{lineage.failed} failed; the log has the whole story."),
            wording,
        ),
        slices=slices,
        errors=errors,
        data=data,
        transformed=transformed,
        training=_training(run.training.uri) if run.training else None,
        lineage=replace(
            lineage,
            executions=tuple(e for e in lineage.executions if e.component in info.upstream),
        ),
        versions={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        coverage=coverage,
        trials=read_trials(run.trials.uri) if run.trials else (),
        replay=read_replay(run.replay.uri) if run.replay else None,
    )


def _measured(
    run: RunArtifacts, examples: Mapping[str, pd.DataFrame], rows: Mapping[str, int]
) -> tuple[Errors | None, Coverage | None]:
    """Where the model errs on the eval split, and whether its intervals hold on the test split."""
    unlearned = {split: examples[split] for split in ("eval", "test") if split in examples}
    if run.model is None or not unlearned:
        return None, None
    predicted = predict(run.model.uri, unlearned)
    errors = coverage = None
    if "eval" in predicted:
        count = rows.get("eval", len(predicted["eval"]))
        errors = group_errors(examples["eval"], predicted["eval"], count)
    found = interpretation.read(serving_folder(run.model.uri))
    if found and "test" in predicted:
        coverage = measure(found.intervals, examples["test"], predicted["test"])
    return errors, coverage


def _transformed(run: RunArtifacts, examples: Mapping[str, pd.DataFrame]) -> Transformed | None:
    if run.transform_graph is None or "train" not in examples:
        return None
    return describe_transform(run.transform_graph.uri, examples)


def _training(uri: str) -> history.History:
    with fileio.open(posixpath.join(uri, history.FILE), "r") as file:
        return history.parse(file.read())
