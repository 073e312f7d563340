"""The page in a real browser, from disk, with the network cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import example_facts
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route

from report.render.page import render, render_comparison

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
LIGHT, DARK = "rgb(252, 251, 248)", "rgb(18, 23, 29)"


@dataclass
class Opened:
    """A page that was opened, and all that went on there."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def _open(context: BrowserContext, file: Path) -> Opened:
    context.set_offline(True)
    opened = Opened(context.new_page())

    def record(route: Route) -> None:
        opened.requests.append(route.request.url)
        if route.request.url == file.as_uri():
            route.continue_()
        else:
            route.abort()

    page = opened.page
    page.route("**/*", record)
    page.on("console", lambda message: opened.complaints.append(message.text))
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-charts=drawn]", timeout=60_000)
    return opened


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    rich = example_facts.rich()
    pages = {
        "rich": render(rich),
        "first": render(example_facts.without_baseline()),
        "stopped": render(example_facts.stopped()),
        "nothing": render(example_facts.nothing()),
        "trips": render(example_facts.of_trips()),
        "served": render(example_facts.served()),
        "comparison": render_comparison(rich, example_facts.stopped()),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture(scope="module")
def desk(browser: Browser, files: dict[str, Path]) -> Iterator[Opened]:
    context = browser.new_context(viewport=DESK, color_scheme="light")  # pyright: ignore[reportArgumentType]
    yield _open(context, files["rich"])
    context.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, files: dict[str, Path]) -> Iterator[Opened]:
    context = browser.new_context(viewport=PHONE, color_scheme="dark")  # pyright: ignore[reportArgumentType]
    yield _open(context, files["rich"])
    context.close()


@pytest.mark.parametrize(
    "name", ["rich", "first", "stopped", "nothing", "trips", "served", "comparison"]
)
def test_it_opens_without_a_request_or_a_complaint(
    browser: Browser, files: dict[str, Path], name: str
) -> None:
    context = browser.new_context()
    opened = _open(context, files[name])

    assert opened.requests == [files[name].as_uri()]
    assert opened.complaints == []
    drawn = opened.page.locator(".vega").evaluate_all(
        "all => all.map(v => v.querySelectorAll('svg .role-mark path, svg .role-mark text').length)"
    )
    assert all(drawn)
    assert len(drawn) == files[name].read_text().count('<figure class="chart"')
    context.close()


def test_the_policy_holds(browser: Browser, files: dict[str, Path]) -> None:
    """The counter-proof: what the page must not do is refused, and would have been seen."""
    context = browser.new_context()
    opened = _open(context, files["nothing"])

    opened.page.evaluate(
        "document.body.append(Object.assign(new Image(), {src: 'https://a.test/'}))"
    )
    opened.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))"
    )
    opened.page.wait_for_timeout(300)

    assert opened.requests == [files["nothing"].as_uri()]
    refused = [text for text in opened.complaints if "Content Security Policy" in text]
    assert len(opened.complaints) == len(refused) == 2
    context.close()


def test_tables_sort_by_click_and_by_keyboard(desk: Opened) -> None:
    table = desk.page.locator("#table-slices")
    examples = table.get_by_role("columnheader", name="Examples")

    examples.get_by_role("button").click()
    assert examples.get_attribute("aria-sort") == "ascending"
    rising = _column(table, 2)
    assert rising == sorted(rising)
    assert rising[0] == 4

    examples.get_by_role("button").focus()
    desk.page.keyboard.press("Enter")
    assert examples.get_attribute("aria-sort") == "descending"
    assert _column(table, 2) == rising[::-1]

    name = table.get_by_role("columnheader", name="Slice")
    name.get_by_role("button").focus()
    desk.page.keyboard.press("Space")
    assert name.get_attribute("aria-sort") == "ascending"
    assert examples.get_attribute("aria-sort") is None


def test_what_is_missing_is_sorted_last_either_way(desk: Opened) -> None:
    table = desk.page.locator("#table-references")
    button = table.get_by_role("columnheader", name="MAE").get_by_role("button")
    for _ in range(2):
        button.click()
        assert table.locator("tbody tr").last.locator("th").inner_text() == "AutoML Tables"


def _column(table: Locator, number: int) -> list[float]:
    cells = table.locator(f"tbody tr > :nth-child({number})")
    return [float(text.replace(",", "")) for text in cells.all_inner_texts()]


def test_nothing_sticks_out_on_a_phone(phone: Opened) -> None:
    assert phone.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    charts = phone.page.locator(".vega[data-wide='0'] svg")
    assert charts.count() > 20
    for width in charts.evaluate_all("all => all.map(svg => svg.getBoundingClientRect().width)"):
        assert width <= PHONE["width"]


def test_colours_follow_the_scheme(desk: Opened, phone: Opened) -> None:
    assert _paper(desk.page) == LIGHT
    assert _paper(phone.page) == DARK
    label = "getComputedStyle(document.querySelector('.vega .role-axis-label text')).fill"
    assert desk.page.evaluate(label) != phone.page.evaluate(label)


def _paper(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_it_prints_light_and_whole(phone: Opened) -> None:
    page = phone.page
    page.emulate_media(media="print", color_scheme="dark")
    assert _paper(page) == LIGHT
    assert page.locator(".contents").is_hidden()
    assert page.locator("#table-deciles").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen")
