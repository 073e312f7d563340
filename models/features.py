"""Every column the model knows, declared once.

The transform, the network's inputs, the serving signatures, the slices of the evaluation and the
check of a request all read this declaration. To add a column: declare it here, select it in
`data/natality.sql`, and agree on it in `schema/schema.pbtxt`.

A column earns its place when it is related to the weight, known *before* the birth, numeric with a
meaningful magnitude (or a category with enough examples of each value). Why each column of the
table is in or out is told in `docs/features.md`.
"""

from __future__ import annotations

from models.declaration import (
    UNKNOWN,
    Band,
    Calendar,
    Category,
    Contradiction,
    Cross,
    Feature,
    Group,
    Hyperparameters,
    Label,
    Number,
)

LABEL = Label(
    "weight_pounds",
    "lb",
    0.0,
    20.0,
    "weight at birth",
    noun="weight",
    too_high="too heavy",
    too_low="too light",
    # Of real births a year, 7.2 to 7.4 and 1.2 to 1.4. In kilograms they have 3.3 and 0.6.
    plausible_mean=(6.0, 8.5),
    plausible_spread=(0.8, 2.0),
)

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

COPIES_DIFFER_IN = ("is_male", "plurality")
"""Features in which the examples made of one record differ: of each birth the query makes one with
what an ultrasound tells and one without. Empty where a record gives one example."""

CONTRADICTIONS: tuple[Contradiction, ...] = (
    Contradiction(
        (("is_male", ("True", "False")), ("plurality", ("Multiple(2+)",))),
        "the ultrasound that tells the sex tells the number of babies too",
        "Give the number in plurality, or leave is_male out.",
    ),
)
"""Words that no example has together: a request that has them is refused."""

CROSSES: tuple[Cross, ...] = (
    Cross(("mother_age", "gestation_weeks"), buckets=4_000),
    Cross(("is_male", "plurality"), buckets=100),
    # The course's four-way cross; 20,000 buckets for about 10,000 combinations that occur.
    Cross(("is_male", "mother_age", "plurality", "gestation_weeks"), buckets=20_000),
)

CONTEXT = ("year", "month")
"""Columns that travel with each example for statistics and splits; the model never sees them."""

CALENDAR: Calendar | None = Calendar(year="year", month="month")
"""Which of the context columns say when; None where none does."""

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

HYPERPARAMETERS = Hyperparameters(
    hidden_units=(64, 32),
    category_embedding=4,
    wide_learning_rate=0.05,
    wide_l2=10.0,
    deep_learning_rate=0.003,
)
"""Defaults; each is a setting."""
