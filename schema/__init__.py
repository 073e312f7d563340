"""The schema, reviewed like code."""
