"""What the record says of births: ounces and grams, codes, unknowns, columns some years lack.

The columns are those of `bigquery-public-data.samples.natality`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from data.synthetic import calibration as known
from data.synthetic import distributions
from data.synthetic.births import Births, Booleans, draw_states, happens, pick_one
from data.synthetic.distributions import Floats, Integers

UNKNOWN = 99

_COLUMNS = (
    *("source_year", "year", "month", "day", "wday", "state", "is_male", "child_race"),
    *("weight_pounds", "plurality", "apgar_1min", "apgar_5min", "mother_residence_state"),
    *("mother_race", "mother_age", "gestation_weeks", "lmp", "mother_married"),
    *("mother_birth_state", "cigarette_use", "cigarettes_per_day", "alcohol_use"),
    *("drinks_per_week", "weight_gain_pounds", "born_alive_alive", "born_alive_dead"),
    *("born_dead", "ever_born", "father_race", "father_age", "record_weight"),
)
_TYPES = {
    **dict.fromkeys(("state", "mother_residence_state", "lmp", "mother_birth_state"), pa.string()),
    **dict.fromkeys(("is_male", "mother_married", "cigarette_use", "alcohol_use"), pa.bool_()),
    "weight_pounds": pa.float64(),
}
"""Of the columns that are no whole numbers."""

SCHEMA = pa.schema(
    pa.field(name, _TYPES.get(name, pa.int64()), nullable=name not in ("source_year", "is_male"))
    for name in _COLUMNS
)
"""The columns of the BigQuery table, in its order and with its types."""


def as_recorded(rng: np.random.Generator, births: Births) -> pa.Table:
    """Returns the births as the table has them, with its codes, unknowns and gaps; see `SCHEMA`."""
    rows, year = len(births.date), births.year - known.YEARS[0]
    half_sampled = happens(rng, rows, distributions.half_sampled_rows()[year])
    old_form = happens(rng, rows, distributions.by_year(known.OLD_CERTIFICATE)[year])
    columns = (
        _calendar(births)
        | _places(rng, births)
        | _newborn(rng, births)
        | _dating(rng, births)
        | _parents(rng, births, old_form)
        | _habits(rng, births, old_form)
        | _weight_gain(rng, births)
        | _earlier_children(rng, births)
        | {"record_weight": pa.array(1 + half_sampled.astype(np.int64))}
    )
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _calendar(births: Births) -> dict[str, pa.Array]:
    year = births.year
    month = births.date.astype("datetime64[M]")
    day = (births.date - month).astype(np.int64) + 1
    return {
        "source_year": pa.array(year),
        "year": pa.array(year),
        "month": pa.array(month.astype(np.int64) % 12 + 1),
        "day": pa.array(day, mask=year >= known.FIRST_YEAR_WITHOUT_DAY),
        "wday": pa.array(births.weekday),
    }


def _places(rng: np.random.Generator, births: Births) -> dict[str, pa.Array]:
    """Returns the states: of birth, of residence (mostly the same), of the mother's own birth."""
    names = [*known.STATE_BIRTHS, "Foreign"]
    rows = len(births.state)
    lives_elsewhere = happens(rng, rows, 0.02)  # assumed
    home = np.where(lives_elsewhere, draw_states(rng, rows), births.state)
    # Assumed: born where they live now, in another state, or abroad.
    kind = pick_one(rng, rows, np.array([0.60, 0.18, 0.22]))
    origin = np.where(kind == 0, home, draw_states(rng, rows))
    origin = np.where(kind == 2, len(names) - 1, origin)
    missing = births.year >= known.FIRST_YEAR_WITHOUT_STATE
    return {
        "state": _strings(names, births.state, missing),
        "mother_residence_state": _strings(names, home, missing),
        "mother_birth_state": _strings(names, origin, missing),
    }


def _strings(values: Sequence[str], codes: Integers, missing: Booleans) -> pa.Array:
    """Returns values[codes] without a Python string for each row."""
    indices = pa.array(codes.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values)).cast(pa.string())


def _newborn(rng: np.random.Generator, births: Births) -> dict[str, pa.Array]:
    rows = len(births.pounds)
    year = births.year
    unweighed = happens(rng, rows, known.WEIGHT_UNKNOWN)
    without_score = year < known.FIRST_YEAR_OF_APGAR
    # Assumed: 9 after five minutes and 8 after one, less for the very early and the weak.
    strength = 0.3 * births.vigor + 0.15 * (births.weeks - 36).clip(-12, 0)
    five = np.round(8.9 + strength + 0.6 * rng.standard_normal(rows)).clip(0, 10)
    one = np.minimum(np.round(five - 0.9 + 0.8 * rng.standard_normal(rows)).clip(0, 10), five)
    unknown = happens(rng, rows, known.APGAR_UNKNOWN)
    score_1 = np.where(unknown, UNKNOWN, one).astype(np.int64)
    score_5 = np.where(unknown, UNKNOWN, five).astype(np.int64)
    return {
        "is_male": pa.array(births.male),
        "weight_pounds": pa.array(_weigh(rng, births.pounds), mask=unweighed),
        "plurality": pa.array(births.plurality),
        "apgar_1min": pa.array(
            score_1, mask=without_score | (year >= known.FIRST_YEAR_WITHOUT_APGAR_1MIN)
        ),
        "apgar_5min": pa.array(score_5, mask=without_score),
    }


def _weigh(rng: np.random.Generator, pounds: Floats) -> Floats:
    """Returns pounds of whole grams, as read from scales in ounces or in grams."""
    grams = (pounds * known.GRAMS_PER_POUND).clip(*known.WEIGHT_LIMITS_GRAMS)
    by_chance = 1 / known.GRAMS_PER_OUNCE  # scales in grams that show a whole ounce
    in_ounces = (known.WHOLE_OUNCES - by_chance) / (1 - by_chance)
    ounces = np.round(grams / known.GRAMS_PER_OUNCE) * known.GRAMS_PER_OUNCE
    reading = np.where(happens(rng, len(grams), in_ounces), ounces, grams)
    return np.round(reading) / known.GRAMS_PER_POUND


def _dating(rng: np.random.Generator, births: Births) -> dict[str, pa.Array]:
    """Returns gestation and the LMP it is counted from; without an LMP it is an estimate."""
    rows = len(births.weeks)
    lmp_unknown = happens(rng, rows, known.LMP_UNKNOWN)
    day_unknown = happens(rng, rows, known.LMP_DAY_UNKNOWN)
    estimated_too = happens(rng, rows, known.GESTATION_UNKNOWN / known.LMP_UNKNOWN)
    days_since = births.weeks * 7 + (rng.random(rows) * 7).astype(np.int64)
    lmp = births.date - days_since.astype("timedelta64[D]")
    day = np.where(day_unknown, UNKNOWN, (lmp - lmp.astype("datetime64[M]")).astype(np.int64) + 1)
    month = lmp.astype("datetime64[M]").astype(np.int64)
    number = (month % 12 + 1) * 1_000_000 + day * 10_000 + month // 12 + 1970
    distinct, codes = np.unique(np.where(lmp_unknown, 99_999_999, number), return_inverse=True)
    return {
        "gestation_weeks": pa.array(births.weeks, mask=lmp_unknown & estimated_too),
        "lmp": _strings([f"{n:08d}" for n in distinct], codes, np.zeros(rows, np.bool_)),
    }


def _parents(rng: np.random.Generator, births: Births, old_form: Booleans) -> dict[str, pa.Array]:
    """Returns ages and races; races are known from the old form only."""
    rows = len(births.mother_race)
    too_early = births.year < known.FIRST_YEAR_OF_ASIAN_CODES
    of = known.FATHER_UNKNOWN
    unknown = happens(rng, rows, np.where(births.married, of["married"], of["unmarried"]))
    # Assumed: nine fathers in ten are of the mother's race.
    stranger = known.RACE_CODES[pick_one(rng, rows, known.RACE_SHARES)]
    father = np.where(happens(rng, rows, 0.1), stranger, births.mother_race)

    def coded(race: Integers) -> pa.Array:
        return pa.array(np.where(too_early & (race >= 18), 9, race), mask=~old_form)

    return {
        "mother_age": pa.array(births.mother_age),
        "mother_married": pa.array(births.married),
        "father_age": pa.array(np.where(unknown, UNKNOWN, _father_age(rng, births))),
        "mother_race": coded(births.mother_race),
        "child_race": coded(births.mother_race),  # by rule the mother's
        "father_race": coded(np.where(unknown, 9, father)),
    }


def _father_age(rng: np.random.Generator, births: Births) -> Integers:
    correlation = known.PARENTS_AGE_CORRELATION
    year = births.year - known.YEARS[0]
    older = known.FATHER_AGE_MEAN - known.MOTHER_AGE_MEAN[known.REFERENCE_YEARS[1]]
    mother = births.mother_age - distributions.by_year(known.MOTHER_AGE_MEAN)[year]
    along = correlation * known.FATHER_AGE_SD / known.MOTHER_AGE_SD * mother
    apart = known.FATHER_AGE_SD * np.sqrt(1 - correlation**2) * rng.standard_normal(len(mother))
    age = distributions.by_year(known.MOTHER_AGE_MEAN)[year] + older + along + apart
    return np.round(age).clip(14, 80).astype(np.int64)


def _habits(rng: np.random.Generator, births: Births, old_form: Booleans) -> dict[str, pa.Array]:
    """Returns smoking, asked from 2003 on, and drinking, asked on the old form only."""
    rows = len(births.smoker)
    smoking_known = happens(rng, rows, known.CIGARETTES_KNOWN)
    smoking_known &= births.year >= known.FIRST_YEAR_OF_CIGARETTES
    drinking_known = old_form & happens(rng, rows, known.ALCOHOL_KNOWN)
    drinking_known &= births.year >= known.FIRST_YEAR_OF_ALCOHOL
    # Assumed: half a pack a day and a drink or two a week, both with a long tail.
    cigarettes = np.ceil(10 * np.exp(0.7 * rng.standard_normal(rows))).clip(1, 98)
    drinks = np.ceil(1.5 * np.exp(0.8 * rng.standard_normal(rows))).clip(1, 98)
    cigarettes = np.where(births.smoker, cigarettes, 0).astype(np.int64)
    drinks = np.where(births.drinker, drinks, 0).astype(np.int64)
    return {
        "cigarette_use": pa.array(births.smoker, mask=~smoking_known),
        "cigarettes_per_day": pa.array(cigarettes, mask=~smoking_known),
        "alcohol_use": pa.array(births.drinker, mask=~drinking_known),
        "drinks_per_week": pa.array(drinks, mask=~drinking_known),
    }


def _earlier_children(rng: np.random.Generator, births: Births) -> dict[str, pa.Array]:
    rows = len(births.order)
    earlier = births.order - 1
    # Assumed: 1.2 % of earlier children have died; one mother in five lost an early pregnancy.
    died = np.minimum(happens(rng, rows, 0.012 * earlier).astype(np.int64), earlier)
    lost = pick_one(rng, rows, np.array([0.80, 0.15, 0.035, 0.015]))
    return {
        "born_alive_alive": pa.array(earlier - died),
        "born_alive_dead": pa.array(died),
        "born_dead": pa.array(lost),
        "ever_born": pa.array(births.order),
    }


def _weight_gain(rng: np.random.Generator, births: Births) -> dict[str, pa.Array]:
    rows = len(births.vigor)
    # Assumed: 31 +- 13 lb, a little more with a heavier baby.
    gain = np.round(31 + 13 * (0.2 * births.vigor + 0.98 * rng.standard_normal(rows))).clip(0, 98)
    unknown = happens(rng, rows, known.WEIGHT_GAIN_UNKNOWN)
    return {
        "weight_gain_pounds": pa.array(
            np.where(unknown, UNKNOWN, gain).astype(np.int64),
            mask=births.year < known.FIRST_YEAR_OF_WEIGHT_GAIN,
        )
    }
