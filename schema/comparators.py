"""Names of the schema's comparators, known without loading TFDV."""

SKEW = "SKEW"
"""From what a model learns from to what it is judged by, or asked."""

DRIFT = "DRIFT"
"""From what there was before to what there is now."""
