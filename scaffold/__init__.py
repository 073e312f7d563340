"""A whole project for another table: drafts of the declaring files, beside a copy of the code."""
