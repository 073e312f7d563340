"""What a replay found, and whether the model may be pushed; read without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter

FILE = "replay.json"
"""Name of the record in the InfraBlessing artifact."""

TOLERANCE = 1e-5
"""How far an answer may be from what the evaluation predicts, as a share of it, or of all that is
predicted: what rounding makes of another size of batch."""

LARGEST = 10
"""Changes that are told one by one."""

_BINS = 40


@dataclass(frozen=True)
class Latency:
    """Of requests of one row each, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Measured by a client on the same machine."""
        p50, p99 = np.percentile(seconds, [50, 99]) * 1000
        return cls(float(p50), float(p99))


@dataclass(frozen=True)
class Change:
    """What two models answer to a row, in the label's unit."""

    row: Mapping[str, Any]
    champion: float
    candidate: float


@dataclass(frozen=True)
class Changes:
    """How the answers of two models differ: candidate minus champion, in the label's unit.

    Attributes:
        mean: Of all changes.
        typical: Half of the changes are smaller, whichever their direction.
        ninety_fifth: 95% of them are.
        bins: (lowest, highest, rows), of equal width.
        largest: The largest, whichever their direction, the largest first.
    """

    mean: float
    typical: float
    ninety_fifth: float
    bins: tuple[tuple[float, float, int], ...]
    largest: tuple[Change, ...]


@dataclass(frozen=True)
class Replayed:
    """What came of a replay.

    Attributes:
        source: Where the requests are from, in words.
        rows: How many were asked; all of them together with others.
        alone: How many were asked alone as well, and timed.
        left_out: How many were not asked, as they are not as declared today.
        max_p99_ms: What is allowed.
        reasons: Why the model may not be pushed, a sentence with its cure each.
        latency: Of the candidate; None if the server has refused it.
        champion: Of the champion, asked in turn with the candidate; None if there is none.
        changes: Against the champion.
        no_champion: Why there is none to compare with, a sentence; empty if there is.
    """

    source: str
    rows: int
    alone: int
    left_out: int
    max_p99_ms: float
    reasons: tuple[str, ...]
    latency: Latency | None = None
    champion: Latency | None = None
    changes: Changes | None = None
    no_champion: str = ""

    @property
    def passed(self) -> bool:
        """Whether the model may be pushed."""
        return not self.reasons

    @property
    def sentence(self) -> str:
        """How it went, in a few words."""
        if self.latency is None:
            return f"{self.rows:,} requests of {self.source}: not answered"
        answered = f"{self.rows:,} requests of {self.source}"
        times = f"p50 {self.latency.p50:.1f} ms, p99 {self.latency.p99:.1f} ms"
        if self.champion is None:
            return f"{answered}: {times}"
        return f"{answered}: {times}; champion {self.champion.p50:.1f} and {self.champion.p99:.1f}"

    def to_json(self) -> str:
        """The form in which it is kept."""
        return _JSON.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Replayed:
        """Reads what `to_json` wrote."""
        return _JSON.validate_json(text)


_JSON = TypeAdapter(Replayed)


def wrong_answers(
    rows: Sequence[Mapping[str, Any]], answers: np.ndarray, expected: np.ndarray
) -> str:
    """Says how answers differ from what is expected, in a sentence; nothing if they do not.

    Args:
        rows: What was asked.
        answers: What was answered, `[rows]`.
        expected: What the evaluation predicts, `[rows]`.
    """
    off = np.abs(answers - expected)
    allowed = TOLERANCE * (np.abs(expected) + np.std(expected))
    wrong = ~(off <= allowed)  # Also where an answer is no number.
    if not wrong.any():
        return ""
    worst = int(np.argmax(np.where(wrong, np.nan_to_num(off, nan=np.inf), -1)))
    return (
        f"{int(wrong.sum()):,} of {len(rows):,} answers differ from what the evaluation predicts, "
        f"most of all {answers[worst]:g} instead of {expected[worst]:g} for {dict(rows[worst])}. "
        "See to it that all signatures of models/signatures.py compute the same."
    )


def too_slow(latency: Latency, max_p99_ms: float) -> str:
    """Says that a model is too slow, in a sentence; nothing if it is not."""
    if latency.p99 <= max_p99_ms:
        return ""
    return (
        f"p99 of a request is {latency.p99:,.1f} ms, and max_replay_p99_ms allows {max_p99_ms:g}. "
        "Make the model smaller, raise the bound, or, if the machine was busy, measure again with "
        "--from Replay --no-cache."
    )


def compare(
    rows: Sequence[Mapping[str, Any]], candidate: np.ndarray, champion: np.ndarray
) -> Changes:
    """Compares what two models answer to the same rows, `[rows]` each."""
    change = candidate.astype(np.float64) - champion
    size = np.abs(change)
    counts, edges = np.histogram(change, bins=_BINS)
    typical, ninety_fifth = np.quantile(size, (0.5, 0.95))
    return Changes(
        mean=float(change.mean()),
        typical=float(typical),
        ninety_fifth=float(ninety_fifth),
        bins=tuple(
            (float(low), float(high), int(count))
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
        ),
        largest=tuple(
            Change(dict(rows[i]), float(champion[i]), float(candidate[i]))
            for i in np.argsort(-size, kind="stable")[:LARGEST]
        ),
    )
