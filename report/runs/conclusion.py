"""What is done about a run on this machine once it has ended, however it ended."""

from __future__ import annotations

from pathlib import Path

import ml_metadata as mlmd

from report.collect.collector import gather
from report.collect.lineage import read_lineage
from report.collect.run_artifacts import Run
from report.facts import Facts
from report.render.page import render, render_comparison
from report.runs.past_runs import PastRun, page_file, past_runs, remember
from report.runs.summary import RunSummary, summarise


def conclude(
    store: mlmd.MetadataStore, run_id: str, pages: Path, failure: str | None = None
) -> RunSummary:
    """Sees to it that a run has a page and is remembered.

    Args:
        store: ML Metadata.
        run_id: The run; something of it must have begun.
        pages: Folder for the pages of runs that did not get to write their own.
        failure: What failed, a sentence; None if nothing did.

    Returns:
        What came of the run.
    """
    if failure is not None:
        remember(store, run_id, failure=failure)
    run = Run.from_lineage(read_lineage(store, run_id))
    if run.page is not None:
        page, outcome = run.page.uri, run.page.properties["outcome"]
    else:
        facts = read_facts(store, past_runs(store)[run_id])
        page, outcome = str(write_page(pages, facts)), facts.verdict.outcome
    summary = summarise(run, page)
    remember(store, run_id, outcome=outcome, examples=sum(summary.rows.values()))
    if summary.overall is not None:
        remember(store, run_id, rmse=summary.overall.rmse.value)
    return summary


def read_facts(store: mlmd.MetadataStore, past: PastRun) -> Facts:
    """Reads the facts of a run that was.

    Args:
        store: ML Metadata.
        past: The run.

    Raises:
        UserError: If the run was killed before it could say what it was about.
    """
    about = past.known()
    lineage = read_lineage(store, past.run_id)
    return gather(Run.from_lineage(lineage), about, past.run_id, lineage, past.failure)


def write_page(pages: Path, facts: Facts) -> Path:
    """Writes the page of a run into a folder of pages."""
    return _write(page_file(pages, facts.run_id), render(facts))


def write_comparison(pages: Path, a: Facts, b: Facts) -> Path:
    """Writes the page that compares two runs into a folder of pages."""
    return _write(page_file(pages, f"{a.run_id}-and-{b.run_id}"), render_comparison(a, b))


def _write(path: Path, page: str) -> Path:
    """Writes a page whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    return partial.replace(path)
