"""Draws a page from facts: templates, charts, numbers as people read them."""
