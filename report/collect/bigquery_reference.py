"""A model that BigQuery ML trains on the same splits, for the model to be held against."""

from __future__ import annotations

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError

from common.errors import UserError
from report.facts import Reference
from report.run_info import BigQueryModel

DOLLARS_PER_TIB = {"LINEAR_REG": 312.5}
"""US dollars for a TiB that a CREATE MODEL of a kind reads, on demand, as assumed in November 2026;
docs/deploy.md says where to look."""

OTHERWISE = 6.25
"""The same for the other kinds, for which Vertex AI bills the training besides, and for queries."""


def train_reference(model: BigQueryModel) -> Reference:
    """Runs the script of a model; its errors are those on the eval split.

    Raises:
        UserError: If BigQuery refuses.
    """
    from google.cloud import bigquery  # Most runs need none.

    try:
        client = bigquery.Client(model.project)
        job = client.query(model.script)
        (row,) = job.result()
        steps = list(client.list_jobs(parent_job=job))
    except (GoogleAPIError, GoogleAuthError) as error:
        raise UserError(
            f"BigQuery ML did not train {model.kind}: {error}",
            "Mend that and run again, which goes on from here; or run with --reference local.",
        ) from error
    billed, dollars = 0, 0.0
    for step in steps:
        read = step.total_bytes_billed or 0
        trains = step.statement_type == "CREATE_MODEL"
        price = DOLLARS_PER_TIB.get(model.kind, OTHERWISE) if trains else OTHERWISE
        billed, dollars = billed + read, dollars + read / 2**40 * price
    source = f"learned by BigQuery ML from the train split; {billed / 1e9:.1f} GB billed"
    source += f", about {dollars:.2f} US$"
    if model.kind not in DOLLARS_PER_TIB:
        source += " and Vertex AI's training"
    return Reference(f"BigQuery ML, {model.kind}", row["rmse"], row["mae"], source, same_rows=True)
