"""Reads everything a page says from the artifacts of a run; a module per section."""
