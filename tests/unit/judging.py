"""Judging literal histories, for the tests of the checks."""

from __future__ import annotations

import pytest

from grader.checkpoints import all_checks
from grader.history.timeline import History
from grader.judgement import Judgement, NotObserved
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story

CHECKS = {check.id: check for check in all_checks()}


def judged(check: str, *stories: Story, patience: float = 1.0) -> Judgement:
    """What a check says of these scenarios; in those that are left out nothing happened. Raises NotObserved."""
    left_out = [Story()] * (len(CHECKS[check].on) - len(stories))
    return CHECKS[check].judge(*(story.history(patience) for story in (*stories, *left_out)))


def reason(check: str, *stories: Story) -> str:
    """Why it cannot be judged."""
    with pytest.raises(NotObserved) as raised:
        judged(check, *stories)
    return str(raised.value)


def graded(check: str, *histories: History) -> CheckResult:
    """What the grader makes of a check by itself, from these scenarios; in those that are left out nothing happened."""
    on = CHECKS[check].on
    left_out = [Story().history()] * (len(on) - len(histories))
    takes = {s.name: [Take(h, 1.0)] for s, h in zip(on, (*histories, *left_out), strict=True)}
    return Judge((CHECKS[check],), takes).results()[check]


def verdicts(*checks: str, **histories: History) -> list[Verdict]:
    """The verdicts of checks that are judged together, from scenarios by name; the others have an empty history."""
    found = [check for name, check in CHECKS.items() if name in checks]
    takes = {s.name: [Take(histories.get(s.name, History([])), 1.0)] for check in found for s in check.on}
    results = Judge(tuple(found), takes).results()
    return [results[name].verdict for name in checks]


def told(judgement: Judgement) -> list[tuple[float, str]]:
    """The evidence: when, and what."""
    return [(line.at, line.text) for line in judgement.evidence]


def lines(judgement: Judgement) -> list[tuple[float, str, str | None]]:
    """The evidence: when, what, and of which service."""
    return [(line.at, line.text, line.service) for line in judgement.evidence]


def times(judgement: Judgement) -> list[float]:
    """The evidence: when."""
    return [line.at for line in judgement.evidence]
