"""Synthetic rows for the table, and the committed sample of them."""
