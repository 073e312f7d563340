"""The page for people: a form made from the declaration, and the answer drawn."""
