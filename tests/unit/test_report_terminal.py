"""The report in a console of 80 columns, as a student reads it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from grader.model import CheckResult, Counterexample, Evidence, LaneStep, PostgresInfo, Report, Verdict
from grader.report import render_terminal

NASTY = "[red]<b>[/] \x1b]8;;http://example.org\x07link\x1b]8;;\x07 \x00 \u202e ✓ " + "x" * 1_000_000


def check(id: str, verdict: Verdict = Verdict.PASS, **more: object) -> CheckResult:
    known: dict[str, object] = {
        "title": f"This is what {id} is about.",
        "points": 2 if verdict is Verdict.PASS else 0,
        "bonus": id.startswith("x."),
        "expected": "it works" if verdict is Verdict.FAIL else None,
        "observed": "it does not" if verdict is Verdict.FAIL else None,
        "hint": f"Mend {id}." if verdict is Verdict.FAIL else None,
        "read": "labs/lab.md#part",
        "reason": "a good reason" if verdict not in (Verdict.PASS, Verdict.FAIL) else None,
    }
    return CheckResult(id=id, part=id.partition(".")[0], verdict=verdict, max_points=2, **{**known, **more})  # type: ignore[arg-type]


def report(*checks: CheckResult, submission: str = "team-7", **more: object) -> Report:
    postgres = PostgresInfo("embedded", "18.6", "no Docker engine answers")
    return Report(
        "Lab 03",
        submission,
        checks,
        "self-check",
        postgres,
        4711,
        "2025-03-04T10:11:12Z",
        83.4,
        **more,  # type: ignore[arg-type]
    )


def shown(
    each: Report,
    width: int = 80,
    encoding: str = "utf-8",
    colour: bool = False,
    replay: Callable[[str], str] | None = None,
    verbose: bool = True,
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    console = Console(
        file=file, width=width, force_terminal=colour, color_system="standard" if colour else None, _environ={}
    )
    again = "make grade CHECK={}".format
    render_terminal(each, console, where="reports/team-7", again=again, replay=replay, verbose=verbose)
    file.flush()
    return raw.getvalue().decode(encoding)


STARTER = report(
    check("2.health"),
    check("3a.starts", Verdict.FAIL, evidence=(Evidence(1.5, "exited with status 1", "worker-A"),)),
    *(check(f"3a.later-{n}", Verdict.SKIPPED, reason="It builds on 3a.starts.") for n in range(12)),
)


def test_a_starter_sees_one_failure_and_the_way_on_at_the_end() -> None:
    page = shown(STARTER)
    assert "12 checks wait for 3a.starts (24 points)" in page
    assert page.count(" skipped") == 1  # in the tally
    assert "Score 2/28\n" in page
    end = page[page.index("Your next step") :]
    assert [part in end for part in ("3a.starts", "Mend 3a.starts.", "labs/lab.md#part")] == [True] * 3
    assert page.rstrip().endswith("make grade CHECK=3a.starts")


def test_a_failure_is_told_in_full() -> None:
    page = shown(STARTER)
    told = page[page.index("What failed") : page.index("Full report")]
    for part in ("it works", "it does not", "1.500 s  worker-A  exited with status 1", "Mend 3a.starts."):
        assert part in told


def test_every_check_shows_sign_word_and_points() -> None:
    page = shown(report(*(check(f"2.is-{verdict.value}", verdict) for verdict in Verdict)))
    rows = dict(re.findall(r"^(\S 2\.is-\S+) +(.+)$", page, re.MULTILINE))
    assert rows == {
        "✓ 2.is-pass": "pass   2/2",
        "✗ 2.is-fail": "fail   0/2",
        "? 2.is-inconclusive": "inconclusive   0/2",
        "! 2.is-error": "error   0/2",
    }


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_what_could_not_be_judged_is_not_the_students_fault(verdict: Verdict) -> None:
    page = shown(report(check("2.read", verdict)))
    assert "Could not be judged: not your fault" in page
    assert "This is not your fault." in page
    assert "a good reason" in page
    assert "What failed" not in page


def test_an_error_says_that_the_score_is_not_to_be_used() -> None:
    assert "not to be used" in shown(report(check("2.read", Verdict.ERROR)))
    assert "not to be used" not in shown(report(check("2.read", Verdict.FAIL)))


def test_a_perfect_run_ends_with_nothing_to_do() -> None:
    page = shown(report(check("2.read"), check("x.fencing")))
    assert "Score 2/2, bonus 2/2" in page
    assert page.rstrip().endswith("Nothing is left to do: everything that was checked holds.")


def test_a_partial_run_and_its_notes_are_said() -> None:
    page = shown(report(check("2.read"), complete=False, notes=("The machine stalled.",)))
    assert "Only some of the checks were asked for" in page
    assert "Note: The machine stalled." in page


def test_the_rest_of_a_long_evidence_is_counted() -> None:
    page = shown(
        report(check("2.read", Verdict.FAIL, evidence=tuple(Evidence(n, f"line {n}") for n in range(20))))
    )
    assert "line 7\n" in page
    assert "line 8\n" not in page
    assert "and 12 more in the full report" in page


@pytest.mark.parametrize("verbose", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("width", [80, 200])
def test_no_text_breaks_out_of_its_place(encoding: str, width: int, verbose: bool) -> None:
    nasty = check(
        "2.read",
        Verdict.FAIL,
        title=NASTY,
        expected=NASTY,
        observed=NASTY + "\n" + NASTY,
        hint=NASTY,
        evidence=(Evidence(1.0, NASTY, NASTY),),
    )
    page = shown(
        report(nasty, check("2.list", Verdict.ERROR, reason=NASTY), submission="[/] \x1b[2J"),
        width,
        encoding,
        verbose=verbose,
    )
    assert "[red]<b>[/] link \\x00 \\u202e" in page
    assert "\n[/] " in page
    assert not re.search(r"[^\n\x20-\x7e\xa0-\U0010ffff]", page)
    assert "characters in all)" in page
    assert len(page) < (40_000 if verbose else 4_000)


def test_lines_fit_the_width_and_end_without_blanks() -> None:
    long = check("3a.sigterm-takes-no-more", Verdict.FAIL, title="Words and words. " * 20, observed="漢字" * 200)
    other = check("3a.clean-exit", Verdict.FAIL, observed="漢字" * 200)
    for width, limit in ((80, 80), (60, 60), (300, 100)):
        for verbose in (True, False):
            rows = shown(report(long, other), width, verbose=verbose).splitlines()
            assert max(len(row) + len(re.findall("[漢字]", row)) for row in rows) <= limit
            assert not [row for row in rows if row.endswith(" ")]


def test_without_unicode_the_signs_are_ascii() -> None:
    page = shown(report(*(check(f"2.is-{verdict.value}", verdict) for verdict in Verdict)), encoding="ascii")
    assert "x 2.is-fail" in page
    assert "+ 2.is-pass" in page


def test_without_unicode_arrows_and_dots_are_spelled_in_ascii() -> None:
    page = shown(report(check("2.read", Verdict.FAIL, observed="pending → done … ✓")), encoding="ascii")
    assert "observed  pending -> done ... \\u2713\n" in page


ORDER = Counterexample(
    ("worker-A", "worker-B"),
    (LaneStep(1, "worker-A", "COMMIT", "done", "I"), LaneStep(2, "worker-B", "COMMIT", "done", "I")),
    "one pending task",
    "task 7 was claimed twice",
    "A B",
    3,
)


def test_a_counterexample_stands_between_the_evidence_and_the_hint() -> None:
    page = shown(report(check("3b.order", Verdict.FAIL, evidence=(Evidence(1.5, "seen"),), counterexample=ORDER)))
    lines = page.splitlines()
    start = next(n for n, row in enumerate(lines) if row.endswith("seen"))
    end = next(n for n, row in enumerate(lines) if row.startswith("  hint"))
    assert lines[start + 1 : end] == [
        "",
        "  one pending task",
        f"      worker-A {'─' * 27}  worker-B {'─' * 27}",
        "   1  COMMIT → done",
        "   2                                        COMMIT → done",
        "  task 7 was claimed twice",
        "  seen again in 3 of 3 runs on fresh processes",
        "",
    ]


def test_the_command_to_replay_is_shown_where_there_is_a_counterexample_and_a_command() -> None:
    both = report(check("3b.order", Verdict.FAIL, counterexample=ORDER), check("3b.plain", Verdict.FAIL))
    page = shown(both, replay="make replay CHECK={}".format)
    told, step = page[: page.index("Your next step")], page[page.index("Your next step") :]
    assert told.count("\n  replay    make replay CHECK=3b.order\n") == 1
    assert step.endswith("\n  again     make grade CHECK=3b.order\n  replay    make replay CHECK=3b.order\n")
    assert "make replay CHECK=3b.plain" not in page
    assert "replay" not in shown(both)


def test_the_summary_says_how_much_was_explored_whatever_came_of_it() -> None:
    checks = [
        check(f"3b.{verdict.value}", verdict, coverage=f"{verdict.value}: 412 schedules") for verdict in Verdict
    ]
    summary = shown(report(*checks, check("3b.other")))
    summary = summary[summary.index("Score") : summary.index("Full report")]
    for verdict in Verdict:
        assert f"\n3b.{verdict.value}: {verdict.value}: 412 schedules\n" in summary
    assert "3b.other" not in summary


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_hostile_counterexample_stays_in_its_place(encoding: str) -> None:
    step = LaneStep(1, NASTY, NASTY, NASTY, NASTY, NASTY, False, (NASTY, "\ud800 <script>"))
    order = Counterexample((NASTY, "worker-B"), (step,) * 3, NASTY, NASTY, NASTY, 3)
    page = shown(report(check("3b.order", Verdict.FAIL, counterexample=order, coverage=NASTY)), 80, encoding)
    assert "[red]<b>[/]" in page
    assert "\\ud800 <script>" in page
    assert not re.search(r"[^\n\x20-\x7e\xa0-\U0010ffff]", page)
    assert max(map(len, page.splitlines())) <= 80
    assert len(page) < 20_000


def test_colour_adds_nothing_but_colour() -> None:
    for each in (STARTER, report(check("3b.order", Verdict.FAIL, counterexample=ORDER))):
        for verbose in (True, False):
            coloured = shown(each, colour=True, verbose=verbose)
            assert "\x1b[" in coloured
            assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(each, verbose=verbose)


# ---------------------------------------------------------------- in brief


def brief(each: Report, width: int = 80, encoding: str = "utf-8") -> str:
    return shown(each, width, encoding, replay="make replay CHECK={}".format, verbose=False)


def test_in_brief_what_to_mend_first_comes_first_with_all_it_takes() -> None:
    assert brief(STARTER) == (
        """
✗ 3a.starts                                                           fail   0/2
  This is what 3a.starts is about.
  expected  it works
  observed  it does not
  hint      Mend 3a.starts.
  read      labs/lab.md#part
  again     make grade CHECK=3a.starts

· 12 checks wait for 3a.starts (24 points)

team-7 ───────────────────────────────────────────────────────────────── Lab 03
Score 2/28  1 pass, 1 fail, 12 skipped in 1 min 23 s
Lab 02: the api-service  ━━━━━━━━━━━━━━━━━━━━━━━━    2/2
Exercise 3a: the worker  ────────────────────────   0/26
Full report, with timelines: reports/team-7/report.html
"""
    ).replace(" ─────────────────────────────────────────────────────────────────", " " + "─" * 66)


def test_in_brief_the_rest_takes_a_row_each() -> None:
    page = brief(
        report(
            check("2.read"),
            check("3a.first", Verdict.FAIL),
            check("3a.second", Verdict.FAIL, observed="seen\nin two lines " + "and more " * 20),
            check("3b.third", Verdict.INCONCLUSIVE, reason="Could not be judged: no task was claimed"),
        )
    )
    assert "\n✗ 3a.second   0/2  seen in two lines and more and more and more and more and mo…\n" in page
    assert "\n? 3b.third    0/2  not your fault: no task was claimed\n" in page
    assert "2.read" not in page


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize("text", ["short", "a long text " * 60])
def test_in_brief_everything_fits_a_small_window(count: int, text: str) -> None:
    checks = [
        check(f"3a.is-{n}", Verdict.FAIL, title=text, expected=text, observed=text, hint=text)
        for n in range(count)
    ]
    waits = [check(f"3b.is-{n}", Verdict.SKIPPED, reason=f"It builds on 3a.is-{n}.") for n in range(count)]
    page = brief(report(*checks, *waits))
    assert page.startswith("\n✗ 3a.is-0 ")
    assert page.rstrip().endswith("reports/team-7/report.html")
    assert len(page.splitlines()) <= 23
    if count == 40:
        assert re.search(r"\n  and \d+ more: see the page, or ask for --verbose\n", page)


def test_in_brief_without_a_failure_what_there_is_to_say_stands_alone() -> None:
    page = brief(report(check("2.read"), check("x.fencing")))
    assert page.startswith("\nNothing is left to do: everything that was checked holds.\n\nteam-7 ")
    assert "Score 2/2, bonus 2/2  2 pass in 1 min 23 s\n" in page


def test_in_brief_a_score_that_does_not_count_says_so() -> None:
    page = brief(report(check("2.read", Verdict.ERROR), complete=False))
    assert "not to be used" in page
    assert "Only some of the checks were asked for" in page
