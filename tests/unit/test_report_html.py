"""The page: everything is in it, and nothing of a submission gets out of its place."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from grader.model import (
    Attachment,
    CheckResult,
    Counterexample,
    Evidence,
    LaneStep,
    PostgresInfo,
    Report,
    Verdict,
)
from grader.report import Advice, render_html, write_all

NASTY = "</style></pre><script>alert(1)</script>{{ 7*7 }}\" onload='x' \x1b[31m\x00\u202e"
SPELLED = "</style></pre><script>alert(1)</script>{{ 7*7 }}\" onload='x' \\x00\\u202e"

ORDERED = ("coverage", "lane B", "SQL", "result", "change", "holder", "signal", "setup", "rule", "schedule")
"""What a text of a counterexample begins with."""


class Page(HTMLParser):
    """What a browser would make of a page: its elements and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data

    def attributes(self, name: str) -> list[str | None]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def check(id: str, verdict: Verdict, text: str = "a text") -> CheckResult:
    return CheckResult(
        id=id,
        part=id.partition(".")[0],
        title=f"title {text}",
        verdict=verdict,
        points=0,
        max_points=2,
        expected=f"expected {text}",
        observed=f"observed {text}",
        hint=f"hint {text}",
        read=f"read {text}",
        reason=f"reason {text}",
        scenario=f"scenario {text}",
        evidence=tuple(Evidence(n, f"evidence {n} {text}", f"service {text}") for n in range(20)),
        attachments=(Attachment(f"attached {text}", f"answer {text}\n  second line"),),
        coverage=f"coverage {text}",
        counterexample=order(text),
    )


def order(text: str) -> Counterexample:
    lanes = (f"lane A {text}", f"lane B {text}", f"lane C {text}")
    return Counterexample(
        lanes,
        (
            LaneStep(1, lanes[0], f"SQL {text}", f"result {text}", "T", changes=(f"change {text}",)),
            LaneStep(2, lanes[1], f"SQL {text}", waits_for=f"holder {text}"),
            LaneStep(3, lanes[2], f"signal {text}"),
            LaneStep(4, lanes[1], f"SQL {text}", "error 40001", "E", goes_on=True),
        ),
        f"setup {text}",
        f"rule {text}",
        f"schedule {text}",
        3,
    )


def report(text: str = "a text", verdicts: tuple[Verdict, ...] = tuple(Verdict)) -> Report:
    return Report(
        lab=f"lab {text}",
        submission=f"submission {text}",
        checks=tuple(check(f"2.is-{verdict.value}", verdict, text) for verdict in verdicts),
        isolation=f"isolation {text}",
        postgres=PostgresInfo(f"provider {text}", f"version {text}", f"why {text}"),
        seed=4711,
        started_at="2025-03-04T10:11:12Z",
        duration_s=83.4,
        notes=(f"note {text}",),
        complete=False,
    )


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_everything_that_explains_a_verdict_is_on_the_page(verdict: Verdict) -> None:
    text = Page(render_html(report(verdicts=(verdict,)))).text
    for part in ("title", "expected", "observed", "hint", "read", "reason", "scenario", "evidence 19", "answer"):
        assert f"{part} a text" in text
    for part in ORDERED:
        assert f"{part} a text" in text
    for said in ("a text, in a transaction", "(step 2 goes on)", "error 40001, failed transaction", "3 of 3 runs"):
        assert said in text


def test_a_counterexample_is_a_table_with_a_column_for_every_lane() -> None:
    source = render_html(report(verdicts=(Verdict.FAIL,)))
    table = re.search(r'<table class="lanes many">.*?</table>', source, re.DOTALL)
    assert table is not None
    page = Page(table[0])
    assert page.attributes("scope") == ["col"] * 4 + ["row"] * 4
    assert "<caption" in table[0]
    cells = [attributes.get("class") for tag, attributes in page.elements if tag == "td"]
    here = "here"
    assert cells == [here, None, None, None, here, None, None, None, here, None, here, None]
    assert re.findall("<code[^>]*>(.*?)</code>", table[0]) == ["SQL a text", "SQL a text"]
    assert "<mark>change a text</mark>" in table[0]


def test_a_table_that_scrolls_can_be_reached_by_keyboard_and_has_a_name() -> None:
    page = Page(render_html(report(verdicts=(Verdict.FAIL,))))
    box = next(attributes for _, attributes in page.elements if attributes.get("class") == "scroll")
    assert (box["tabindex"], box["role"], box["aria-label"]) == ("0", "region", "counterexample of 2.is-fail")


def test_a_long_statement_is_on_the_page_as_a_whole() -> None:
    sql = "SELECT " + ", ".join(f"column_{n}" for n in range(300)) + " FROM tasks"
    only = dataclasses.replace(order("x"), steps=(LaneStep(1, "lane A x", sql, "1 row", "I"),))
    each = dataclasses.replace(check("2.is-fail", Verdict.FAIL), counterexample=only)
    assert sql in Page(render_html(dataclasses.replace(report(), checks=(each,)))).text


def test_a_counterexample_without_steps_still_says_which_rule_broke() -> None:
    none = dataclasses.replace(order("x"), lanes=(), steps=(), replays=0)
    each = dataclasses.replace(check("2.is-fail", Verdict.FAIL), counterexample=none)
    page = Page(render_html(dataclasses.replace(report(), checks=(each,))))
    assert page.open == []
    assert "rule x" in page.text
    assert "seen again" not in page.text


def test_what_is_known_of_a_check_stands_with_its_result() -> None:
    advice = {
        "2.is-fail": Advice(f"again {NASTY}", f"replay {NASTY}", "It matters.", ("Often wrong.", "As often."))
    }
    source = render_html(report(verdicts=(Verdict.FAIL,)), advice=advice)
    text = Page(source).text
    for said in (f"again {SPELLED}", f"replay {SPELLED}", "It matters.", "Often wrong.", "As often."):
        assert said in text
    assert "Often wrong." not in render_html(report(verdicts=(Verdict.FAIL,)))


def test_a_check_that_holds_is_not_run_again() -> None:
    passed = dataclasses.replace(check("2.is-pass", Verdict.PASS), counterexample=None)
    source = render_html(
        dataclasses.replace(report(), checks=(passed,)), advice={"2.is-pass": Advice("A", "B", "C.", ())}
    )
    assert "<dt>again</dt>" not in source
    assert "<dt>replay</dt>" not in source
    assert "Why it matters</summary>" in source


def test_how_much_was_explored_stands_with_a_check_that_passed() -> None:
    assert "coverage a text" in Page(render_html(report(verdicts=(Verdict.PASS,)))).text


def test_the_run_is_described() -> None:
    text = Page(render_html(report())).text
    for part in ("lab", "submission", "isolation", "version", "why", "note"):
        assert f"{part} a text" in text
    for said in ("4711", "1 min 23 s", "not to be used", "Only some of the checks", "1 pass, 1 fail, 1 skipped"):
        assert said in text


def test_the_page_balances_and_its_links_lead_somewhere() -> None:
    page = Page(render_html(report()))
    assert page.open == []
    assert {f"#{id}" for id in page.attributes("id")} >= set(page.attributes("href"))
    assert page.attributes("href")
    assert len(page.attributes("id")) == len(set(page.attributes("id")))


def test_no_text_of_a_submission_becomes_markup() -> None:
    harmless, nasty = Page(render_html(report())), Page(render_html(report(NASTY)))
    assert [tag for tag, _ in nasty.elements] == [tag for tag, _ in harmless.elements]
    assert not {tag for tag, _ in nasty.elements} & {"img", "iframe", "link", "object", "form", "base"}
    assert [tag for tag, _ in nasty.elements].count("script") == 1  # its own
    assert not [name for _, attributes in nasty.elements for name in attributes if name.startswith("on")]
    for part in ("lab", "submission", "title", "expected", "evidence 3", "attached", "note", *ORDERED):
        assert f"{part} {SPELLED}" in nasty.text


def test_an_id_cannot_leave_its_attribute() -> None:
    odd = check('2."><script>', Verdict.FAIL)
    each = Report("lab", "s", (odd,), "none", PostgresInfo("given", "17", "x"), 1, "2025-03-04T10:11:12Z", 1.0)
    page = Page(render_html(each))
    assert 'check-2."><script>' in page.attributes("id")
    assert [tag for tag, _ in page.elements].count("script") == 1  # its own


def test_nothing_is_fetched_and_only_its_own_style_and_script_are_let_in() -> None:
    source = render_html(report(NASTY))
    page = Page(source)
    let_in = []
    for tag in ("style", "script"):
        found = re.search(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        let_in.append(f"{tag}-src 'sha256-{digest}'")
        assert not re.search(r"url\((?!#)|@import|fetch|XMLHttp|innerHTML|import\(", found[1])
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; {'; '.join(let_in)}; base-uri 'none'; form-action 'none'"
    assert page.attributes("style") == page.attributes("src") == []


def test_the_page_stays_small_when_a_submission_writes_without_end() -> None:
    assert len(render_html(report("x" * 1_000_000))) < 500_000


def test_the_style_knows_a_class_for_every_verdict_and_the_page_says_the_word() -> None:
    source = render_html(report())
    for verdict in Verdict:
        assert f".{verdict.value} {{" in source
        assert f'<span class="badge {verdict.value}">{verdict.value}</span>' in source


@pytest.mark.parametrize("verdicts", [(), (Verdict.PASS,), (Verdict.SKIPPED,)])
def test_short_reports_make_a_page_too(verdicts: tuple[Verdict, ...]) -> None:
    assert Page(render_html(report(verdicts=verdicts))).open == []


def test_the_page_is_written_as_utf8(tmp_path: Path) -> None:
    assert write_all(report("Zoë 👩‍🔧"), tmp_path) == []
    assert "Zoë 👩‍🔧" in (tmp_path / "report.html").read_text(encoding="utf-8")
