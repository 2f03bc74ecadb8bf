"""Scenarios and sections of the lab on the page: what is shown where, how much of it, and that it is inert."""

from __future__ import annotations

import re

from grader.declare import PROJECT, section
from grader.model import CheckResult, Evidence, PostgresInfo, Report, Verdict
from grader.report import Recorded, render_html
from grader.report.reading import sections
from grader.report.scenes import scenes
from tests.unit.histories import Story

READ = "labs/lab-03-worker-service.md#graceful-shutdown"


def check(id: str, verdict: Verdict, scenario: str, *proof: float) -> CheckResult:
    evidence = tuple(Evidence(at, "seen") for at in proof)
    return CheckResult(
        id, id.partition(".")[0], f"About {id}.", verdict, 0, 1, scenario=scenario, evidence=evidence, read=READ
    )


def report(*checks: CheckResult) -> Report:
    postgres = PostgresInfo("given", "18", "x")
    return Report("lab-03", "team-7", checks, "self-check", postgres, 1, "2025-03-04T10:11:12Z", 1.0)


def busy(lines: int) -> Story:
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A")
    for number in range(lines):
        story.log("worker-A", 1.2 + number / 1000, f"line {number} {'x' * 100}")
    return story.signal("worker-A", "SIGTERM", 9.0)


def recorded(*names: str, lines: int = 3) -> list[Recorded]:
    return [Recorded(name, f"About {name}.", busy(lines).history()) for name in names]


def test_a_scenario_is_drawn_once_with_the_first_check_that_it_explains_and_linked_from_the_others() -> None:
    failed = [check(f"3a.is-{n}", Verdict.FAIL, "alone" if n < 2 else "first+alone") for n in range(3)]
    source = render_html(report(*failed), recorded("first", "alone"))
    assert source.count('class="plot"') == 2
    cards = source.split('<details open class="item check')[1:]
    drawn = {re.findall('id="check-(.*?)"', card)[0]: card.count('class="plot"') for card in cards}
    assert drawn == {"3a.is-0": 1, "3a.is-1": 0, "3a.is-2": 1}
    assert "drawn with 3a.is-0" in source


def test_what_passed_is_drawn_below_and_folded() -> None:
    source = render_html(report(check("3a.is", Verdict.PASS, "calm")), recorded("calm"))
    below = source[source.index('id="scenes"') :]
    assert below.count('class="plot"') == 1
    assert '<details class="item other p0">' in below


def test_what_failed_is_told_in_full_and_the_rest_shares_what_is_left() -> None:
    checks = [
        check("3a.bad", Verdict.FAIL, "bad"),
        *(check(f"3a.ok-{n}", Verdict.PASS, f"ok-{n}") for n in range(9)),
    ]
    names = ["bad", *(f"ok-{n}" for n in range(9))]
    found = scenes(report(*checks), recorded(*reversed(names), lines=250), budget=150_000)
    assert len(found["bad"][0].rows) > 250
    assert found["bad"][0].left_out == ()
    rows = [len(found[name][0].rows) for name in names[1:]]
    assert max(rows) < 100
    assert min(rows) > 10
    for name in names[1:]:
        assert re.fullmatch(r"\d+ of 2\d\d lines, of the less telling sorts", found[name][0].left_out[-1])
        assert [r.happening.text for r in found[name][0].rows][-1] == "SIGTERM sent to worker-A"


def test_moments_that_a_verdict_rests_on_are_marked_in_the_list() -> None:
    [scene] = scenes(report(check("3a.bad", Verdict.FAIL, "bad", 9.0)), recorded("bad"))["bad"]
    assert [row.happening.text for row in scene.rows if row.proof] == ["SIGTERM sent to worker-A"]


def test_a_repeated_scenario_is_shown_beside_the_first() -> None:
    twice = [Recorded("calm", "About it.", busy(1).history(), take) for take in (1, 2)]
    source = render_html(report(check("3a.is", Verdict.INCONCLUSIVE, "calm")), twice)
    assert source.count('class="plot"') == 2
    assert "calm (repeated)" in source


# ---------------------------------------------------------------- the lab's sections


def test_a_section_ends_where_the_next_of_its_level_begins() -> None:
    text = section(READ)
    assert text is not None
    assert text.startswith("#### Graceful shutdown\n")
    assert "#### Stop while waiting" not in text
    whole = (PROJECT / READ.partition("#")[0]).read_text()
    assert text.strip() in whole
    assert section("labs/lab-03-worker-service.md#no-such") is None
    assert section("labs/none.md#x") is None


def test_a_section_becomes_html_and_markup_in_it_stays_text() -> None:
    other = "labs/lab-03-worker-service.md#two-kinds-of-signal"
    texts = {
        READ: "#### Graceful *shutdown*\n\nA **flag**. <script>alert(1)</script>\n\n##### More\n\n"
        "[here](#two-kinds-of-signal), [there](contract.md), [away](https://example.org)\n\n```\n<b>\n```\n",
        other: "#### Two kinds of signal\n",
    }
    found = sections(texts)
    body = found[READ].body
    assert found[READ].title == "Graceful *shutdown*"
    assert "<strong>flag</strong>" in body
    assert "<script" not in body
    assert "<h5>More</h5>" in body
    assert '<a href="#read-two-kinds-of-signal">here</a>' in body
    assert "<a>there</a>" in body
    assert "example.org" not in body
    assert "&lt;b&gt;" in body


def test_a_check_links_to_its_section_on_the_page_or_names_it_alone() -> None:
    failed = report(check("3a.is", Verdict.FAIL, "x"))
    assert f'<a href="#read-graceful-shutdown">Graceful shutdown</a> <code>{READ}</code>' in render_html(
        failed, (), {READ: "#### Graceful shutdown\n\nText.\n"}
    )
    alone = render_html(failed)
    assert f"<code>{READ}</code>" in alone
    assert 'href="#read-' not in alone
