"""Generated births must look like the real ones: the figures here are the published ones.

A tolerance is four standard errors of the sample at hand, plus a margin, the same for all figures
of a kind, for rounding and for what the model itself misses.
"""

import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.errors import UserError
from data.synthetic import calibration, generate

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data" / "synthetic" / "sample.parquet"


def table(rows: int, years: tuple[int, int] = (2001, 2008), seed: int = 11) -> pa.Table:
    return pa.concat_tables(generate.chunks(rows, years, seed))


def run(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "data.synthetic.generate", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


@pytest.fixture(scope="module", params=["generated", "committed"])
def births(request: pytest.FixtureRequest) -> pd.DataFrame:
    """300,000 generated births and the committed sample, all of 2001-08."""
    source = table(300_000) if request.param == "generated" else pq.read_table(SAMPLE)
    return source.to_pandas()


@pytest.fixture(scope="module")
def usable(births: pd.DataFrame) -> pd.DataFrame:
    """What the usual filters keep."""
    columns = ["weight_pounds", "mother_age", "gestation_weeks", "plurality"]
    return births.loc[(births[columns] > 0).all(axis=1)]


@pytest.fixture(scope="module")
def singletons(usable: pd.DataFrame) -> pd.DataFrame:
    return usable.loc[usable.plurality == 1]


@pytest.fixture(scope="module")
def all_years() -> pd.DataFrame:
    return table(250_000, (1969, 2008)).to_pandas()


def holds_share(flags: pd.Series, share: float, margin: float = 0.0005) -> None:
    error = np.sqrt(share * (1 - share) / len(flags))
    assert flags.mean() == pytest.approx(share, abs=4 * error + margin)


def holds_moments(
    values: pd.Series, mean: float, sd: float | None = None, margin: float = 0.02
) -> None:
    """Holds mean and standard deviation; the error of the latter allows for outliers."""
    spread = values.std()
    assert values.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(len(values)) + margin)
    if sd is not None:
        kurtosis = max(float(values.kurt()), 0.0)
        error = spread * np.sqrt((2 + kurtosis) / (4 * len(values)))
        assert spread == pytest.approx(sd, abs=4 * error + margin)


# ------------------------------------------------------------------------------------------ schema
def test_columns_are_those_of_the_bigquery_table(births):
    committed = pq.read_schema(SAMPLE)
    assert committed.equals(table(10).schema)
    names = (
        "source_year year month day wday state is_male child_race weight_pounds plurality "
        "apgar_1min apgar_5min mother_residence_state mother_race mother_age gestation_weeks lmp "
        "mother_married mother_birth_state cigarette_use cigarettes_per_day alcohol_use "
        "drinks_per_week weight_gain_pounds born_alive_alive born_alive_dead born_dead ever_born "
        "father_race father_age record_weight"
    )
    assert " ".join(births.columns) == names
    kinds = {name: str(committed.field(name).type) for name in committed.names}
    strings = {"state", "lmp", "mother_residence_state", "mother_birth_state"}
    booleans = {"is_male", "mother_married", "cigarette_use", "alcohol_use"}
    assert {name for name, kind in kinds.items() if kind == "string"} == strings
    assert {name for name, kind in kinds.items() if kind == "bool"} == booleans
    assert {name for name, kind in kinds.items() if kind == "double"} == {"weight_pounds"}
    assert sum(kind == "int64" for kind in kinds.values()) == 22
    required = {name for name in committed.names if not committed.field(name).nullable}
    assert required == {"source_year", "is_male"}


def test_the_sample_is_small_and_nearly_all_of_it_is_usable(usable):
    assert pq.read_metadata(SAMPLE).num_rows == 50_000
    assert SAMPLE.stat().st_size < 2_000_000
    assert len(usable) > 49_500


# ------------------------------------------------------------------------------------------ weights
def test_weight_overall_and_by_sex(usable):
    holds_moments(usable.weight_pounds, 7.236, 1.332, margin=0.01)
    holds_moments(usable[usable.is_male].weight_pounds, 7.353, 1.348, margin=0.015)
    holds_moments(usable[~usable.is_male].weight_pounds, 7.114, 1.304, margin=0.015)
    holds_share(usable.is_male, 0.512)
    assert usable.weight_pounds.max() <= 18.001


@pytest.mark.parametrize(
    ("plurality", "share", "mean", "sd", "weeks"),
    [
        (1, 0.9667, 7.311, 1.264, 38.75),
        (2, 0.0310, 5.202, 1.353, 35.4),
        (3, 0.0021, 3.40, 1.20, 31.5),
        (4, 0.0002, 2.33, 0.73, 30.5),
    ],
)
def test_weight_by_plurality(usable, plurality, share, mean, sd, weeks):
    these = usable[usable.plurality == plurality]
    # The published share of twins by year and over all years differ by .0007.
    holds_share(usable.plurality == plurality, share, margin=0.0012)
    holds_moments(these.weight_pounds, mean, sd)
    holds_moments(these.gestation_weeks, weeks)


@pytest.mark.parametrize(
    ("week", "mean", "sd"),
    [
        (24, 1.66, 0.92),
        (26, 2.22, 0.84),
        (28, 4.06, 2.34),
        (30, 4.51, 1.97),
        (32, 5.02, 1.59),
        (34, 5.91, 1.39),
        (36, 6.48, 1.13),
        (37, 6.90, 1.05),
        (38, 7.27, 1.01),
        (39, 7.54, 0.97),
        (40, 7.72, 1.00),
        (41, 7.79, 1.01),
        (42, 7.67, 1.07),
        (44, 7.69, 1.04),
        (47, 7.48, 1.05),
    ],
)
def test_weight_of_singletons_by_week(singletons, week, mean, sd):
    holds_moments(singletons[singletons.gestation_weeks == week].weight_pounds, mean, sd)


def test_misdated_babies_of_28_weeks_are_a_group_of_their_own(singletons):
    weights = singletons[singletons.gestation_weeks == 28].weight_pounds
    light, between, heavy = np.histogram(weights, [0, 3.8, 5.2, 18])[0]
    assert between < heavy < light


@pytest.mark.parametrize(("week", "mean", "sd"), [(32, 3.82, 0.69), (36, 5.54, 0.78)])
def test_weight_of_twins_by_week(usable, week, mean, sd):
    twins = usable[(usable.plurality == 2) & (usable.gestation_weeks == week)]
    holds_moments(twins.weight_pounds, mean, sd, margin=0.04)


@pytest.mark.parametrize(
    ("ages", "mean"),
    [
        ((10, 14), 6.86),
        ((15, 17), 6.97),
        ((18, 19), 7.03),
        ((20, 24), 7.20),
        ((25, 29), 7.36),
        ((30, 34), 7.44),
        ((35, 39), 7.42),
        ((40, 44), 7.33),
        ((45, 60), 7.30),
    ],
)
def test_weight_of_singletons_by_age_of_the_mother(singletons, ages, mean):
    holds_moments(singletons[singletons.mother_age.between(*ages)].weight_pounds, mean, margin=0.03)


def test_weight_by_smoking(usable):
    known = usable[usable.year >= 2003].astype({"cigarette_use": object})
    holds_moments(known[known.cigarette_use == True].weight_pounds, 6.84)  # noqa: E712
    holds_moments(known[known.cigarette_use == False].weight_pounds, 7.25, margin=0.03)  # noqa: E712
    holds_moments(known[known.cigarette_use.isna()].weight_pounds, 7.20, margin=0.04)


def test_effects_at_equal_weeks(singletons):
    known = singletons[singletons.cigarette_use.notna()]
    features = pd.DataFrame(
        {
            "male": known.is_male,
            "smoker": known.cigarette_use,
            "young": known.mother_age < 20,
            "older": known.mother_age >= 35,
            "weight": known.weight_pounds,
        }
    ).astype(float)
    within = features - features.groupby(known.gestation_weeks).transform("mean")
    inputs = within.drop(columns="weight").to_numpy()
    effects, squares, *_ = np.linalg.lstsq(inputs, within.weight.to_numpy(), rcond=None)
    covariance = np.linalg.inv(inputs.T @ inputs) * squares / len(known)
    off = np.abs(effects - [0.290, -0.356, -0.201, 0.090])
    assert (off < 4 * np.sqrt(np.diag(covariance)) + 0.015).all(), effects


def test_weights_are_whole_grams_and_two_thirds_whole_ounces(usable):
    grams = usable.weight_pounds * 453.59237
    assert np.abs(grams - grams.round()).max() < 1e-6
    whole_ounces = np.round(np.arange(600) * 453.59237 / 16).astype(int)
    holds_share(pd.Series(np.isin(grams.round().astype(int), whole_ounces)), 0.66)


def test_as_much_is_left_to_chance_as_in_real_births(usable):
    names = ["is_male", "mother_age", "plurality", "gestation_weeks"]
    inputs = np.column_stack([usable[names].astype(float), np.ones(len(usable))])
    weights = usable.weight_pounds.to_numpy()
    fit, *_ = np.linalg.lstsq(inputs, weights, rcond=None)
    assert np.std(weights - inputs @ fit) == pytest.approx(1.0675, abs=0.02)
    cells = usable.groupby(["gestation_weeks", "plurality", "is_male"]).weight_pounds
    assert np.std(weights - cells.transform("mean")) == pytest.approx(1.031, abs=0.015)


# ------------------------------------------------------------------------- weeks, parents, calendar
def test_shares_of_weeks(usable):
    published = {
        28: 0.20, 29: 0.27, 30: 0.35, 31: 0.37, 32: 0.64, 33: 0.94, 34: 1.65, 35: 2.53, 36: 4.39,
        37: 8.99, 38: 18.48, 39: 25.20, 40: 19.69, 41: 9.39, 42: 3.09, 43: 1.57, 44: 0.80,
        45: 0.42, 46: 0.19, 47: 0.13,
    }  # fmt: skip
    holds_share(usable.gestation_weeks <= 27, 0.0075)
    for week, percent in published.items():
        holds_share(usable.gestation_weeks == week, percent / 100, margin=0.0001)
    assert usable.gestation_weeks.between(17, 47).all()


def test_multiples_by_age_of_the_mother(usable):
    published = {(15, 17): 1.6, (20, 24): 2.3, (25, 29): 3.2, (30, 34): 4.2, (35, 39): 5.4}
    for ages, percent in (published | {(40, 44): 5.9, (45, 60): 18}).items():
        these = usable[usable.mother_age.between(*ages)]
        holds_share(these.plurality > 1, percent / 100, margin=0.002)


def test_ages_of_the_parents(births):
    holds_moments(births.mother_age, 27.4, 6.2, margin=0.05)
    holds_share(births.father_age == 99, 0.14, margin=0.005)
    known = births[births.father_age != 99]
    assert known.father_age.corr(known.mother_age) == pytest.approx(0.74, abs=0.01)


def test_months_and_weekdays(births):
    holds_share(births.month == 2, 0.075)
    holds_share(births.month == 8, 0.091)
    holds_share(births.wday == 1, 0.094)
    holds_share(births.wday == 7, 0.107)
    for weekday in (3, 4, 5, 6):
        holds_share(births.wday == weekday, 0.16, margin=0.005)
    shares = births.month.value_counts(normalize=True)
    assert (shares.idxmin(), shares.idxmax()) == (2, 8)


def test_lmp_agrees_with_birth_and_gestation(births):
    holds_share(births.lmp == "99999999", 0.048)
    known = births[(births.lmp.str[2:4] != "99") & births.gestation_weeks.notna()]
    lmp = pd.to_datetime(known.lmp, format="%m%d%Y")
    # The day of birth is not on record: anywhere in its month.
    first = pd.to_datetime(known[["year", "month"]].assign(day=1))
    since = (first - lmp).dt.days - known.gestation_weeks * 7
    assert since.between(-30, 6).all()


def test_children_add_up(births):
    assert (births.ever_born == births.born_alive_alive + births.born_alive_dead + 1).all()


# ---------------------------------------------------------------------------------- what is missing
def test_what_the_records_of_2001_to_2008_leave_out(births):
    published = {
        "day": 0.0,
        "state": 0.49,
        "mother_residence_state": 0.49,
        "mother_birth_state": 0.49,
        "mother_race": 0.69,
        "cigarette_use": 0.405,
        "alcohol_use": 0.62,
        "weight_pounds": 0.9994,
        "gestation_weeks": 0.995,
        "is_male": 1.0,
        "plurality": 1.0,
        "mother_age": 1.0,
    }
    for column, share in published.items():
        margin = 0.005 if share < 0.99 else 0.0
        holds_share(births[column].notna(), share, margin=margin)
    assert births.loc[births.year >= 2005, "state"].isna().all()
    assert births.loc[births.year < 2005, "state"].notna().all()
    assert births.loc[births.year >= 2003, "apgar_1min"].isna().all()
    smoking = births[births.year >= 2003].cigarette_use
    holds_share(smoking == True, 0.055, margin=0.005)  # noqa: E712
    assert 0.42 < smoking.isna().mean() < 0.48


def test_what_earlier_years_leave_out(all_years):
    early, late = all_years[all_years.year < 1989], all_years[all_years.year >= 1989]
    assert early.day.notna().all()
    assert late.day.isna().all()
    assert early.alcohol_use.isna().all()
    assert late[late.year < 2003].alcohol_use.notna().mean() > 0.85
    assert all_years[all_years.year < 2003].cigarette_use.isna().all()
    assert set(all_years.record_weight) == {1, 2}
    assert all_years.loc[all_years.year >= 1985, "record_weight"].eq(1).all()


def test_weekday_is_that_of_the_date(all_years):
    dated = all_years[all_years.day.notna()]
    date = pd.to_datetime(dated[["year", "month", "day"]])
    assert ((date.dt.dayofweek + 1) % 7 + 1 == dated.wday).all()


# -------------------------------------------------------------------------------------------- years
def test_births_by_year(all_years):
    births = all_years.groupby("year").record_weight.sum()
    millions = births * 137.826763 / len(all_years)
    published = {1973: 3.15, 1980: 3.62, 1988: 3.91, 1990: 4.16, 2000: 4.06, 2007: 4.32, 2008: 4.25}
    for year, count in ({1969: 3.60} | published).items():
        assert millions[year] == pytest.approx(count, rel=4 / np.sqrt(births[year] / 2) + 0.01)


@pytest.mark.parametrize(
    ("year", "twins", "light", "early"),
    [
        (1980, 18.9, None, None),
        (1990, 22.6, 7.0, 10.6),
        (2000, 29.3, 7.57, 11.6),
        (2004, 32.2, None, None),
        (2005, None, 8.2, 12.7),
        (2008, 32.6, 8.18, 12.3),
    ],
)
def test_twins_light_and_early_births_by_year(year, twins, light, early):
    births = table(100_000, (year, year)).to_pandas()
    assert set(births.year) == {year}
    if twins:
        holds_share(births.plurality == 2, twins / 1000)
    if light:
        holds_share(births.weight_pounds < 2500 / 453.59237, light / 100, margin=0.002)
    if early:
        # The weeks of 2001-08 sum to 12.1 % before week 37, the yearly figures to 12.3 %.
        holds_share(births.gestation_weeks < 37, early / 100, margin=0.004)


def test_mothers_are_older_at_their_first_birth(all_years):
    first = all_years[all_years.ever_born == 1].groupby("year").mother_age
    for year, age in {1969: 21.3, 2008: 25.1}.items():
        holds_moments(first.get_group(year), age, margin=0.1)


def test_rows_are_mixed(births):
    for start in range(0, len(births), 10_000):
        assert births.iloc[start : start + 10_000].year.nunique() == 8


# ------------------------------------------------------------------------------------ repeatability
def test_the_documented_command_makes_the_committed_sample(tmp_path):
    found = re.search(r"python -m data\.synthetic\.generate (.*\\\n.*)", generate.__doc__ or "")
    assert found
    arguments = shlex.split(found[1].replace("\\\n", ""))
    arguments[arguments.index("data/synthetic/sample.parquet")] = str(tmp_path / "sample.parquet")
    assert generate.main(arguments) == 0
    assert pq.read_table(tmp_path / "sample.parquet").equals(pq.read_table(SAMPLE))


def test_rows_depend_on_the_arguments_alone():
    rows = generate.CHUNK_ROWS + 1000
    once = table(rows, seed=5)
    assert once.num_rows == rows
    assert once.equals(table(rows, seed=5))
    assert not once.slice(0, 1000).equals(table(1000, seed=6))
    # Every chunk is drawn anew, and one can be drawn without those before it.
    assert not once.slice(0, 1000).equals(once.slice(generate.CHUNK_ROWS, 1000))


# ------------------------------------------------------------------------------------- command line
def test_one_line_tells_what_was_written(tmp_path):
    out = tmp_path / "new" / "births.parquet"
    done = run("--rows", 1000, "--years", "1990-1991", "--seed", 3, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{out}: 1,000 births of 1990-1991, seed 3, ")
    assert done.stdout.count("\n") == 1
    assert set(pq.read_table(out)["year"].to_pylist()) == {1990, 1991}
    assert [file.name for file in out.parent.iterdir()] == ["births.parquet"]


@pytest.mark.parametrize(
    ("arguments", "cause", "cure"),
    [
        ("--rows 0", "--rows '0' is not", "1 or more"),
        ("--rows 1e6", "--rows '1e6' is not", "in digits"),
        ("--rows 9 --seed -1", "--seed '-1' is not", "0 or more"),
        ("--rows 9 --years 2008-2001", "ends before it begins", "2001-2008"),
        ("--rows 9 --years 1960-1970", "leaves the years", "1969-2008"),
        ("--rows 9 --years 2001-2009", "leaves the years", "1969-2008"),
        ("--rows 9 --years recent", "not a range of years", "2001-2008"),
        ("--rows 9 --shards 3", "--shards", "--help"),
        ("", "--rows", "--help"),
    ],
)
def test_a_wrong_option_is_named_with_its_cure(tmp_path, capsys, arguments, cause, cure):
    out = tmp_path / "births.parquet"
    assert generate.main([*arguments.split(), "--out", str(out)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert cause in message
    assert cure in message.replace("\n", " ")
    assert not out.exists()


def test_a_folder_that_cannot_be_used_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "births.parquet"):
        assert generate.main(["--rows", "9", "--out", str(out)]) == 2
        assert f"Cannot write {out}: " in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path):
    out = tmp_path / "births.parquet"
    out.write_text("old")
    limit = (100_000, 100_000)
    done = run(
        *("--rows", 100_000, "--out", out),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: Cannot write {out}: ")
    assert "Traceback" not in done.stderr
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_a_failure_halfway_leaves_nothing(tmp_path, monkeypatch):
    first = table(10)

    def fail_after_one(*_):
        yield first
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate, "chunks", fail_after_one)
    with pytest.raises(UserError, match=r"no space left on device.*Free some space"):
        generate.write(tmp_path / "births.parquet", 20, (2001, 2008), 1)
    assert not list(tmp_path.iterdir())


def test_a_killed_run_leaves_nothing_under_the_final_name(tmp_path):
    out = tmp_path / "births.parquet"
    arguments = ["--rows", "100000000", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "data.synthetic.generate", *arguments], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 60
        while not any(file.stat().st_size > 1000 for file in tmp_path.iterdir()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    # Not getrusage: its peak includes that of the process that started this one.
    code = (
        "import sys; from data.synthetic.generate import main; main(sys.argv[1:]); "
        "print(open('/proc/self/status').read())"
    )

    def peak_megabytes(rows: int) -> float:
        arguments = ["--rows", str(rows), "--out", str(tmp_path / "births.parquet")]
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peak = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
        assert peak
        return int(peak[1]) / 1024

    # Two million rows held at once would be 500 MB more.
    assert peak_megabytes(2_000_000) < peak_megabytes(2 * generate.CHUNK_ROWS) + 60


def test_years_of_one_year_and_of_all():
    assert generate.parse_years("2005") == (2005, 2005)
    assert generate.parse_years("1969-2008") == (1969, 2008)
    assert calibration.YEARS[0] == 1969
