"""The page in a real browser: what people see, hear and reach by keyboard, and what a hostile submission does not do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.integration import report_specimens as specimens

WIDTHS = (390, 1280, 1920)
"""A phone, a laptop, a projector."""

WHOLE, HOSTILE, PERFECT, LARGEST = "whole", "hostile", "perfect", "largest"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the pages are ours, and fetch nothing.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    sources = {
        WHOLE: specimens.whole(),
        HOSTILE: specimens.whole(specimens.HOSTILE),
        PERFECT: specimens.perfect(),
        LARGEST: specimens.largest(),
    }
    for name, source in sources.items():
        (folder / f"{name}.html").write_text(source, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in sources}


@dataclass
class Visit:
    """A page that is open, and what went wrong or out while it was."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def visit(browser: Browser, pages: dict[str, Path]) -> Open:
    """Opens a page; leaving it fails the test when the page complained, or asked for anything but itself."""

    @contextmanager
    def open_(name: str = WHOLE, at: str = "", **context: Any) -> Iterator[Visit]:
        with browser.new_context(**context) as around:
            around.set_default_timeout(10_000)
            visit = Visit(around.new_page())
            visit.page.on("console", lambda said: visit.complaints.append(said.text))
            visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            visit.page.on("dialog", lambda dialog: visit.complaints.append(f"dialog: {dialog.message}"))
            visit.page.on("request", lambda request: visit.requests.append(request.url))
            visit.page.goto(pages[name].as_uri() + at)
            yield visit
            assert visit.complaints == []
            assert {url.partition("#")[0] for url in visit.requests} == {pages[name].as_uri()}

    return open_


def shown(page: Page, selector: str) -> list[str]:
    """The ids of what a selector finds, as far as it can be seen."""
    return [str(each.get_attribute("id")) for each in page.query_selector_all(selector) if each.is_visible()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_in_light_and_dark(visit: Open, width: int, scheme: str) -> None:
    with visit(viewport={"width": width, "height": 800}, color_scheme=scheme) as there:
        assert there.page.evaluate("document.documentElement.scrollWidth") <= width
        assert there.page.title() == "Score 4/14, bonus 2/2 - team-7"
        dark = there.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, dark[4:-1].split(","))) < 200) == (scheme == "dark")
        [plot] = [each for each in there.page.query_selector_all(".plot") if each.is_visible()][:1]
        box = plot.bounding_box()
        assert box is not None
        assert box["height"] > 100


def test_what_failed_comes_first_with_its_timeline(visit: Open) -> None:
    with visit() as there:
        order = there.page.eval_on_selector_all(".check", "all => all.map(each => each.id)")
        assert order[:4] == ["check-3a.stops", "check-3b.races", "check-3a.logs", "check-3b.grader"]
        assert set(order[4:]) == {"check-3a.waits", "check-2.read", "check-2.list", "check-x.more"}
        card = there.page.locator("[id='check-3a.stops']")
        assert card.locator(".plot").is_visible()
        assert "nothing in that process caught the signal" in card.inner_text()


def test_the_filter_goes_by_keyboard_and_says_what_is_left(visit: Open) -> None:
    with visit() as there:
        page = there.page
        page.focus("#show-all")
        page.keyboard.press("ArrowRight")
        assert shown(page, ".check") == ["check-3a.stops", "check-3b.races"]
        assert page.inner_text("#shown") == "2 of 8 checks shown"
        page.keyboard.press("ArrowRight")
        assert shown(page, ".check") == ["check-3a.logs", "check-3b.grader"]
        page.keyboard.press("ArrowRight")
        assert shown(page, ".check") == ["check-2.read", "check-2.list"]
        assert shown(page, "h3[id]") == ["passed"]  # no heading of nothing
        page.check("#show-all", force=True)
        assert len(shown(page, ".check")) == 8


def test_every_link_leads_to_something_that_is_then_seen(visit: Open) -> None:
    with visit() as there:
        page = there.page
        targets = page.eval_on_selector_all("a[href]", "all => all.map(each => each.getAttribute('href'))")
        assert len(targets) > 10
        assert {"#check-3a.stops", "#read-graceful-shutdown"} <= set(targets)
        for target in dict.fromkeys(targets):
            page.check("#show-failed", force=True)
            page.evaluate("target => { location.hash = ''; location.hash = target }", target)
            there_now = page.locator(f"[id='{target[1:]}']")
            there_now.wait_for(state="visible", timeout=3000)


def test_a_link_from_elsewhere_opens_what_it_leads_to(visit: Open) -> None:
    with visit(at="#check-2.list") as there:
        assert there.page.evaluate("document.getElementById('check-2.list').open") is True


def test_a_mark_says_what_it_is_when_it_is_pointed_at(visit: Open) -> None:
    with visit() as there:
        card = there.page.locator("[id='check-3a.stops']")
        assert "Point at a mark" in card.locator(".readout").first.inner_text()
        card.locator(".mark.claim").first.hover()
        assert (
            card.locator(".readout")
            .first.inner_text()
            .startswith("1.120 s  worker-A task 1: pending → processing")
        )


def test_marks_are_gone_through_by_keyboard_in_the_order_of_time(visit: Open) -> None:
    with visit() as there:
        page = there.page
        card = page.locator("[id='check-3a.stops']")
        readout = card.locator(".readout").first
        card.locator(".plot [tabindex='0']").focus()
        assert readout.inner_text() == "1.300 s  worker-A SIGTERM sent to worker-A"
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == (
            "1.300 s, worker-A: SIGTERM sent to worker-A"
        )
        page.keyboard.press("ArrowRight")
        assert readout.inner_text().startswith("1.303 s  worker-A ended by signal 15")
        times = []
        page.keyboard.press("Home")
        for _ in range(6):
            times.append(float(readout.inner_text().split()[0]))
            page.keyboard.press("ArrowRight")
        assert times == sorted(times)
        page.keyboard.press("End")
        last = readout.inner_text()
        page.keyboard.press("ArrowRight")
        assert readout.inner_text() == last
        assert len(card.locator(".plot").first.locator("[tabindex]").all()) == 1


@pytest.mark.parametrize(
    ("name", "scheme"), [(WHOLE, "light"), (WHOLE, "dark"), (HOSTILE, "light"), (PERFECT, "dark")]
)
def test_an_accessibility_checker_finds_no_serious_fault(visit: Open, name: str, scheme: str) -> None:
    with visit(name, color_scheme=scheme) as there:
        there.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        found = Axe().run(there.page).response["violations"]
        serious = [
            f"{fault['id']}: {node['html'][:120]} {node['failureSummary'][:300]}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"][:2]
        ]
        assert serious == []


def test_hostile_text_stays_text(visit: Open, pages: dict[str, Path]) -> None:
    tags = "[...document.querySelectorAll('*')].map(each => each.tagName).filter(tag => tag != 'BR')"
    with visit(HOSTILE) as there, visit(WHOLE) as harmless:
        page = there.page
        assert page.evaluate("document.querySelectorAll('script').length") == 1
        assert page.evaluate("document.querySelectorAll('img, iframe, object, form, link').length") == 0
        assert "taken over" not in page.title().split("script")[0]
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        text = page.inner_text("body")
        for place in (
            "This is what 3a.stops is about.",
            "ended by signal 15",
            "a line",
            "The worker gets a signal.",
        ):
            assert f"{place}</title></style></script>{specimens.SHOWN}" in text
        assert not set(text) & {"\x1b", "\x00", "\u202e", "\u202c", "\x07"}
        page.locator(".mark.log").last.hover()
        assert set(page.evaluate(tags)) == set(harmless.page.evaluate(tags))
    assert b"\x1b" not in pages[HOSTILE].read_bytes()


def test_it_prints_what_failed_and_nothing_that_can_only_be_used_on_a_screen(visit: Open) -> None:
    with visit() as there:
        page = there.page
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = false")
        page.emulate_media(media="print")
        assert not page.is_visible(".filter")
        assert not page.is_visible(".readout")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("[id='check-3a.stops'] .plot").is_visible()
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_its_script_nothing_is_missing(visit: Open) -> None:
    with visit(java_script_enabled=False) as there:
        page = there.page
        assert not page.is_visible(".readout")
        page.locator("#show-failed").check(force=True)
        assert shown(page, ".check") == ["check-3a.stops", "check-3b.races"]
        assert "SIGTERM sent to worker-A" in page.locator("[id='check-3a.stops'] .rows").inner_text()


def busy(watch: CDPSession) -> float:
    """Seconds that a page has kept its main thread at work."""
    metrics = watch.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def test_the_largest_page_is_small_and_answers_within_a_second(visit: Open, pages: dict[str, Path]) -> None:
    assert pages[LARGEST].stat().st_size < 1_500_000
    with visit(LARGEST) as there:
        page = there.page
        # The main thread's own time: other tests run beside this one.
        watch = page.context.new_cdp_session(page)
        watch.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.reload()
        ready = busy(watch)
        page.check("#show-failed", force=True)
        page.evaluate("document.body.offsetHeight")
        answered = busy(watch) - ready
        assert len(shown(page, ".check")) == 30
        assert "Left out here" in page.inner_text("body")
    assert 0 < ready < 1
    assert answered < 1


def test_a_perfect_page_says_that_nothing_is_left_to_do(visit: Open) -> None:
    with visit(PERFECT) as there:
        text = there.page.inner_text("main")
        assert "Nothing is left to do" in text
        assert not there.page.query_selector("#show-failed")
        assert shown(there.page, ".plot") == []  # there, and folded
        there.page.click("summary:has-text('finishes')")
        assert len([each for each in there.page.query_selector_all(".plot") if each.is_visible()]) == 1
