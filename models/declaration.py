"""What can be declared about a table: features, label, slices and bounds, for any table.

The declaration itself is `models/features.py` and `models/judging.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "Unknown"
"""What a missing category means. It is a value of its own, never a dropped row."""


@dataclass(frozen=True)
class _Titled:
    def __post_init__(self) -> None:
        if not self.title:  # type: ignore[attr-defined]
            object.__setattr__(self, "title", self.name.replace("_", " "))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Category(_Titled):
    """A column of words.

    Attributes:
        name: The column's name in the query, the schema and a request.
        vocabulary: Every value it may take; `UNKNOWN` among them makes it optional in a request.
        help: One line for people who fill in a request.
        title: What people read; by default the name with spaces.
    """

    name: str
    vocabulary: tuple[str, ...]
    help: str
    title: str = ""

    @property
    def required(self) -> bool:
        """Whether a request must give it."""
        return UNKNOWN not in self.vocabulary


@dataclass(frozen=True)
class Number(_Titled):
    """A column with a magnitude.

    Attributes:
        name: The column's name in the query, the schema and a request.
        unit: Unit of the values; may be empty.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        help: One line for people who fill in a request.
        boundaries: Fixed bucket boundaries; a value equal to a boundary falls in the bucket above
            it.
        quantiles: Number of buckets of equal count, their boundaries computed from the training
            examples.
        optional: Whether it may be unknown: NULL in the table, left out of a request. The mean of
            the training examples stands in for it, and the network is told that it does.
        title: What people read; by default the name with spaces.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    help: str
    boundaries: tuple[float, ...] = ()
    quantiles: int = 0
    optional: bool = False
    title: str = ""

    @property
    def required(self) -> bool:
        """Whether a request must give it."""
        return not self.optional


Feature = Category | Number


@dataclass(frozen=True)
class Contradiction:
    """Words of several categories that no example has together, so nothing is learned of them.

    Attributes:
        words: By name of a category, the words that contradict those of the others.
        why: Why nobody can know both, a clause.
        cure: What to change in a request that has them, a sentence.
    """

    words: tuple[tuple[str, tuple[str, ...]], ...]
    why: str
    cure: str


@dataclass(frozen=True)
class Label:
    """What is predicted.

    Attributes:
        name: The column's name in the query and the schema, and the key of the answer.
        unit: Unit of the values, of predictions and of their errors; may be empty.
        minimum: Smallest value allowed, also of a prediction; `-math.inf` for none.
        maximum: Largest value allowed, also of a prediction; `math.inf` for none.
        help: One line that says what it is.
        noun: What one calls it in a sentence, such as `price`.
        too_high: What a prediction above the truth is, such as `too dear`.
        too_low: What a prediction below the truth is, such as `too cheap`.
        plausible_mean: Between what the mean over many examples lies, whoever collected them; a
            mean elsewhere, as of another unit, stops a run. None for no bound.
        plausible_spread: The same of the standard deviation.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    help: str
    noun: str
    too_high: str = "too high"
    too_low: str = "too low"
    plausible_mean: tuple[float, float] | None = None
    plausible_spread: tuple[float, float] | None = None


@dataclass(frozen=True)
class Cross:
    """The combination of several columns, hashed into buckets; the originals are kept too.

    Attributes:
        parents: Names of the columns crossed. Numbers are crossed by their fixed buckets.
        buckets: Number of hash buckets.
    """

    parents: tuple[str, ...]
    buckets: int

    @property
    def name(self) -> str:
        """Name of the transformed feature, such as `height_x_width`."""
        return "_x_".join(self.parents)


@dataclass(frozen=True)
class Band(_Titled):
    """A way to slice the evaluation: ranges of a number, named for people.

    Attributes:
        name: Name of the slicing feature.
        source: The raw column it is read from.
        edges: Rising edges; a value equal to an edge falls in the band above it.
        labels: One name per band, `len(edges) + 1` of them.
        title: What people read; by default the name with spaces.
    """

    name: str
    source: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Group(_Titled):
    """A way to slice the evaluation: words of a category put together.

    Attributes:
        name: Name of the slicing feature.
        source: The raw column it is read from.
        names: Pairs of a word and the group it belongs to.
        otherwise: The group of all other words.
        title: What people read; by default the name with spaces.
    """

    name: str
    source: str
    names: tuple[tuple[str, str], ...]
    otherwise: str
    title: str = ""


@dataclass(frozen=True)
class Calendar:
    """The context columns that say when a row was recorded.

    Attributes:
        year: Name of the column with the year.
        month: Name of the column with the month, from 1 to 12.
    """

    year: str
    month: str


@dataclass(frozen=True)
class Hyperparameters:
    """What shapes the network and how it learns.

    Attributes:
        hidden_units: Widths of the dense layers.
        category_embedding: Width of the embedding of each category.
        wide_learning_rate: Rate of FTRL, for the wide half.
        wide_l2: L2 regularisation of the wide half.
        deep_learning_rate: Peak rate of Adam, for the deep half; it falls to zero over the training
            steps.
        label_scale: What 1 from the network means in the label's unit; about the label's standard
            deviation, so that the rates suit labels of any magnitude.
        cross_share: Share of its buckets that each cross uses; fewer buckets, more collisions and
            fewer weights to learn.
    """

    hidden_units: tuple[int, ...]
    category_embedding: int
    wide_learning_rate: float
    wide_l2: float
    deep_learning_rate: float
    label_scale: float = 1.0
    cross_share: float = 1.0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """Reads what `dataclasses.asdict` gave, through JSON, which has lists alone."""
        return cls(**{**values, "hidden_units": tuple(values["hidden_units"])})


@dataclass(frozen=True)
class Bounds:
    """When a model is blessed. Errors are RMSEs in the label's unit; lower is better.

    Attributes:
        max_rmse: Highest allowed over all examples.
        max_slice_rmse: Highest allowed in any slice that is judged.
        max_rmse_rise: Highest allowed rise over the baseline, over all examples.
        max_slice_rmse_rise: Highest allowed rise over the baseline, in any slice that is judged.
        min_slice_size: Examples below which a slice is shown but not judged.
        judged_slices: Slicing features that matter enough to judge.
    """

    max_rmse: float
    max_slice_rmse: float
    max_rmse_rise: float
    max_slice_rmse_rise: float
    min_slice_size: int
    judged_slices: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """The error of somebody else's model on the same table, for comparison.

    Attributes:
        model: What kind of model.
        rmse: Its RMSE, in the label's unit.
        source: Where it was published, and on which rows.
        mae: Its mean absolute error, where published.
    """

    model: str
    rmse: float
    source: str
    mae: float | None = None
