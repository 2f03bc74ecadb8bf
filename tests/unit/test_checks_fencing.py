"""x.fencing on literal histories: what a sleeper may do to the task that it lost."""

from __future__ import annotations

import pytest

from grader.checkpoints.beyond import SLEEP_TIMEOUT, sleeper_changes_nothing
from grader.judgement import NotObserved
from grader.model import Verdict
from tests.unit.histories import Story

A, B = "worker-A", "worker-B"
WOKEN = 3.2


def overslept() -> Story:
    """B slept, A gave its task back and has claimed it since 3.1 s; B is awake again."""
    story = Story().start(A).start(B).insert("7", 1.0).claim("7", 1.1, B)
    story.note("stopped", 1.2, task="7", service=B, sql=None, aged=True)
    story.update("7", 3.0, A, status="pending", assigned_worker=None).claim("7", 3.1, A)
    return story.note("woken", WOKEN, task="7", service=B, taken_over=True)


def over(story: Story) -> Story:
    return story.note("awake-again", 9.0, task="7", seen=True).note("slept-twice", 9.1)


def given_back_by_the_sleeper(at: float) -> Story:
    return over(overslept().update("7", at, B, status="pending", assigned_worker=None).complete("7", 8.0, A))


def test_a_sleeper_that_completes_the_task_fails_however_long_the_other_one_was_silent() -> None:
    for at in (3.3, 3.1 + 2 * SLEEP_TIMEOUT):
        judgement = sleeper_changes_nothing.judge(over(overslept().complete("7", at, B)).history())
        assert judgement.verdict is Verdict.FAIL


def test_a_sleeper_that_gives_back_what_is_in_live_hands_fails() -> None:
    judgement = sleeper_changes_nothing.judge(given_back_by_the_sleeper(3.1 + SLEEP_TIMEOUT - 0.1).history())
    assert judgement.verdict is Verdict.FAIL


def test_a_sleeper_that_recovers_what_was_left_alone_for_longer_than_the_timeout_is_not_blamed() -> None:
    with pytest.raises(NotObserved, match="no sign of life"):
        sleeper_changes_nothing.judge(given_back_by_the_sleeper(3.1 + SLEEP_TIMEOUT + 0.1).history())


def test_a_sign_of_life_of_the_other_one_makes_it_live_hands_again() -> None:
    story = overslept().update("7", 4.0, A)
    story.update("7", 3.1 + SLEEP_TIMEOUT + 0.1, B, status="pending", assigned_worker=None).complete("7", 8.0, A)
    assert sleeper_changes_nothing.judge(over(story).history()).verdict is Verdict.FAIL
