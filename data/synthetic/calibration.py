"""What is known of US births 1969-2008: published figures and assumptions.

Sources. Figures without a mark are those of the CDC/NCHS natality reports, or were computed from
real natality rows of 2001-08 with a known weight, age, gestation and plurality. Figures marked
*assumed* are ours: plausible values where nothing better was at hand. Weights are in pounds,
ages in years, gestation in completed weeks since the last menstrual period (LMP).

`data/synthetic/distributions.py` derives from them the tables that births are drawn from.
"""

import numpy as np

# ----------------------------------------------------------------------------------- axes of tables
YEARS = np.arange(1969, 2009)
AGES = np.arange(12, 51)
WEEKS = np.arange(17, 48)
PLURALITIES = np.arange(1, 6)
REFERENCE_YEARS = (2001, 2008)
"""The years for which the weeks, the weights and the effects below were measured."""

# -------------------------------------------------------------------------------- when and how many
BIRTHS_MILLIONS = {
    1969: 3.60, 1973: 3.15, 1980: 3.62, 1988: 3.91, 1990: 4.16, 2000: 4.06, 2007: 4.32, 2008: 4.25,
}  # fmt: skip
HALF_SAMPLED_BIRTHS = {1971: 1.0, 1972: 0.95, 1977: 0.45, 1984: 0.10, 1985: 0.0}
"""Share of births in areas where every second record was kept (record_weight 2); *assumed* between
1971, when all areas were, and 1985, when none was."""

# Published: February 7.5 % to August 9.1 %; the months between are *assumed*.
MONTH_SHARES = np.array([8.2, 7.5, 8.3, 8.0, 8.4, 8.3, 8.8, 9.1, 8.7, 8.5, 8.0, 8.2]) / 100
# Sunday first. Published: Sunday 9.4 %, Saturday 10.7 %, Tuesday to Friday 16 %.
WEEKDAY_SHARES = np.array([9.4, 15.1, 16.3, 16.2, 16.2, 16.1, 10.7]) / 100

# ------------------------------------------------------------------------------------------ parents
MOTHER_AGE_MEAN = {1969: 24.7, 1980: 25.4, 1990: 26.4, 2000: 27.2, 2008: 27.5}
"""27.4 over 2001-08 is published; earlier years are *assumed*."""
MOTHER_AGE_SD = 6.2
AGE_AT_FIRST_BIRTH = {1969: 21.3, 2008: 25.1}
FATHER_AGE_MEAN = 30.3  # *assumed*
FATHER_AGE_SD = 6.9  # *assumed*
PARENTS_AGE_CORRELATION = 0.74
FATHER_UNKNOWN = {"married": 0.03, "unmarried": 0.32}
"""About 14 % of all fathers' ages are unknown (published); the split is *assumed*."""
MEDIAN_AGE_OF_MARRIED = {1969: 14.0, 1980: 18.0, 1990: 21.6, 2000: 23.6, 2008: 25.0}
"""*Assumed*: the mother's age at which half are married, the midpoint of a logistic curve."""

SMOKERS = 0.10
"""5-6 % of all rows of 2003-08 say yes and 46 % say nothing; the same in all years (*assumed*:
before 2003 the column is empty)."""
DRINKERS = {1989: 0.04, 2000: 0.01, 2008: 0.007}  # *assumed*

# Shares and week-adjusted effects on weight of the mother's race: *assumed* throughout, a mild
# effect, independent of age, smoking and weeks.
RACE_CODES = np.array([1, 2, 3, 4, 5, 6, 7, 9, 18, 28, 39, 48, 68, 78])
RACE_SHARES = (
    np.array([78.6, 14.6, 1.1, 0.8, 0.2, 0.15, 0.8, 0.3, 0.9, 0.4, 0.05, 0.6, 1.2, 0.3]) / 100
)
RACE_EFFECTS = np.array(
    [0.04, -0.17, 0.06, -0.10, -0.15, 0.0, -0.15, 0.0, -0.22, -0.04, 0.2, -0.16, -0.10, 0.0]
)
FIRST_YEAR_OF_ASIAN_CODES = 1992
"""Codes from 18 on are reported as 9 (other) before this year (*assumed*)."""

# Births by state around 2002, in thousands: *assumed*, and without effect on anything else.
STATE_BIRTHS = {
    "CA": 529, "TX": 375, "NY": 251, "FL": 205, "IL": 180, "PA": 142, "OH": 149, "GA": 134,
    "MI": 129, "NC": 118, "NJ": 114, "VA": 99, "AZ": 88, "TN": 80, "WA": 79, "IN": 85,
    "MA": 81, "MD": 71, "MO": 76, "WI": 68, "CO": 69, "MN": 68, "LA": 65, "AL": 58,
    "SC": 53, "KY": 53, "OK": 50, "UT": 50, "OR": 45, "CT": 42, "KS": 39, "IA": 37,
    "AR": 37, "MS": 41, "NV": 32, "NM": 27, "NE": 26, "WV": 21, "ID": 21, "HI": 17,
    "ME": 13, "NH": 14, "DE": 11, "RI": 13, "MT": 11, "SD": 11, "AK": 10, "DC": 15,
    "ND": 9, "VT": 6, "WY": 6,
}  # fmt: skip

# ---------------------------------------------------------------------------------------- plurality
TWINS_PER_1000 = {1969: 18.3, 1980: 18.9, 1990: 22.6, 2000: 29.3, 2004: 32.2, 2008: 32.6}
"""1969 is *assumed*."""
HIGHER_ORDER_PER_1000 = {1969: 0.3, 1980: 0.4, 1990: 0.8, 2000: 2.3, 2008: 2.3}
""".21 % + .02 % over 2001-08 is published; earlier years are *assumed*."""
HIGHER_ORDER_SPLIT = np.array([0.900, 0.093, 0.007])
"""Triplets, quadruplets and quintuplets among them; the last is *assumed*."""
MULTIPLES_BY_AGE = {
    14: 0.8, 16: 1.6, 19: 1.9, 22: 2.3, 27: 3.2, 32: 4.2, 37: 5.4, 42: 5.9, 44: 8.0, 45: 15.0,
    47: 22.0,
}  # fmt: skip
"""Percent at the middle of a published age band (18-19 and 44 *assumed*; 18 % for all from 45 on).
Only the shape is used: every year is scaled to its published twins and higher orders."""

# ---------------------------------------------------------------------------------------- gestation
# Published from 28 weeks on, and .75 % for all weeks up to 27, which is *assumed* to split so.
WEEK_PERCENT = np.array([
    0.005, 0.01, 0.02, 0.035, 0.045, 0.065, 0.09, 0.11, 0.115, 0.12, 0.135,
    0.20, 0.27, 0.35, 0.37, 0.64, 0.94, 1.65, 2.53, 4.39, 8.99, 18.48, 25.20,
    19.69, 9.39, 3.09, 1.57, 0.80, 0.42, 0.19, 0.13,
])  # fmt: skip
# Mean weeks of the pluralities (38.75, 35.4, 31.5, 30.5) are published; the spreads are *assumed*,
# so wide that the published spreads of the weights come out. Skewed: early births are commoner
# than late ones.
MULTIPLE_WEEKS = {2: (35.4, 3.1), 3: (31.5, 3.1), 4: (30.5, 2.3), 5: (28.5, 2.6)}

# Who gives birth earlier: the weeks of singletons are weighted by exp(-tilt * week). All *assumed*,
# so chosen that the published raw and week-adjusted effects both come out, and by year the
# published share of births before 37 weeks (1990 10.6, 2000 11.6, 2005 12.7, 2008 12.3 %).
BAND_STARTS = np.array([15, 18, 20, 25, 30, 35, 40, 45])
TILT_BY_AGE_BAND = np.array([0.11, 0.065, 0.04, 0.0, -0.008, -0.008, 0.005, 0.03, 0.04])
TILT_OF_SMOKERS = 0.03
TILT_OF_BOYS = 0.02
TILT_BY_YEAR = {1969: -0.05, 1981: -0.045, 1990: -0.025, 2000: -0.015, 2005: 0.005, 2008: -0.002}
SMOKING_BY_AGE_BAND = np.array([0.5, 0.9, 1.5, 1.4, 1.0, 0.7, 0.6, 0.6, 0.5])
"""*Assumed*, relative to the average mother."""

# ------------------------------------------------------------------------------------------ weights
# Singletons: mean and standard deviation in pounds by week. Published: 24, 26, 28, 30, 32, 34,
# 36 to 42, 44 and 47; interpolated between. Below 24, and 27, *assumed*: only from 28 weeks on do
# term babies with a wrong date remain in the records. The third decimals at 37 to 41 weeks are
# within the rounding of the published figures, and closest to the published noise floor.
SINGLETON_WEIGHT = {
    17: (0.75, 0.40), 20: (0.95, 0.50), 22: (1.20, 0.65), 24: (1.66, 0.92), 26: (2.22, 0.84),
    27: (2.50, 0.84), 28: (4.06, 2.34), 30: (4.51, 1.97), 32: (5.02, 1.59), 34: (5.91, 1.39),
    36: (6.48, 1.13), 37: (6.90, 1.054), 38: (7.27, 1.014), 39: (7.54, 0.974),
    40: (7.72, 1.004), 41: (7.79, 1.014), 42: (7.67, 1.07), 44: (7.69, 1.04), 47: (7.48, 1.05),
}  # fmt: skip
WEIGHT_SKEW = 0.04
"""*Assumed*, so chosen that the published share below 5.5 lb (2005: 8.2 %) comes out: heavy babies
lie further from the average than light ones do."""
# Part of the singletons of a week are term babies whose date is wrong by a cycle or more. Their
# weight (*assumed*) and share (*assumed*) leave a plausible mean and spread to the others.
MISDATED_WEIGHT = (7.15, 1.10)
MISDATED_SHARE = {17: 0.0, 23: 0.005, 24: 0.021, 25: 0.015, 26: 0.012, 27: 0.01}
MISDATED_SHARE |= {28: 0.34, 29: 0.33, 30: 0.31, 31: 0.29, 32: 0.255, 33: 0.255, 34: 0.265}
MISDATED_SHARE |= {35: 0.18, 36: 0.0}
# Twins by clinical estimate: 28, 32, 36 and 38 weeks are published, 34 and the ends *assumed*.
TWIN_WEIGHT = {
    17: (0.60, 0.25), 22: (1.05, 0.30), 24: (1.40, 0.35), 28: (2.43, 0.51), 32: (3.82, 0.69),
    34: (4.78, 0.74), 36: (5.54, 0.78), 38: (6.21, 0.83), 40: (6.60, 0.90), 47: (6.70, 0.95),
}  # fmt: skip
HIGHER_ORDER_WEIGHT = np.array([0.90, 0.69, 0.66])
"""Triplets, quadruplets and quintuplets relative to twins of the same week: *assumed*, so chosen
that the published means of 3.40 and 2.33 come out."""

SINGLETON_MEAN = 7.311
SINGLETON_MEAN_BY_AGE = {
    14: 6.86, 16: 6.97, 18.5: 7.03, 22: 7.20, 27: 7.36, 32: 7.44, 37: 7.42, 42: 7.33, 47: 7.30,
}  # fmt: skip
"""At the middle of a published age band."""
MALES = 0.512
MALE_EFFECT = 0.290
SMOKER_EFFECT = -0.356
DRINKER_EFFECT = -0.10  # *assumed*
WEIGHT_LIMITS_GRAMS = (227, 8165)
"""The lightest and the heaviest baby on record; 8,165 g are the published 18.0 lb."""
GRAMS_PER_POUND = 453.59237
GRAMS_PER_OUNCE = GRAMS_PER_POUND / 16
WHOLE_OUNCES = 0.66

# ----------------------------------------------------------------------- what the records leave out
FIRST_YEAR_WITHOUT_DAY = 1989
FIRST_YEAR_WITHOUT_STATE = 2005
FIRST_YEAR_OF_APGAR = 1978  # *assumed*
FIRST_YEAR_WITHOUT_APGAR_1MIN = 2003
FIRST_YEAR_OF_CIGARETTES = 2003
FIRST_YEAR_OF_ALCOHOL = 1989
FIRST_YEAR_OF_WEIGHT_GAIN = 1989  # *assumed*
OLD_CERTIFICATE = {2002: 1.0, 2003: 0.93, 2004: 0.77, 2005: 0.66, 2006: 0.48, 2007: 0.43, 2008: 0.3}
"""Share of births on the certificate before its revision of 2003, which alone gives race and
alcohol. By year *assumed*; 69 % of the rows of 2001-08 together is published."""
ALCOHOL_KNOWN = 0.895
"""Of the rows on the old certificate, to give the published 62 % over 2001-08."""
CIGARETTES_KNOWN = 0.537
"""From 2003 on, to give the published 40.5 % over 2001-08."""
WEIGHT_UNKNOWN = 0.0006
GESTATION_UNKNOWN = 0.005
LMP_UNKNOWN = 0.048
LMP_DAY_UNKNOWN = 0.05  # *assumed*
APGAR_UNKNOWN = 0.006  # *assumed*
WEIGHT_GAIN_UNKNOWN = 0.10  # *assumed*
