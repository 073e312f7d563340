"""Where the run's results come from."""

from __future__ import annotations

import importlib.metadata
import platform

from report.collect.lineage import Lineage
from report.facts import Provenance
from report.run_info import RunInfo

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


def describe_provenance(info: RunInfo, lineage: Lineage) -> Provenance:
    """Says where the results come from.

    Args:
        info: What the runner knows of the run.
        lineage: What ML Metadata has on the run; nothing in it on Vertex AI.
    """
    return Provenance(
        upstream=dict(info.upstream),
        # The report itself is under way while it is written.
        executions=tuple(e for e in lineage.executions if e.component in info.upstream),
        artifacts=dict(lineage.artifacts),
        fingerprints=dict(info.fingerprints),
        versions=versions(),
        queries=dict(info.queries),
        settings=dict(info.settings),
        command=info.command,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide on results."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }
