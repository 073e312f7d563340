"""The page in a real browser, from a real server, with every other host out of reach."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
)
from served_rows import ROW
from small_model import REFERENCE, WIDTHS, expected

from models.declaration import Category, Number
from models.features import FEATURES, LABEL
from serving.server.application import create_application
from serving.server.server_settings import ServerSettings

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
NUMBER = next(f for f in FEATURES if isinstance(f, Number))
WORDS = next(f for f in FEATURES if isinstance(f, Category) and len(f.vocabulary) <= 6)
LONG = next(f for f in FEATURES if isinstance(f, Category) and len(f.vocabulary) > 6)


@pytest.fixture(scope="module")
def address(models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server of version 2, whose report is known."""
    root = tmp_path_factory.mktemp("page")
    shutil.copytree(models[2], root / "models" / "2")
    (root / "reports").mkdir()
    (root / "reports" / "2.html").write_text("<title>The report</title>")
    settings = ServerSettings(
        model_folder=str(root / "models"), reports=str(root / "reports"), access_log=False
    )
    application = create_application(settings)
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@dataclass
class Opened:
    """The page, and all that went on there."""

    page: Page
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def predicted(self, row: dict[str, Any]) -> None:
        """Waits until the page shows the answer to a row."""
        weight = f"{expected(row, 0.2):.2f}\N{NO-BREAK SPACE}{LABEL.unit}"
        self.page.locator("#prediction").filter(has_text=weight).wait_for()


def opened(context: BrowserContext, address: str) -> Opened:
    found = Opened(context.new_page())

    def record(route: Route) -> None:
        if route.request.url.startswith(address):
            route.continue_()
        else:
            found.elsewhere.append(route.request.url)
            route.abort()

    def complain(message: ConsoleMessage) -> None:
        # A server that is not ready yet is asked again, of which the browser tells.
        if "503" not in message.text:
            found.complaints.append(message.text)

    page = found.page
    page.route("**/*", record)
    page.on("console", complain)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.goto(address)
    found.predicted(ROW)
    return found


@pytest.fixture
def desk(browser: Browser, address: str) -> Iterator[Opened]:
    context = browser.new_context(viewport=DESK)  # pyright: ignore[reportArgumentType]
    found = opened(context, address)
    yield found
    assert found.elsewhere == []
    assert found.complaints == []
    context.close()


def test_the_form_is_made_from_the_declaration(desk: Opened) -> None:
    form = desk.page.get_by_role("form", name="What is known")
    for feature in FEATURES:
        group = form.get_by_role("group", name=feature.title, exact=True)
        if feature is LONG or (isinstance(feature, Category) and len(feature.vocabulary) > 6):
            choice = form.get_by_role("combobox", name=feature.title)
            assert choice.locator("option").all_inner_texts() == list(feature.vocabulary)
        elif isinstance(feature, Category):
            radios = group.get_by_role("radio")
            words = radios.evaluate_all("all => all.map(r => r.labels[0].innerText)")
            assert words == list(feature.vocabulary)
        else:
            slider = group.get_by_role("slider")
            assert slider.get_attribute("min") == f"{feature.minimum:g}"
            assert slider.get_attribute("max") == f"{feature.maximum:g}"
            assert feature.unit in group.inner_text()
        assert feature.help in form.inner_text()


def test_a_slider_is_moved_by_keyboard_and_the_answer_follows(desk: Opened) -> None:
    slider = desk.page.get_by_role("slider", name=NUMBER.title)
    slider.focus()
    for _ in range(3):
        desk.page.keyboard.press("ArrowRight")
    moved = ROW | {NUMBER.name: ROW[NUMBER.name] + 3}
    desk.predicted(moved)
    exact = desk.page.get_by_role("spinbutton", name=NUMBER.title)
    assert float(exact.input_value()) == moved[NUMBER.name]
    exact.fill(f"{NUMBER.maximum:g}")
    desk.predicted(ROW | {NUMBER.name: NUMBER.maximum})
    assert float(slider.input_value()) == NUMBER.maximum


def test_words_are_chosen_by_keyboard_and_the_answer_follows(desk: Opened) -> None:
    group = desk.page.get_by_role("group", name=WORDS.title)
    group.locator("input:checked").focus()
    desk.page.keyboard.press("ArrowLeft")
    chosen = group.locator("input:checked").input_value()
    assert chosen != ROW.get(WORDS.name)
    desk.predicted(ROW | {WORDS.name: chosen})
    desk.page.get_by_role("combobox", name=LONG.title).select_option(LONG.vocabulary[2])
    desk.predicted(ROW | {WORDS.name: chosen, LONG.name: LONG.vocabulary[2]})


def test_the_answer_has_its_interval_and_is_read_out(desk: Opened) -> None:
    answer = desk.page.get_by_role("status")
    weight = expected(ROW, 0.2)
    ends = f"{weight - WIDTHS[80]:.1f} and {weight + WIDTHS[80]:.1f}"
    assert f"80% between {ends}" in answer.inner_text()
    drawn = desk.page.get_by_role("img", name="95% between")
    assert drawn.locator("rect.interval").count() == len(WIDTHS)
    narrow, wide = (
        drawn.locator("rect.interval").nth(place).bounding_box() for place in range(len(WIDTHS))
    )
    assert narrow and wide
    assert wide["width"] == pytest.approx(2 * narrow["width"], rel=0.05)


def test_attributions_add_up_from_the_typical_row(desk: Opened) -> None:
    figure = desk.page.locator("#attributions")
    start = expected(REFERENCE, 0.2)
    assert f"From {start:.2f}" in figure.inner_text()
    shares = {
        row.locator("th").inner_text().split("\n")[0]: _number(row.locator(".n").inner_text())
        for row in figure.locator("tbody tr").all()
    }
    together = shares.pop("Together")
    assert together == pytest.approx(expected(ROW, 0.2) - start, abs=0.006)
    assert sum(shares.values()) == pytest.approx(together, abs=0.005 * len(FEATURES))
    for feature in FEATURES:
        one = REFERENCE | {feature.name: ROW.get(feature.name)}
        assert shares[feature.title] == pytest.approx(expected(one, 0.2) - start, abs=0.006)


def _number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))


def test_each_feature_has_its_what_if(desk: Opened) -> None:
    figures = desk.page.locator("#curves figure")
    assert figures.count() == len(FEATURES)
    for feature, figure in zip(FEATURES, figures.all(), strict=True):
        assert feature.title in figure.inner_text()
        if isinstance(feature, Category):
            rows = figure.locator("tbody tr").all()
            for word, row in zip(feature.vocabulary, rows, strict=True):
                weight = _number(row.locator(".n").inner_text())
                assert weight == pytest.approx(expected(ROW | {feature.name: word}, 0.2), abs=0.006)
        else:
            label = figure.get_by_role("img").get_attribute("aria-label") or ""
            for end in (feature.minimum, feature.maximum):
                assert f"{expected(ROW | {feature.name: end}, 0.2):.2f}" in label
            figure.locator("summary").click()
            assert figure.locator("tbody tr").count() > 10


def test_it_says_which_version_answers_and_leads_to_its_report(desk: Opened) -> None:
    assert "version 2 answers" in desk.page.get_by_role("banner").inner_text()
    desk.page.get_by_role("link", name="its report").click()
    assert desk.page.title() == "The report"


def test_what_is_wrong_is_told(desk: Opened) -> None:
    exact = desk.page.get_by_role("spinbutton", name=NUMBER.title)
    exact.fill(f"{NUMBER.maximum + 1:g}")
    alert = desk.page.get_by_role("alert")
    alert.filter(has_text=f"from {NUMBER.minimum:g} to {NUMBER.maximum:g}").wait_for()
    exact.fill(f"{ROW[NUMBER.name]:g}")
    alert.wait_for(state="hidden")
    desk.predicted(ROW)
    desk.complaints[:] = [text for text in desk.complaints if "400" not in text]


def test_a_phone_shows_it_whole_and_keeps_the_answer_in_sight(
    browser: Browser, address: str
) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme="dark")  # pyright: ignore[reportArgumentType]
    found = opened(context, address)
    assert found.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    box = found.page.locator("#prediction").bounding_box()
    assert box and box["y"] + box["height"] <= PHONE["height"]
    paper = "getComputedStyle(document.body).backgroundColor"
    assert found.page.evaluate(paper) == "rgb(18, 23, 29)"
    context.close()


def test_every_control_can_be_reached_by_keyboard_and_has_a_name(desk: Opened) -> None:
    page = desk.page
    nameless = page.locator("input, select, a, summary").evaluate_all(
        "all => all.filter(e => !(e.ariaLabel || e.innerText || e.labels?.[0]?.innerText)"
        " && !e.hidden).map(e => e.outerHTML)"
    )
    assert nameless == []
    page.locator("body").click(position={"x": 1, "y": 1})
    reached = []
    for _ in range(3 + 2 * len(FEATURES)):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name"))
    assert {feature.name for feature in FEATURES} <= set(reached)


def test_the_policy_holds(browser: Browser, address: str) -> None:
    """The counter-proof: what the page must not do is refused, and would have been seen."""
    context = browser.new_context()
    found = opened(context, address)
    for script in (
        "document.body.append(Object.assign(new Image(), {src: 'https://a.test/'}))",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))",
        "document.body.setAttribute('style', 'color: red')",
    ):
        found.page.evaluate(script)
    found.page.wait_for_timeout(300)
    assert found.elsewhere == []
    assert len(found.complaints) == 3
    assert all("Content Security Policy" in text for text in found.complaints)
    context.close()


def test_nothing_is_written_inline(served) -> None:
    page = served.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text)
    assert page.headers["x-content-type-options"] == "nosniff"


def test_the_declaration_is_told_as_it_is(served) -> None:
    told = served.get("/page/declaration").json()
    assert told["version"] == 2
    assert told["report"] is None
    assert [feature["name"] for feature in told["features"]] == [f.name for f in FEATURES]
    assert served.get("/reports/2").status_code == 404
    assert served.get("/reports/..%2f..%2fetc").status_code == 404


def test_what_contradicts_the_row_is_no_what_if(served) -> None:
    def words(row: dict[str, Any]) -> list[str]:
        told = served.post("/page/answer", json={"instance": row}).json()
        return told["curves"]["plurality"]["values"]

    assert "Multiple(2+)" in words(ROW)
    assert "Multiple(2+)" not in words(ROW | {"is_male": "True"})


@pytest.mark.parametrize(
    ("body", "error"),
    [([], "one field instance"), ({"instance": {}}, "is missing"), ({"instance": 1}, "no object")],
)
def test_a_question_that_is_none_is_refused(served, body: Any, error: str) -> None:
    told = served.post("/page/answer", content=json.dumps(body))
    assert told.status_code == 400
    assert error in told.json()["error"]


def test_a_version_without_intervals_answers_all_the_same(tmp_path: Path) -> None:
    from served_rows import wait_until_ready
    from small_model import write_model
    from starlette.testclient import TestClient

    write_model(tmp_path, 1, interpreted=False)
    settings = ServerSettings(model_folder=str(tmp_path), access_log=False)
    with TestClient(create_application(settings)) as client:
        wait_until_ready(client)
        told = client.post("/page/answer", json={"instance": ROW}).json()
    assert told["prediction"] == pytest.approx(expected(ROW), rel=1e-5)
    assert told["intervals"] is told["attributions"] is None
    assert set(told["curves"]) == {feature.name for feature in FEATURES}
