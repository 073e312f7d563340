"""What a pushed model's transform learned, found by asking its `transform` signature.

TFX's graph holds means, variances and boundaries as unnamed constants. But what it answers is a
contract: a z-score is a line, whose zero and slope two answers tell; an index of buckets rises in
steps, and where a float32 steps, bisection finds exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import features as declared
from models.declaration import Category, Feature, Number
from models.names import TRANSFORM
from models.transform import bucket_name, quantile_name, z_score_name
from serving.versions.saved_model import SavedModel

Answers = Mapping[str, np.ndarray]

_LARGEST = int(np.finfo(np.float32).max.view(np.int32))
"""The largest float32 in the order of all: 0 is 0, and each next float32 is one more."""


@dataclass(frozen=True)
class Steps:
    """A whole number that rises with a number.

    Attributes:
        thresholds: Rising; where a FLOAT64 that is rounded to float32 comes to the next value.
        values: One more than thresholds: the values below, between and from the last on.
        unknown: The value where the number is unknown.
    """

    thresholds: tuple[float, ...]
    values: tuple[int, ...]
    unknown: int | None


@dataclass(frozen=True)
class LearnedNumber:
    """What became of a number: its z-score is `(x - mean) * slope`.

    Attributes:
        mean: In the number's unit.
        slope: One over the standard deviation.
        unknown: The z-score where the number is unknown.
        steps: By name of the transformed feature, its buckets.
    """

    mean: float
    slope: float
    unknown: float | None
    steps: Mapping[str, Steps]


@dataclass(frozen=True)
class LearnedTransform:
    """What the transform learned.

    Attributes:
        words: By category, its vocabulary in the order of the indices; any other word has the
            index after the last.
    """

    words: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, LearnedNumber]


def read_transform(version: Path, model: SavedModel) -> LearnedTransform:
    """Asks a model, whose folder `version` is, for what its transform learned."""
    signature = model.signatures[TRANSFORM]
    words, numbers = {}, {}
    for feature in declared.FEATURES:

        def ask(values: np.ndarray, asked: Feature = feature) -> Answers:
            return signature({f.name: _filled(f, asked, values) for f in declared.FEATURES})

        if isinstance(feature, Category):
            words[feature.name] = _vocabulary(feature, version, ask)
        else:
            numbers[feature.name] = _number(feature, ask)
    return LearnedTransform(words, numbers)


def _filled(feature: Feature, asked: Feature, values: np.ndarray) -> np.ndarray:
    """The values of the feature that is asked about; of others, any that is allowed."""
    if feature is asked:
        return values
    word = isinstance(feature, Category)
    any_value = feature.vocabulary[0].encode() if word else feature.minimum
    return np.full(len(values), any_value, object if word else np.float32)


def _vocabulary(
    category: Category, version: Path, ask: Callable[[np.ndarray], Answers]
) -> tuple[str, ...]:
    file = version / "assets" / category.name  # As `models.transform` names it.
    learned = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    words = list(dict.fromkeys([*learned, *category.vocabulary]))
    stranger = max(words, key=len) + "?"
    asked = np.array([word.encode() for word in (*words, stranger)], dtype=object)
    *indices, none = ask(asked)[category.name].tolist()
    known = sorted((i, word) for i, word in zip(indices, words, strict=True) if i != none)
    if [i for i, _ in known] != list(range(none)):
        raise ValueError(f"The vocabulary of {category.name} has words that {file} does not tell.")
    return tuple(word for _, word in known)


def _number(number: Number, ask: Callable[[np.ndarray], Answers]) -> LearnedNumber:
    unknown = ask(np.array([np.nan], np.float32)) if number.optional else None
    z_score = z_score_name(number)
    mean = float(_first(lambda x: ask(x)[z_score] >= 0, 1)[0])
    ends = np.array([number.minimum, number.maximum, mean + 1], np.float32)
    far = float(max(ends, key=lambda end: abs(end - mean)))
    (z,) = ask(np.array([far], np.float32))[z_score].tolist()
    steps = {}
    for name in (bucket_name(number), quantile_name(number)):
        ends = _in_order(np.array([-_LARGEST, _LARGEST]))
        if name not in (answer := ask(ends)):
            continue
        low, high = answer[name].tolist()
        values = np.arange(low + 1, high + 1)
        found = _first(lambda x, name=name, values=values: ask(x)[name] >= values, len(values))
        # Where two boundaries are equal, no number has the value between.
        keep = [i for i in range(len(values)) if i + 1 == len(values) or found[i] != found[i + 1]]
        steps[name] = Steps(
            tuple(_rounded_up_to(found[i]) for i in keep),
            (low, *(int(values[i]) for i in keep)),
            int(unknown[name][0]) if unknown else None,
        )
    return LearnedNumber(
        mean, z / (far - mean), float(unknown[z_score][0]) if unknown else None, steps
    )


def _first(holds: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """For each of some conditions that hold from some float32 on, the smallest that it holds for.

    Args:
        holds: Tells of one number for each condition whether it holds.
        count: How many conditions there are.
    """
    low = np.full(count, -_LARGEST - 1, np.int64)  # Does not hold yet.
    high = np.full(count, _LARGEST, np.int64)  # Holds.
    while np.any(high - low > 1):
        middle = (low + high + 1) // 2  # Never low, of which nothing is to be asked.
        true = holds(_in_order(middle))
        high, low = np.where(true, middle, high), np.where(true, low, middle)
    return _in_order(high)


def _in_order(order: np.ndarray) -> np.ndarray:
    """The float32s that stand so far after 0 in the order of all, or before it."""
    return np.copysign(np.abs(order).astype(np.int32).view(np.float32), order).astype(np.float32)


def _rounded_up_to(number: np.float32) -> float:
    """The smallest float64 that is rounded to a float32, or to one above it."""
    below = np.nextafter(number, np.float32(-np.inf))
    halfway = (float(below) + float(number)) / 2
    return halfway if np.float32(halfway) == number else float(np.nextafter(halfway, np.inf))
