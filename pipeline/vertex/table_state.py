"""What the table is when a run is submitted, so that Vertex AI's cache follows it.

Vertex AI knows BigQueryExampleGen's queries and not what they read. So each query of a run begins
with a line that changes when the table does; where no such line can be written, nothing is reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from google.api_core import exceptions

from common.errors import UserError
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.vertex_settings import VertexSettings

STORED = ("TABLE", "CLONE", "SNAPSHOT")
"""Types of tables whose last change is that of their rows; a view's is that of its query."""


@dataclass(frozen=True)
class TableState:
    """What is known of the rows of a table.

    Attributes:
        text: Changes when they do; empty if that is not known.
        reason: Why not, for people.
    """

    text: str = ""
    reason: str = ""


def read_table_state(settings: VertexSettings, cloud: Cloud) -> TableState:
    """Asks BigQuery when the table was last changed, in any of its partitions.

    Returns:
        Time and number of rows; neither for what BigQuery does not tell them of.

    Raises:
        UserError: If there is no such table.
    """
    project, dataset, table = settings.table.split(".")
    path = f"bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"
    try:
        found = cloud.ask("bigquery", path)
    except exceptions.NotFound as error:
        raise UserError(f"There is no table {settings.table}.", "Correct table.") from error
    except exceptions.Forbidden:  # The run's account may read it all the same.
        return TableState(reason=f"you may not look at {settings.table}")
    if found["type"] not in STORED:
        return TableState(reason=f"{settings.table} is no table but {found['type']}")
    if "streamingBuffer" in found:
        return TableState(reason=f"rows are just being streamed into {settings.table}")
    changed = datetime.fromtimestamp(int(found["lastModifiedTime"]) / 1000, timezone.utc)
    return TableState(
        f"last changed {changed.isoformat(timespec='milliseconds')}, {int(found['numRows']):,} rows"
    )
