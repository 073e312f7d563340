"""Buckets and crosses of the declaration in BigQuery's SQL, which mean what the transform means."""

from __future__ import annotations

from collections.abc import Iterable

from models.declaration import UNKNOWN
from models.transform import SEPARATOR


def as_literal(value: str | float) -> str:
    """A STRING; or a FLOAT64, by the shortest text that is read as the same number."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        return f"'{escaped}'"
    text = str(value)
    return text if "." in text or "e" in text else f"{text}.0"


def word(column: str) -> str:
    """A category's word: what is missing or empty is `UNKNOWN`."""
    return f"COALESCE(NULLIF({column}, ''), {as_literal(UNKNOWN)})"


def bucket(number: str, boundaries: Iterable[float]) -> str:
    """A number's place among boundaries; one that equals a boundary is above it."""
    return f"RANGE_BUCKET({number}, [{', '.join(map(as_literal, boundaries))}])"


def cross_hash(parts: Iterable[str]) -> str:
    """The hash of a cross, as a signed number; TensorFlow has the same one unsigned."""
    separator = f", {as_literal(SEPARATOR)}, "
    return f"FARM_FINGERPRINT(CONCAT({separator.join(parts)}))"


def hash_bucket(cross_hash: str, buckets: int) -> str:
    """The bucket of a cross: the rest of its unsigned hash."""
    lifted = f"IF({cross_hash} < 0, {buckets + (1 << 64) % buckets}, 0)"
    return f"MOD(MOD({cross_hash}, {buckets}) + {lifted}, {buckets})"
