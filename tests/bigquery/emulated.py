"""Points Google's clients at the emulator; neither executor is replaced or changed.

Each change below is either where a client connects to, or mends one thing the emulator (1.4.0) does
otherwise than BigQuery.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import google.auth
import pytest
from apache_beam.io.gcp.bigquery_tools import BigQueryWrapper
from apache_beam.io.gcp.internal.clients.bigquery import bigquery_v2_client
from google.auth.credentials import AnonymousCredentials


def connect(patch: pytest.MonkeyPatch, url: str, project: str) -> None:
    """Sends everything that would go to BigQuery to the emulator.

    Args:
        patch: Undoes it all at the end of the test.
        url: Where the emulator's REST API is, as `http://host:port`.
        project: The project that runs the queries.
    """
    # google-cloud-bigquery reads this variable itself; Beam's older client has its address in a
    # class attribute.
    patch.setenv("BIGQUERY_EMULATOR_HOST", url)
    patch.setattr(bigquery_v2_client.BigqueryV2, "BASE_URL", f"{url}/bigquery/v2/")
    patch.setattr(google.auth, "default", lambda *_, **__: (AnonymousCredentials(), project))

    start_query = BigQueryWrapper._start_query_job

    def into_destination(
        self: BigQueryWrapper, project_id: str, query: str, *args: Any, **options: Any
    ):
        """Names the destination in the query: the emulator ignores the job's destinationTable."""
        if not options.get("dry_run"):
            table = self._get_temp_table(project_id)
            name = f"{table.projectId}.{table.datasetId}.{table.tableId}"
            query = f"CREATE OR REPLACE TABLE `{name}` AS {query}"
        return start_query(self, project_id, query, *args, **options)

    patch.setattr(BigQueryWrapper, "_start_query_job", into_destination)

    extract = BigQueryWrapper.perform_extract_job

    def into_folder(self: BigQueryWrapper, destination: list[str], *args: Any, **options: Any):
        """Makes the folder first: buckets need none, but here the destination is a local path."""
        for path in destination:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return extract(self, destination, *args, **options)

    patch.setattr(BigQueryWrapper, "perform_extract_job", into_folder)
