"""What the page says, and that nothing the data says becomes markup."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace
from typing import Any

import example_facts
import pytest

from report.facts import Facts
from report.render.page import SECTIONS, render, render_comparison, render_served

MEGABYTE = 1_000_000
DASH, MINUS, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def page() -> str:
    return render(example_facts.rich())


def _text(page: str, section: str) -> str:
    """What a section says, without markup and charts."""
    inner = page.split(f'<section aria-labelledby="{section}">')[1].split("</section>")[0]
    inner = re.sub(r"<script.*?</script>", " ", inner, flags=re.DOTALL)
    inner = re.sub(r"</?(?:span|b|small|code|th|td|p|li)\b[^>]*>", " ", inner)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", inner)).split())


def _markup(page: str) -> str:
    """The page without what its scripts hold."""
    return re.sub(r"(<script[^>]*>).*?(?=</script>)", r"\1", page, flags=re.DOTALL)


def _main(markup: str) -> str:
    """What stands between the page's style and its scripts."""
    return markup.split("</style>")[1]


def _specs(page: str) -> dict[str, dict[str, Any]]:
    """Specifications of the charts by the figure's id."""
    found = re.findall(
        r'<figure class="chart" id="([^"]+)">.*?<script type="application/json">(.*?)</script>',
        page,
        flags=re.DOTALL,
    )
    return {id: json.loads(spec) for id, spec in found}


def test_every_section_can_be_reached(page: str) -> None:
    for id, name in SECTIONS.items():
        assert f'<li><a href="#{id}">{name}</a></li>' in page
        assert page.count(f'id="{id}"') == 1


def test_ids_are_given_once(page: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_chart_says_how_to_read_it(page: str) -> None:
    figures = re.findall(r'<figure class="chart".*?</figcaption>', page, flags=re.DOTALL)
    assert len(figures) > 20
    for figure in figures:
        assert re.search(r"<p>[^<]{20,}</p>", figure), figure


def test_it_is_one_file_of_moderate_size(page: str) -> None:
    assert len(page.encode()) < 3 * MEGABYTE
    assert not re.search(r"<(?:link|img|iframe|script)\b[^>]*\b(?:src|href)=", _markup(page))
    assert "default-src 'none'" in html.unescape(page[:2000])


def test_verdict_names_reason_bounds_and_rivals(page: str) -> None:
    text = _text(page, "verdict")
    assert "Not blessed" in text
    assert "in gestation band 28-33 weeks its RMSE is 2.534 lb, and 2.500 lb is allowed" in text
    assert "rise of the RMSE over the baseline plurality" in text
    assert "RMSE, lb 1.0345 1.022 to 1.047 1.0331 +0.0014" in text
    assert "gradient-boosted tree 1.0291 0.8090 +0.0054 on this run's rows" in text
    assert f"AutoML Tables 1.0270 {DASH} {DASH} published" in text


def test_slices_are_told_with_intervals_and_marks(page: str) -> None:
    text = _text(page, "slices")
    assert text.index("under 28 weeks 92") < text.index("28-33 weeks 358")
    assert re.search(r"28-33 weeks 358 2\.534 2\.348 to 2\.720 .*? ✕ bound crossed", text)
    assert re.search(r"Triplets\(3\) 31 1\.300 .*? too small to judge", text)
    assert "mother age band 40 and over 270" in text and "_" not in text, "names are for people"


def test_errors_and_data_are_told(page: str) -> None:
    assert "All 12,420 examples" in _text(page, "errors")
    text = _text(page, "data")
    assert "mother race train and eval 0.0610 0.0380 ✕ no" in text
    assert "previous run and this one not a number 0.0200 ✕ no" in text
    assert "! warning eval mother_race" in text
    assert "the counts are estimates" in text
    assert "never filled in train 100%" in text


def test_it_says_whether_intervals_hold(page: str) -> None:
    text = _text(page, "errors")
    assert "80.3% of the 80% intervals hold the weight and 94.8% of the 95% intervals" in text
    assert "within a point of what they promise" in text
    assert "under 28 weeks 92 75.2% 2.640 96.0% 4.010" in text
    facts = example_facts.rich()
    assert facts.coverage
    overall = replace(facts.coverage.overall, held={80: 0.78, 95: 0.95})
    far = replace(facts.coverage, slices=(overall, *facts.coverage.slices[1:]))
    told = _text(render(replace(facts, coverage=far)), "errors")
    assert "more than a point from what they promise" in told
    assert "Intervals" not in _text(render(example_facts.nothing()), "errors")


def test_it_says_how_the_model_answers_in_its_server(page: str) -> None:
    text = _text(page, "replay")
    assert "The model may not be pushed. 12 more were not asked" in text
    assert "p99 of a request is 1,212.0 ms" in text
    assert "Candidate 1.23 1,212.00 1000 Champion 1.10 2.75" in text
    assert "Half of the predictions change by less than 0.034 lb, 95% by less than 0.172 lb" in text
    assert "gestation weeks 39.0 7.500 7.900 +0.400" in text
    assert "chart-replayed" in _specs(page)
    passed = _text(render(example_facts.without_baseline()), "replay")
    assert "The server answers 1,000 requests of the log of requests" in passed
    assert passed.count("There is no blessed model yet.") == 1
    assert "Champion" not in passed
    assert "failed before the replay" in _text(render(example_facts.nothing()), "replay")


def test_transform_and_training_are_told(page: str) -> None:
    text = _text(page, "training")
    assert f"mother age {TIMES} gestation weeks 4,000 871 780 19.5% 19.0% 19.6% 21.0%" in text
    assert "mother race 4 0.03% White, Black" in text
    assert "The checkpoint of step 2,250 was exported." in text
    assert "went on from step 1,000" in text


def test_provenance_is_told(page: str) -> None:
    text = _text(page, "provenance")
    assert "python local_runner.py --train-steps 3000" in text
    assert re.search(r"SchemaGen 5 cached 2026-11-23 02:04 UTC", text)
    assert "tensorflow 2.16.2" in text
    assert "WHERE plurality !=" in text


@pytest.mark.parametrize(
    "facts", [example_facts.rich(), example_facts.stopped(), example_facts.served()]
)
def test_words_from_the_data_stay_words(facts: Facts) -> None:
    for page in (render(facts), render_comparison(facts, example_facts.rich(blessed=True))):
        for nasty in (example_facts.NASTY, example_facts.CLOSING, example_facts.QUOTES):
            assert nasty not in page
        assert html.escape(example_facts.NASTY) in page
        # Every script is closed by its own tag only.
        assert page.count("<script") == page.count("</script>")
        assert "<img" not in _markup(page)


def test_charts_carry_the_figures(page: str) -> None:
    charts = _specs(page)
    slices = json.dumps(charts["chart-slices-rmse"])
    assert "2.534" in slices
    assert json.dumps(example_facts.CLOSING)[1:-1] in slices
    assert "74712" in json.dumps(charts["chart-rows"])


def test_a_first_run_says_that_there_is_no_baseline() -> None:
    page = render(example_facts.without_baseline())
    assert "There is no baseline yet" in _text(page, "verdict")
    assert "There is no earlier run on other examples to measure drift from." in _text(page, "data")
    assert "chart-slices-change" not in page
    assert "test" not in json.dumps(_specs(page)["chart-rows"])


def test_a_stopped_run_says_what_stopped_it() -> None:
    page = render(example_facts.stopped())
    assert f"mother_race: found {example_facts.NASTY!r} in 3% of examples" in _text(page, "verdict")
    for section in ("slices", "errors", "training"):
        assert "The gate stopped the run before" in _text(page, section)
    assert "AnomalyGate 7 failed" in _text(page, "provenance")


def test_a_run_that_failed_at_once_has_its_page() -> None:
    page = render(example_facts.nothing())
    assert "BigQueryExampleGen: no disk" in _text(page, "verdict")
    for section in ("slices", "errors", "data", "training"):
        assert "so there is nothing to show here" in _text(page, section)
    assert "There are no executions to show" in _text(page, "provenance")


def test_references_stand_alone_where_nothing_was_evaluated() -> None:
    facts = example_facts.rich()
    page = render(replace(facts, verdict=replace(facts.verdict, overall=None)))
    assert f"gradient-boosted tree 1.0291 0.8090 {DASH}" in _text(page, "verdict")


def test_only_figures_that_were_published_are_called_so() -> None:
    facts = example_facts.rich()
    every = facts.verdict.references
    here = tuple(other for other in every if other.same_rows)
    for others, said in ((every, True), (here, False)):
        page = render(replace(facts, verdict=replace(facts.verdict, references=others)))
        spec = json.dumps(_specs(page)["chart-references"])
        assert ("published" in spec) is said


def test_another_table_is_spoken_of_in_its_own_words() -> None:
    page = render(example_facts.of_trips())
    markup = _markup(page)
    for other in ("birth", "baby", "weight", "lb", "pound", "heavy", "light", "month"):
        assert not re.search(rf"\b{other}", _main(markup), re.IGNORECASE), other
    assert "Mean fare, dollars" in _text(page, "errors")
    assert "above zero, the prediction is too dear" in _text(page, "errors")
    assert "RMSE, dollars 1,276.57" in _text(page, "verdict")
    axes = json.dumps([spec for id, spec in _specs(page).items()])
    assert "mean prediction minus mean fare, dollars" in axes
    assert not re.search(r"\blb\b|weight|birth", axes)
    assert "trip miles" in _text(page, "data")


def test_a_label_without_a_unit_leaves_no_gap() -> None:
    facts = example_facts.rich()
    bare = replace(facts.wording, label=replace(facts.wording.label, unit=""))
    page = render(replace(facts, wording=bare))
    assert "RMSE 1.0345 1.022 to 1.047" in _text(page, "verdict")
    assert "Slice Examples RMSE MAE Bias" in _text(page, "slices")
    assert not re.search(r"(?:RMSE|MAE|Median|Bias), *<", page)


def test_the_axis_of_the_calibration_takes_the_digits_it_needs(page: str) -> None:
    (layer,) = (
        layer
        for layer in _specs(page)["chart-calibration"]["layer"]  # pyright: ignore[reportGeneralTypeIssues]
        if layer["mark"]["type"] == "point"
    )
    # Without a precision in the format, Vega takes as many digits as tell the ticks apart.
    assert layer["encoding"]["y"]["axis"]["format"] == "+f"


def test_what_is_not_a_number_is_said_and_left_out_of_charts() -> None:
    facts = example_facts.rich()
    odd = replace(facts.slices[1], rmse=replace(facts.slices[1].rmse, value=math.nan))
    page = render(replace(facts, slices=(facts.slices[0], odd)))
    assert "92 not a number" in _text(page, "slices")
    assert "NaN" not in json.dumps(_specs(page)["chart-slices-rmse"])


def test_comparison_shows_what_differs() -> None:
    a, b = example_facts.rich(), example_facts.without_baseline()
    changed = replace(
        b,
        run_id="20261124-000000",
        slices=(replace(b.slices[0], rmse=replace(b.slices[0].rmse, value=1.0245)), *b.slices[1:]),
        info=replace(
            b.info,
            settings={**b.info.settings, "train_steps": "500"},
            queries={**b.info.queries, "eval": "SELECT 2"},
        ),
    )
    page = render_comparison(a, changed)
    assert "A: not blessed" in _text(page, "verdicts")
    assert f"all examples of the split 12,420 12,420 1.034 1.024 {MINUS}0.010" in _text(
        page, "metrics"
    )
    data = _text(page, "inputs")
    assert f"test 12,266 {DASH} {DASH}" in data
    assert "+SELECT 2" in data
    settings = _text(page, "choices")
    assert "train_steps 3000 500 differs" in settings
    assert settings.index("train_steps") < settings.index("source")


def test_runs_without_metrics_can_be_compared() -> None:
    page = render_comparison(example_facts.stopped(), example_facts.nothing())
    assert "Neither run got to the evaluation" in _text(page, "metrics")


def test_a_warm_start_tells_its_lineage_and_workers_their_rows(page: str) -> None:
    told = _text(page, "training")
    assert "went on from step 1,900" in told
    assert "runs/pipeline/Trainer/model/8 400" in told
    assert "mother_race 4 3" in told
    assert "64, 32 (of the base model)" in told
    assert "worker 1 2 37,356 95,602" in told


def test_a_base_model_that_did_not_fit_says_why() -> None:
    facts = example_facts.rich()
    assert facts.training
    assert facts.training.base
    base = replace(facts.training.base, differences=("its hidden_units is 8, not 64,32",))
    told = _text(render(replace(facts, training=replace(facts.training, base=base))), "training")
    assert "does not fit: its hidden_units is 8, not 64,32. So training started cold." in told


def test_every_trial_is_told_and_drawn(page: str) -> None:
    told = _text(page, "training")
    for trial in example_facts.TRIALS:
        assert f"{trial.number} {trial.rmse:.4f} hidden units" in told
    specs = _specs(page)
    drawn = [row for row in _rows(specs["chart-hyperparameters"]) if "place" in row]
    assert {row["name"] for row in drawn} == {"hidden units", "wide l2"}  # One value is no choice.
    assert max(row["place"] for row in drawn) == 1
    least = {row["trial"]: row["least"] for row in _rows(specs["chart-trials"])}
    assert least[4] == pytest.approx(1.04)


def _rows(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of all layers of a chart."""
    return [row for rows in spec["datasets"].values() for row in rows]


def test_what_is_served_is_told_first_where_a_watch_has_looked(page: str) -> None:
    assert 'id="served"' not in page
    watched = render(example_facts.served())
    assert watched.index('<h2 id="served">') < watched.index('<h2 id="verdict"')
    assert '<li><a href="#served">Served</a></li>' in watched
    text = _text(watched, "served")
    assert "Not as learned: odd" in text
    assert "4,000 rows from 2026-11-02 to 2026-11-06, in UTC" in text
    assert "2026-11-04 12 40 7.600" in text
    assert "not judged: 40 rows are too few" in text
    assert "2026-11-06 12 500 7.530 training and 2026-11-05 not a number ✕ 1 found" in text
    assert "Would not be blessed today: plurality" in text
    assert "Estimated of all 300 rows of version 12: RMSE 1.0600 lb, 95% between 1.0100 lb" in text
    assert "and 1.1100 lb: wrong, by 0.0600 lb" in text
    assert "7 labels are of no row of the log. 2 rows with a label are left out" in text
    assert re.search(r"28-33 weeks 358 2\.534 2\.348 to 2\.720", text)
    assert {"chart-served-error", "chart-served-slices"} <= _specs(watched).keys()
    assert {"chart-served-rows", "chart-served-days"} <= _specs(watched).keys()


def test_a_watch_of_another_machine_has_its_section_and_a_link_to_the_run_s_page() -> None:
    facts = example_facts.served()
    assert facts.served is not None
    watch = render_served(facts.served, "rides", "https://example.com/a.html", 1.5, facts.wording)
    assert _text(watch, "served") == _text(render(facts), "served")
    assert '<a href="https://example.com/a.html">the report of its run</a>' in watch
    assert 'id="verdict"' not in watch
    assert "the report of its run" not in render_served(
        facts.served, "rides", None, 1, facts.wording
    )
