"""Predictions for many rows: files or tables in, files or tables out, in one Beam pipeline."""
