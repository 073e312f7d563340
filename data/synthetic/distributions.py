"""What births are drawn from: tables derived from the figures in `data/synthetic/calibration.py`.

They are cached and never change: same figures, same tables. Axes are those of the calibration:
`YEARS`, `AGES`, `WEEKS`, `PLURALITIES` and the age bands; names in capitals are its figures.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from data.synthetic import calibration as known

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def by_year(points: Mapping[int, float]) -> Floats:
    """Returns a value for each of `YEARS`, interpolated between the years that are given."""
    return np.interp(known.YEARS, list(points), list(points.values()))


def age_band(age: Integers) -> Integers:
    """Returns the index of the published age band: up to 14, 15-17, 18-19, 20-24, ..., 45 on."""
    return np.searchsorted(known.BAND_STARTS, age, side="right")


@cache
def half_sampled_rows() -> Floats:
    """Returns by year the share of rows that stand for two births each; shape [years]."""
    half = by_year(known.HALF_SAMPLED_BIRTHS) / 2
    return half / (1 - half)


@cache
def rows_by_year() -> Floats:
    """Returns by year how many million rows the real table holds; shape [years]."""
    return by_year(known.BIRTHS_MILLIONS) * (1 - by_year(known.HALF_SAMPLED_BIRTHS) / 2)


@cache
def ages_by_year() -> Floats:
    """Returns by year the shares of mothers' ages; shape [years, ages].

    A beta distribution between 11.8 and 53 years, which has about the right tails for its mean and
    standard deviation.
    """
    low, high = 11.8, 53.0
    mean = (by_year(known.MOTHER_AGE_MEAN) - low) / (high - low)
    strength = mean * (1 - mean) / (known.MOTHER_AGE_SD / (high - low)) ** 2 - 1
    x = (known.AGES - low) / (high - low)
    density = x ** (mean * strength - 1)[:, None] * (1 - x) ** ((1 - mean) * strength - 1)[:, None]
    return density / density.sum(axis=1, keepdims=True)


@cache
def birth_orders() -> Floats:
    """Returns how many children a mother of an age has borne; shape [years, ages, orders].

    Earlier children follow a Poisson law whose mean grows with the years since 16 (to the power
    of .7: two births in five are then first ones); each year's rate is the one that gives the
    published mean age at first birth.
    """
    exposure = ((known.AGES - 16).clip(0) / 10.0) ** 0.7
    rates = np.linspace(3.0, 0.01, 400)
    first = ages_by_year()[:, None, :] * np.exp(-rates[:, None] * exposure)
    age_at_first = (first * known.AGES).sum(axis=2) / first.sum(axis=2)
    published = by_year(known.AGE_AT_FIRST_BIRTH)
    rate = np.array([np.interp(p, a, rates) for p, a in zip(published, age_at_first, strict=True)])
    mean = (rate[:, None] * exposure)[:, :, None]
    steps = np.concatenate([np.ones_like(mean), mean / np.arange(1, 14)], axis=2)
    terms = steps.cumprod(axis=2)
    return terms / terms.sum(axis=2, keepdims=True)


@cache
def pluralities() -> Floats:
    """Returns the shares of single births, twins and so on; shape [years, ages, pluralities]."""
    ages = ages_by_year()
    percent = known.MULTIPLES_BY_AGE
    by_age = np.interp(known.AGES, list(percent), list(percent.values()))
    relative = by_age / (ages @ by_age)[:, None]
    twins = by_year(known.TWINS_PER_1000) / 1000
    higher = by_year(known.HIGHER_ORDER_PER_1000)[:, None] / 1000 * known.HIGHER_ORDER_SPLIT
    shares = relative[:, :, None] * np.column_stack([twins, higher])[:, None, :]
    return np.concatenate([1 - shares.sum(axis=2, keepdims=True), shares], axis=2)


@cache
def smokers_by_band() -> Floats:
    """Returns the share of smokers by age band, on average `SMOKERS`; shape [bands]."""
    relative = known.SMOKING_BY_AGE_BAND
    return known.SMOKERS * relative / (_reference_bands().sum(axis=0) @ relative)


@cache
def weeks_of_multiples() -> Floats:
    """Returns the shares of weeks for two to five babies; shape [pluralities - 1, weeks]."""
    return np.array([_skewed_weeks(mean, sd) for mean, sd in known.MULTIPLE_WEEKS.values()])


@cache
def weeks_of_singletons() -> Floats:
    """Returns the shares of weeks; shape [years, bands, smoker, boy, weeks].

    Tilted by year, age, smoking and sex around a base that makes the whole of the reference years,
    multiples included, meet `WEEK_PERCENT`.
    """
    tilt = (
        by_year(known.TILT_BY_YEAR)[:, None, None, None]
        + known.TILT_BY_AGE_BAND[:, None, None]
        + np.array([0.0, known.TILT_OF_SMOKERS])[:, None]
        + np.array([0.0, known.TILT_OF_BOYS])
    )
    tilted = np.exp(-tilt[..., None] * (known.WEEKS - 39))
    target = _reference_weeks_of_singletons()
    births = _reference_births()
    base = target
    shares = tilted
    for _ in range(20):  # iterative proportional fitting; settles within ten rounds
        shares = base * tilted
        shares = shares / shares.sum(axis=-1, keepdims=True)
        base = base * target / np.einsum("ybsm,ybsmw->w", births, shares)
    return shares


@cache
def age_effects() -> Floats:
    """Returns the effect of the mother's age on a term baby's weight in pounds; shape [ages].

    What the published means by age leave when the weeks and the smoking of that age are taken out,
    around an average of 0.
    """
    births = _reference_births()
    shares = np.einsum("ybsm,ybsmw->bw", births, weeks_of_singletons())
    expected = (shares @ _singleton_moments()[0]) / births.sum(axis=(0, 2, 3))
    smoking = known.SMOKER_EFFECT * (smokers_by_band() - known.SMOKERS)
    band = age_band(known.AGES)
    means = known.SINGLETON_MEAN_BY_AGE
    published = np.interp(known.AGES, list(means), list(means.values()))
    effects = (published / expected[band] - 1) * known.SINGLETON_MEAN - smoking[band]
    return effects - _reference_rows() @ ages_by_year() @ effects


@cache
def weight_components() -> tuple[Floats, Floats, Floats]:
    """Returns how the weight of an average mother's baby is drawn, by plurality and week.

    Returns:
        The share of misdated babies, shape [pluralities, weeks]; means and standard deviations in
        pounds of the well dated and the misdated, shape [pluralities, weeks, 2]. The effects of
        sex, age, race and smoking are not in the standard deviations: they come on top.
    """
    mean, sd = _singleton_moments()
    twin_mean, twin_sd = _moments(known.TWIN_WEIGHT)
    scale = np.concatenate([[1.0], known.HIGHER_ORDER_WEIGHT])[:, None]
    means = np.concatenate([mean[None], scale * twin_mean])
    sds = np.concatenate([sd[None], scale * twin_sd])
    share = np.zeros_like(means)
    misdated = known.MISDATED_SHARE
    share[0] = np.interp(known.WEEKS, list(misdated), list(misdated.values()))

    variance = sds**2 - _effect_variance() * means**2
    late_mean, late_sd = known.MISDATED_WEIGHT
    true_mean = (means - share * late_mean) / (1 - share)
    true_variance = (variance - share * late_sd**2) / (1 - share) - share * (
        late_mean - true_mean
    ) ** 2
    if true_variance.min() <= 0:
        raise ValueError("MISDATED_SHARE leaves a week without spread of its own")
    return (
        share,
        np.stack([true_mean, np.full_like(means, late_mean)], axis=-1),
        np.stack([np.sqrt(true_variance), np.full_like(means, late_sd)], axis=-1),
    )


def _moments(points: Mapping[int, tuple[float, float]]) -> Floats:
    """Returns mean and standard deviation for each week; shape [2, weeks]."""
    columns = np.transpose(list(points.values()))
    return np.array([np.interp(known.WEEKS, list(points), values) for values in columns])


def _singleton_moments() -> Floats:
    return _moments(known.SINGLETON_WEIGHT)


def _skewed_weeks(mean: float, sd: float) -> Floats:
    """Returns shares of weeks that fall off from the mode towards 17 weeks more slowly than on."""
    latest = 44.0
    center = (latest - mean) / (latest - 15)
    strength = center * (1 - center) / (sd / (latest - 15)) ** 2 - 1
    before = ((latest - known.WEEKS) / (latest - 15)).clip(1e-9, 1)
    shares = before ** (center * strength - 1) * (1 - before) ** ((1 - center) * strength - 1)
    return shares / shares.sum()


def _reference_rows() -> Floats:
    """Returns each year's share of the rows of the reference years, 0 for others."""
    first, last = known.REFERENCE_YEARS
    rows = rows_by_year() * ((first <= known.YEARS) & (last >= known.YEARS))
    return rows / rows.sum()


def _reference_bands() -> Floats:
    """Returns the shares of year and age band over the reference years; shape [years, bands]."""
    members = np.eye(len(known.BAND_STARTS) + 1)[age_band(known.AGES)]
    return _reference_rows()[:, None] * (ages_by_year() @ members)


def _reference_births() -> Floats:
    """Returns the shares of births in the reference years; shape [years, bands, smoker, boy]."""
    smokers = smokers_by_band()
    mothers = _reference_bands()[..., None] * np.stack([1 - smokers, smokers], axis=-1)
    return mothers[..., None] * np.array([1 - known.MALES, known.MALES])


def _reference_weeks_of_singletons() -> Floats:
    """Returns `WEEK_PERCENT` without the multiples, as shares of the singletons; shape [weeks]."""
    by_plurality = np.einsum("y,ya,yap->p", _reference_rows(), ages_by_year(), pluralities())
    multiples = by_plurality[1:] @ weeks_of_multiples()
    singletons = known.WEEK_PERCENT / known.WEEK_PERCENT.sum() - multiples
    if singletons.min() <= 0:
        raise ValueError("MULTIPLE_WEEKS puts more births into a week than there are")
    return singletons / singletons.sum()


def _effect_variance() -> float:
    """Returns the variance, relative to the mean, that sex, age, race and smoking bring about."""
    ages = _reference_rows() @ ages_by_year()
    variance = (
        known.MALE_EFFECT**2 * known.MALES * (1 - known.MALES)
        + known.SMOKER_EFFECT**2 * known.SMOKERS * (1 - known.SMOKERS)
        + ages @ age_effects() ** 2
        + known.RACE_SHARES @ known.RACE_EFFECTS**2
    )
    return float(variance) / known.SINGLETON_MEAN**2
