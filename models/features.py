"""Every column the model knows, declared once.

The transform, the network's inputs, the serving signatures, the slices of the evaluation and the
check of a request all read this declaration. To add a column: declare it here, select it in
`data/natality.sql`, and agree on it in `schema/schema.pbtxt`.

A column earns its place when it is related to the weight, known *before* the birth, numeric with a
meaningful magnitude (or a category with enough examples of each value). Why each column of the
table is in or out is told in `docs/features.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "Unknown"
"""What a missing category means. It is a value of its own, never a dropped row."""


@dataclass(frozen=True)
class Category:
    """A column of words.

    Attributes:
        name: The column's name in the query, the schema and a request.
        vocabulary: Every value it may take; `UNKNOWN` among them makes it optional in a request.
        help: One line for people who fill in a request.
    """

    name: str
    vocabulary: tuple[str, ...]
    help: str

    @property
    def required(self) -> bool:
        """Whether a request must give it."""
        return UNKNOWN not in self.vocabulary


@dataclass(frozen=True)
class Number:
    """A column with a magnitude, always known.

    Attributes:
        name: The column's name in the query, the schema and a request.
        unit: Unit of the values.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        help: One line for people who fill in a request.
        boundaries: Fixed bucket boundaries; a value equal to a boundary falls in the bucket above
            it.
        quantiles: Number of buckets of equal count, their boundaries computed from the training
            examples.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    help: str
    boundaries: tuple[float, ...] = ()
    quantiles: int = 0

    @property
    def required(self) -> bool:
        """Whether a request must give it; numbers have no value that means unknown."""
        return True


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
        """Name of the transformed feature, such as `mother_age_x_gestation_weeks`."""
        return "_x_".join(self.parents)


Feature = Category | Number


@dataclass(frozen=True)
class Band:
    """A way to slice the evaluation: ranges of a number, named for people.

    Attributes:
        name: Name of the slicing feature.
        source: The raw column it is read from.
        edges: Rising edges; a value equal to an edge falls in the band above it.
        labels: One name per band, `len(edges) + 1` of them.
    """

    name: str
    source: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """A way to slice the evaluation: words of a category put together.

    Attributes:
        name: Name of the slicing feature.
        source: The raw column it is read from.
        names: Pairs of a word and the group it belongs to.
        otherwise: The group of all other words.
    """

    name: str
    source: str
    names: tuple[tuple[str, str], ...]
    otherwise: str


LABEL = Number("weight_pounds", "lb", 0.0, 20.0, "weight at birth")

FEATURES: tuple[Feature, ...] = (
    Category("is_male", ("True", "False", UNKNOWN), "the baby's sex, if an ultrasound told"),
    Number(
        "mother_age",
        "years",
        10,
        60,
        "the mother's age at the birth",
        boundaries=tuple(range(15, 46)),
        quantiles=10,
    ),
    Category(
        "plurality",
        (
            "Single(1)",
            "Twins(2)",
            "Triplets(3)",
            "Quadruplets(4)",
            "Quintuplets(5)",
            "Multiple(2+)",
        ),
        "how many babies; Multiple(2+) if there is no ultrasound",
    ),
    Number(
        "gestation_weeks",
        "weeks",
        17,
        47,
        "weeks of gestation at the birth",
        boundaries=tuple(range(18, 48)),
    ),
    Category(
        "mother_race",
        (
            "White",
            "Black",
            "American Indian",
            "Chinese",
            "Japanese",
            "Hawaiian",
            "Filipino",
            "Asian Indian",
            "Korean",
            "Samoan",
            "Vietnamese",
            "Other",
            UNKNOWN,
        ),
        "the mother's race as the certificate codes it",
    ),
    Category("cigarette_use", ("True", "False", UNKNOWN), "whether the mother smokes"),
    Category("alcohol_use", ("True", "False", UNKNOWN), "whether the mother drinks"),
)

ULTRASOUND = ("is_male", "plurality")
"""What an ultrasound tells; the two examples made of each birth differ in these alone."""

CROSSES: tuple[Cross, ...] = (
    Cross(("mother_age", "gestation_weeks"), buckets=4_000),
    Cross(("is_male", "plurality"), buckets=100),
    # The course's four-way cross; 20,000 buckets for about 10,000 combinations that occur.
    Cross(("is_male", "mother_age", "plurality", "gestation_weeks"), buckets=20_000),
)

CONTEXT = ("year", "month")
"""Columns that travel with each example for statistics and splits; the model never sees them."""

BANDS: tuple[Band, ...] = (
    Band(
        "gestation_band",
        "gestation_weeks",
        (28, 34, 37, 42),
        ("under 28 weeks", "28-33 weeks", "34-36 weeks", "37-41 weeks", "42 weeks and over"),
    ),
    Band(
        "mother_age_band",
        "mother_age",
        (18, 25, 35, 40),
        ("under 18", "18-24", "25-34", "35-39", "40 and over"),
    ),
    # 2,500 grams, the World Health Organization's bound for a low birth weight.
    Band("birth_weight", "weight_pounds", (5.512,), ("low", "not low")),
)

GROUPS: tuple[Group, ...] = (Group("ultrasound", "is_male", ((UNKNOWN, "no"),), otherwise="yes"),)

SLICES: tuple[str, ...] = (
    "plurality",
    "is_male",
    *(band.name for band in BANDS),
    *(group.name for group in GROUPS),
)
"""What the evaluation is sliced by, beside all examples together."""


def categories() -> tuple[Category, ...]:
    """The declared columns of words, in order."""
    return tuple(f for f in FEATURES if isinstance(f, Category))


def numbers() -> tuple[Number, ...]:
    """The declared columns with a magnitude, in order."""
    return tuple(f for f in FEATURES if isinstance(f, Number))
