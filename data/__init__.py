"""The query, the sample, the generator, and the embedded warehouse that stands in for BigQuery."""
