"""Rows from BigQuery and to it: as Parquet, by jobs that do all or nothing."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery


def export(query: str, folder: str, project: str | None) -> str:
    """Writes the rows of a query to files.

    Args:
        query: BigQuery SQL.
        folder: Where to; BigQuery itself writes to a bucket, else the rows come through here.
        project: The project that pays; None for that of the credentials.

    Returns:
        A pattern of the files.
    """
    client = bigquery.Client(project)
    pattern = f"{folder.rstrip('/')}/rows-*.parquet"
    if folder.startswith("gs://"):
        options = f"uri = '{pattern}', format = 'PARQUET', overwrite = TRUE"
        client.query(f"EXPORT DATA OPTIONS ({options}) AS\n{query.rstrip().rstrip(';')}").result()
        return pattern
    writer = None
    for batch in client.query(query).result().to_arrow_iterable():
        table = pa.Table.from_batches([batch])
        if writer is None:
            writer = pq.ParquetWriter(pattern.replace("*", "0"), table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    return pattern


def load(file: str, table: str) -> None:
    """Replaces the rows of a table by those of a Parquet file, at once.

    Args:
        file: On this machine or in a bucket.
        table: As `project.dataset.table`; made if it is not there.
    """
    client = bigquery.Client(table.split(".")[0])
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
    )
    if file.startswith("gs://"):
        client.load_table_from_uri(file, table, job_config=config).result()
    else:
        with open(file, "rb") as stream:
            client.load_table_from_file(stream, table, job_config=config).result()
