"""All formats are made from one report, and tell one story."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from grader.model import Outcome, Report, Verdict
from grader.report import BY_NAME, from_json, render_json
from tests.unit import retold
from tests.unit.any_report import BROKEN, FAILED, ONE_OF_EACH, PASSED, SOME, UNJUDGED, any_report

KNOWN = {"passed": PASSED, "failed": FAILED, "unjudged": UNJUDGED, "broken": BROKEN, "one of each": ONE_OF_EACH}


def render(name: str, report: Report) -> str:
    return render_json(report) if name == "json" else BY_NAME[name].render(report)


def test_every_format_but_those_that_choose_tells_of_every_check() -> None:
    assert set(BY_NAME) ^ set(retold.READERS) == {"json", "comment", "annotations"}


@SOME
@given(report=any_report())
@pytest.mark.parametrize("name", retold.READERS)
def test_a_format_tells_every_verdict_and_point_of_any_report(name: str, report: Report) -> None:
    text = render(name, report)
    assert retold.close(retold.READERS[name](text), retold.as_told_by(name, retold.of_report(report)))


@SOME
@given(report=any_report())
@pytest.mark.parametrize("name", ["json", "ctrf", "gradescope", "classroom", "csv"])
def test_a_format_that_sums_up_has_the_reports_sum(name: str, report: Report) -> None:
    told = retold.total(name, render(name, report))
    if name in ("gradescope", "csv") and report.outcome is Outcome.ERROR:
        assert told is None
    else:
        assert told == pytest.approx(report.score + report.bonus, abs=0.02)


@SOME
@given(report=any_report())
@pytest.mark.parametrize("name", BY_NAME)
def test_a_format_is_the_same_whether_made_at_once_or_from_the_data(name: str, report: Report) -> None:
    again = from_json(json.loads(render_json(report)))
    assert BY_NAME[name].render(again) == BY_NAME[name].render(from_json(json.loads(render_json(again))))
    if again == report:  # no text in it that JSON cannot hold
        assert BY_NAME[name].render(again) == BY_NAME[name].render(report)


@SOME
@given(report=any_report())
@pytest.mark.parametrize("name", ["comment", "annotations"])
def test_a_format_that_chooses_takes_any_report(name: str, report: Report) -> None:
    assert isinstance(BY_NAME[name].render(report), str)


@pytest.mark.parametrize("report", KNOWN.values(), ids=KNOWN)
def test_annotations_are_errors_for_failures_and_warnings_for_what_could_not_be_judged(report: Report) -> None:
    rows = BY_NAME["annotations"].render(report).splitlines()
    for kind, verdicts in (("error", {Verdict.FAIL}), ("warning", {Verdict.INCONCLUSIVE, Verdict.ERROR})):
        shown = {row.split("title=")[1].split("%3A")[0] for row in rows if row.startswith(f"::{kind} ")}
        assert shown == {check.id for check in report.checks if check.verdict in verdicts}


@pytest.mark.parametrize("report", KNOWN.values(), ids=KNOWN)
def test_a_comment_explains_each_failure_and_each_check_that_could_not_be_judged(report: Report) -> None:
    page = BY_NAME["comment"].render(report)
    for check in report.checks:
        told = check.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)
        assert (check.id in page) == told


def test_a_format_that_tells_another_story_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert retold.differing(ONE_OF_EACH) == []
    monkeypatch.setattr(retold, "READERS", {"json": retold.READERS["json"], "junit": lambda _text: {}})
    assert retold.differing(ONE_OF_EACH) == ["junit"]
