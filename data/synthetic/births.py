"""The births that happen: drawn from the figures in `data/synthetic/calibration.py`.

Every row is a birth of its own: twins are not paired. What a record says of a birth is decided in
`data/synthetic/records.py`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic import calibration as known
from data.synthetic import distributions
from data.synthetic.distributions import Floats, Integers

Booleans = NDArray[np.bool_]
Years = tuple[int, int]


@dataclass(frozen=True)
class Births:
    """Births as they happened, nothing unknown; every array has shape [rows]."""

    date: NDArray[np.datetime64]
    male: Booleans
    pounds: Floats
    vigor: Floats
    """How heavy for its circumstances, in standard deviations."""
    plurality: Integers
    weeks: Integers
    state: Integers
    mother_age: Integers
    mother_race: Integers
    smoker: Booleans
    drinker: Booleans
    married: Booleans
    order: Integers
    """1 for a mother's first child."""

    @property
    def year(self) -> Integers:
        """Calendar year of the birth."""
        return self.date.astype("datetime64[Y]").astype(np.int64) + 1970

    @property
    def weekday(self) -> Integers:
        """Day of the week of the birth, 1 for Sunday to 7 for Saturday."""
        return _weekday(self.date)


def draw_births(rng: np.random.Generator, rows: int, years: Years) -> Births:
    """Draws births of the years from first to last, in random order."""
    date = _draw_dates(rng, rows, years)
    year = date.astype("datetime64[Y]").astype(np.int64) + 1970 - known.YEARS[0]
    age = _pick(rng, distributions.ages_by_year(), year)
    mother_age = known.AGES[age]
    band = distributions.age_band(mother_age)
    race = pick_one(rng, rows, known.RACE_SHARES)
    smoker = happens(rng, rows, distributions.smokers_by_band()[band])
    drinker = happens(rng, rows, distributions.by_year(known.DRINKERS)[year])
    plurality = _pick(rng, distributions.pluralities(), year, age)
    male = happens(rng, rows, known.MALES)
    week = _draw_weeks(rng, plurality, year, band, smoker, male)
    vigor = _draw_vigor(rng, rows)
    effect = (
        known.MALE_EFFECT * (male - known.MALES)
        + known.SMOKER_EFFECT * (smoker - known.SMOKERS)
        + known.DRINKER_EFFECT * drinker
        + distributions.age_effects()[age]
        + known.RACE_EFFECTS[race]
    )
    return Births(
        date=date,
        male=male,
        pounds=_draw_pounds(rng, plurality, week, vigor, effect),
        vigor=vigor,
        plurality=known.PLURALITIES[plurality],
        weeks=known.WEEKS[week],
        state=draw_states(rng, rows),
        mother_age=mother_age,
        mother_race=known.RACE_CODES[race],
        smoker=smoker,
        drinker=drinker,
        married=_draw_married(rng, mother_age, year),
        order=_pick(rng, distributions.birth_orders(), year, age) + 1,
    )


def _pick(rng: np.random.Generator, shares: Floats, *group: Integers) -> Integers:
    """Draws an index along the last axis of `shares` for each row, given its group.

    All groups share one ascending line, group 0 from 0 to 1, group 1 from 1 to 2 and so on, so that
    one binary search serves them all. Here and in `records.py`, only `rng.random` and
    `rng.standard_normal` are used: the streams least likely to change with a release of numpy.

    Args:
        rng: Where the randomness comes from.
        shares: Probabilities along the last axis; any scale.
        group: For each leading axis of `shares`, the index of each row; shape [rows].
    """
    table = shares.reshape(-1, shares.shape[-1])
    flat = np.ravel_multi_index(group, shares.shape[:-1])
    sums = table.cumsum(axis=1)
    line = sums / sums[:, -1:] + np.arange(len(table))[:, None]
    found = np.searchsorted(line.ravel(), flat + rng.random(len(flat)), side="right")
    return (found - flat * table.shape[1]).clip(0, table.shape[1] - 1)


def pick_one(rng: np.random.Generator, rows: int, shares: Floats) -> Integers:
    """Draws an index into `shares`, shape [choices], for each row."""
    return _pick(rng, shares[None], np.zeros(rows, np.int64))


def happens(rng: np.random.Generator, rows: int, probability: float | Floats) -> Booleans:
    """Draws for each row whether something of that probability, one or one a row, happens."""
    return rng.random(rows) < probability


def _draw_dates(rng: np.random.Generator, rows: int, years: Years) -> NDArray[np.datetime64]:
    """Draws days of birth: real dates, so that weekday, month and LMP agree with each other."""
    days = np.arange(f"{years[0]}-01-01", f"{years[1] + 1}-01-01", dtype="datetime64[D]")
    year = days.astype("datetime64[Y]").astype(np.int64) + 1970
    month = days.astype("datetime64[M]").astype(np.int64)
    share = known.WEEKDAY_SHARES[_weekday(days) - 1]
    share = share / np.bincount(month - month[0], share)[month - month[0]]
    rows_of_year = distributions.rows_by_year()[year - known.YEARS[0]]
    share = share * known.MONTH_SHARES[month % 12] * rows_of_year
    return days[pick_one(rng, rows, share)]


def _weekday(days: NDArray[np.datetime64]) -> Integers:
    """Returns 1 for Sunday to 7 for Saturday; day 0 of the epoch was a Thursday."""
    return (days.astype(np.int64) + 4) % 7 + 1


def _draw_weeks(
    rng: np.random.Generator,
    plurality: Integers,
    year: Integers,
    band: Integers,
    smoker: Booleans,
    male: Booleans,
) -> Integers:
    """Draws indices of weeks."""
    shares = distributions.weeks_of_singletons()
    week = _pick(rng, shares, year, band, smoker.astype(np.int64), male.astype(np.int64))
    several = plurality > 0
    week[several] = _pick(rng, distributions.weeks_of_multiples(), plurality[several] - 1)
    return week


def _draw_vigor(rng: np.random.Generator, rows: int) -> Floats:
    """Draws deviations from the typical weight: mean 0, standard deviation 1, right-skewed."""
    normal = rng.standard_normal(rows)
    skew = known.WEIGHT_SKEW
    return (normal + skew * (normal**2 - 1)) / np.sqrt(1 + 2 * skew**2)


def _draw_pounds(
    rng: np.random.Generator,
    plurality: Integers,
    week: Integers,
    vigor: Floats,
    effect: Floats,
) -> Floats:
    """Draws weights.

    Effects are known for term babies; as a factor on the typical weight they shrink with a smaller
    baby.
    """
    share, mean, sd = distributions.weight_components()
    part = happens(rng, len(week), share[plurality, week]).astype(np.int64)
    typical = mean[plurality, week, part] * (1 + effect / known.SINGLETON_MEAN)
    return typical + sd[plurality, week, part] * vigor


def draw_states(rng: np.random.Generator, rows: int) -> Integers:
    """Draws indices into `STATE_BIRTHS`, by the births of each state."""
    births = np.array(list(known.STATE_BIRTHS.values()), dtype=np.float64)
    return pick_one(rng, rows, births)


def _draw_married(rng: np.random.Generator, age: Integers, year: Integers) -> Booleans:
    midpoint = distributions.by_year(known.MEDIAN_AGE_OF_MARRIED)[year]
    return happens(rng, len(age), 1 / (1 + np.exp((midpoint - age) / 4.0)))
