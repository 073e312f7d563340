"""The versions of a model: loaded, tried, chosen among, and called in batches."""
