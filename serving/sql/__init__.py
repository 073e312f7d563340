"""A pushed model as one query, which scores a table where it lies."""
