"""BigQuery as far as a Pusher asks it: models that are imported from a bucket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.model_registry import Body, RefusedError, Route

_IMPORT = re.compile(
    r"\s*CREATE OR REPLACE MODEL `([\w-]+\.\w+\.\w+)`\s*"
    r"OPTIONS \(model_type='tensorflow',\s*model_path='([^']+)/\*'\)\s*"
)
_PROJECT = r"/bigquery/v2/projects/([^/]+)"


class BigQueryModels:
    """Imports models."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._jobs: dict[str, Body] = {}
        self._folders: dict[str, Path] = {}
        self.routes: list[Route] = [
            ("POST", rf"{_PROJECT}/jobs", self._insert),
            ("GET", rf"{_PROJECT}/jobs/([\w-]+)", self._job),
            ("GET", rf"{_PROJECT}/queries/([\w-]+)", self._result),
        ]

    def folder_of(self, model: str) -> Path | None:
        """What a model was imported from, by its name; None if there is none."""
        return self._folders.get(model)

    def _insert(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        statement = body["configuration"]["query"]["query"]
        imported = _IMPORT.fullmatch(statement)
        if not imported:
            raise RefusedError(501, f"a rehearsal imports models only, not: {statement.strip()}")
        model, path = imported.groups()
        folder = self._buckets.path(path)
        if not (folder / "saved_model.pb").exists():
            raise RefusedError(400, f"there is no SavedModel in {path}")
        self._folders[model] = folder
        name = body["jobReference"]["jobId"]
        self._jobs[name] = body | {
            "status": {"state": "DONE"},
            "statistics": {"query": {"statementType": "CREATE_MODEL"}},
        }
        return self._jobs[name]

    def _job(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        if groups[1] not in self._jobs:
            raise RefusedError(404, f"there is no job {groups[1]}")
        return self._jobs[groups[1]]

    def _result(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        job = self._job(groups, body, query)
        return {"jobComplete": True, "jobReference": job["jobReference"], "totalRows": "0"}
