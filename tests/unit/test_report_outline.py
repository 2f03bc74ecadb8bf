"""The order and the words that all renderers share."""

from __future__ import annotations

import pytest

from grader.model import CheckResult, PostgresInfo, Report, Verdict
from grader.report import outline


def check(id: str, verdict: Verdict = Verdict.PASS, reason: str | None = None) -> CheckResult:
    points = 2 if verdict is Verdict.PASS else 0
    return CheckResult(
        id, id.partition(".")[0], "A sentence.", verdict, points, 2, bonus=id.startswith("x."), reason=reason
    )


def skipped(id: str, reason: str) -> CheckResult:
    return check(id, Verdict.SKIPPED, reason)


def report(*checks: CheckResult) -> Report:
    postgres = PostgresInfo("given", "17.2", "its URL was given")
    return Report("Lab 03", "team-7", checks, "self-check", postgres, 1, "2025-03-04T10:11:12Z", 3.0)


def test_parts_come_in_the_order_of_the_lab_and_keep_theirs() -> None:
    mixed = report(check("3b.burst"), check("x.fencing"), check("2.read"), check("3a.starts"), check("2.health"))
    found = [(part.heading, [c.id for c in part.checks]) for part in outline.parts(mixed)]
    assert found == [
        ("Lab 02: the api-service", ["2.read", "2.health"]),
        ("Exercise 3a: the worker", ["3a.starts"]),
        ("Exercise 3b: the queue", ["3b.burst"]),
        ("Beyond the lab (bonus)", ["x.fencing"]),
    ]


def test_a_part_of_another_lab_speaks_for_itself() -> None:
    assert outline.parts(report(check("4.retries")))[0].heading == "4"


def test_skipped_checks_are_counted_with_what_they_wait_for_in_the_end() -> None:
    checks = (
        check("3a.starts", Verdict.FAIL),
        skipped("3a.processes", "It builds on 3a.starts, which failed."),
        skipped("3b.burst", "3a.processes was skipped"),
        skipped("3b.answers", "no reason that names a check"),
        skipped("3b.two-workers", "This needs 3a.starts."),
    )
    first, second = outline.waiting(report(*checks), checks)
    assert (first.on, [c.id for c in first.checks], first.max_points) == (
        "3a.starts",
        ["3a.processes", "3b.burst", "3b.two-workers"],
        6,
    )
    assert str(first) == "3 checks wait for 3a.starts"
    assert str(second) == "1 check was skipped: no reason that names a check"


def test_checks_that_wait_for_each_other_do_not_hang_the_report() -> None:
    checks = (skipped("3a.a", "needs 3a.b"), skipped("3a.b", "needs 3a.a"))
    assert [group.on for group in outline.waiting(report(*checks), checks)] == ["3a.b", "3a.a"]


def test_the_first_step_is_the_most_basic_failure() -> None:
    step = outline.first_step(
        report(check("3b.burst", Verdict.FAIL), check("x.fencing", Verdict.FAIL), check("3a.starts", Verdict.FAIL))
    )
    assert step is not None
    assert step.id == "3a.starts"


def test_a_failed_bonus_is_the_first_step_when_nothing_else_failed() -> None:
    step = outline.first_step(report(check("2.read"), check("x.fencing", Verdict.FAIL)))
    assert step is not None
    assert step.id == "x.fencing"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.PASS, "Nothing is left to do"),
        (Verdict.ERROR, "whoever runs the course"),
        (Verdict.INCONCLUSIVE, "could not be judged again"),
        (Verdict.SKIPPED, "not every check was run"),
    ],
)
def test_without_a_failure_the_report_says_what_comes_next(verdict: Verdict, said: str) -> None:
    each = report(check("2.read", verdict, "why"))
    assert outline.first_step(each) is None
    assert said in outline.without_step(each)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["2.read"], "Score 2/2"),
        (["2.read", "x.fencing"], "Score 2/2, bonus 2/2"),
        (["x.fencing"], "Bonus 2/2"),
        ([], "No points to be had"),
    ],
)
def test_the_score_line_names_what_was_to_be_had(ids: list[str], said: str) -> None:
    assert outline.score(report(*map(check, ids))) == said


def test_the_tally_counts_every_verdict() -> None:
    each = report(*(check(f"2.{verdict.value}", verdict, "why") for verdict in Verdict), check("2.read"))
    assert outline.tally(each) == "2 pass, 1 fail, 1 skipped, 1 inconclusive, 1 error"


@pytest.mark.parametrize(
    ("value", "shown"), [(2.0, "2"), (2.5, "2.5"), (0.1 + 0.2, "0.3"), (0, "0"), (100, "100")]
)
def test_points_have_no_needless_decimals(value: float, shown: str) -> None:
    assert outline.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")],
)
def test_durations_are_said_as_people_say_them(seconds: float, shown: str) -> None:
    assert outline.duration(seconds) == shown
