"""Figures for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the folder through which several workers add up their figures."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 10_000)


class Telemetry:
    """The figures of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "serving_requests", "Requests answered", ["contract", "status"], registry=registry
        )
        self.seconds = Histogram(
            "serving_request_seconds",
            "Time from a request's head to the end of its answer",
            ["contract"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.rows = Counter("serving_rows", "Rows predicted", ["version"], registry=registry)
        self.batch_rows = Histogram(
            "serving_batch_rows", "Rows in a call of the model", buckets=_ROWS, registry=registry
        )
        self.versions = Counter(
            "serving_version_events",
            "Versions loaded, switched to, refused and unloaded, and looks that failed",
            ["event"],
            registry=registry,
        )
        self.version = Gauge(
            "serving_newest_version",
            "Number of the version that answers by default",
            registry=registry,
            multiprocess_mode="min",
        )

    def page(self) -> bytes:
        """The figures of all workers, as text."""
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
