"""The curated schema, reviewed like code."""
