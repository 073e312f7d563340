"""Where the run's results come from."""

from __future__ import annotations

import importlib.metadata
import platform

from report.collect.lineage import Lineage
from report.facts import Provenance
from report.run_info import About

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


def provenance(about: About, lineage: Lineage) -> Provenance:
    """Says where the results come from.

    Args:
        about: What the runner told.
        lineage: What ML Metadata has on the run; nothing in it on Vertex AI.
    """
    return Provenance(
        upstream=dict(about.upstream),
        # The report itself is under way while it is written.
        executions=tuple(e for e in lineage.executions if e.component in about.upstream),
        artifacts=dict(lineage.artifacts),
        fingerprints=dict(about.fingerprints),
        versions=versions(),
        queries=dict(about.queries),
        settings=dict(about.settings),
        command=about.command,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide on results."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }
