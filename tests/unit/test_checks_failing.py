"""3a.failed-work: that a task which is over stays so, much later too, from literal histories.

How often failing work is tried is in test_checks_start.py and test_checks_worker.py.
"""

from __future__ import annotations

import pytest

from grader.history.events import Moment
from grader.judgement import Judgement
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import judged

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"
AGED = 4.0
"""When the tasks are made an hour older."""


def told(judgement: Judgement) -> list[tuple[float, str]]:
    return [(line.at, line.text) for line in judgement.evidence]


def failing() -> Story:
    """The work of task 1 fails at 1.1; task 2 behind it is completed at 2."""
    story = Story().start(A).insert("1", 0.5).insert("2", 0.6).note("failing", 0.7, task="1")
    story.claim("1", 1.0, A).update("1", 1.1, A, status="failed")
    return story.claim("2", 1.5, A).complete("2", 2.0, A)


def aged() -> Story:
    return failing().note("aged", AGED, seconds=3600.0)


def fails(story: Story) -> Judgement:
    longer = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1")
    return judged("3a.failed-work", story, longer.claim("1", 1.0, A).update("1", 1.5, A, status="failed"))


def without_the_moment(story: Story) -> Story:
    return Story().add(*[e for e in story.events if not (isinstance(e, Moment) and e.name == "aged")])


def test_tasks_that_stay_as_they_are_much_later_pass() -> None:
    judgement = fails(aged().step(A, 4.5, "SELECT id FROM tasks"))
    assert (judgement.verdict, judgement.observed) == (PASS, "failed after 1 attempt, then the others")


def test_a_failed_task_that_is_taken_up_again_fails_with_its_age() -> None:
    judgement = fails(aged().claim("1", 4.5, A).update("1", 4.6, A, status="failed"))
    assert (judgement.verdict, judgement.expected) == (FAIL, "a task that is completed, or has failed, stays so")
    assert judgement.observed == (
        "task 1 was failed, and processing when it was 3600 s old, with a timeout of 600 s"
    )
    assert "Only tasks in processing can be abandoned" in str(judgement.hint)
    assert told(judgement) == [
        (0.5, "task 1 inserted, pending"),
        (1.0, "task 1: pending → processing, assigned_worker id-of-worker-A"),
        (1.1, "task 1: processing → failed"),
        (4.5, "task 1: failed → processing"),
        (4.6, "task 1: processing → failed"),
    ]


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_completed_task_that_is_moved_fails_whatever_it_becomes(status: str) -> None:
    judgement = fails(aged().update("2", 4.5, A, status=status))
    assert judgement.verdict is FAIL
    assert str(judgement.observed).startswith(f"task 2 was completed, and {status} when it was")


@pytest.mark.parametrize("by", [A, B, "api", "worker-C", None])
def test_it_does_not_matter_who_moves_a_task_that_is_over(by: str | None) -> None:
    story = aged().start(B).start("api").update("1", 4.5, by, status="pending")
    assert str(fails(story).observed).startswith("task 1 was failed, and pending")


@pytest.mark.parametrize(("at", "verdict"), [(3.9, PASS), (AGED, PASS), (4.001, FAIL)])
def test_only_what_is_moved_after_the_tasks_were_aged_counts(at: float, verdict: Verdict) -> None:
    story = Story().start(A).insert("1", 0.5).note("failing", 0.7, task="1").claim("1", 1.0, A)
    story.note("aged", AGED, seconds=3600.0)
    assert fails(story.update("1", at, A, status="failed")).verdict is verdict


def test_a_change_that_moves_no_status_leaves_the_task_as_it_was() -> None:
    story = aged().update("1", 4.5, A, description="looked at").update("2", 4.6, A, assigned_worker=None)
    assert fails(story).verdict is PASS


def test_a_new_status_that_is_taken_back_was_one_all_the_same() -> None:
    story = aged().update("2", 4.5, A, status="pending").update("2", 4.6, A, status="completed")
    assert fails(story).verdict is FAIL


def test_the_seconds_that_the_tasks_were_aged_by_are_told() -> None:
    story = failing().note("aged", AGED, seconds=7200.4).update("1", 4.5, A, status="pending")
    assert "when it was 7200 s old" in str(fails(story).observed)


def test_a_task_that_is_taken_up_again_is_told_before_an_exit_and_too_many_attempts() -> None:
    story = aged().update("1", 4.5, A, status="pending")
    for number in range(6):
        story.claim("1", 5.0 + number, A).update("1", 5.5 + number, A, status="failed")
    assert str(fails(story.exit(A, 12.0, 1)).observed).startswith("task 1 was failed, and pending")


def test_a_record_in_which_no_task_was_aged_says_nothing_of_what_comes_later() -> None:
    again = aged().claim("1", 4.5, A).update("1", 4.6, A, status="failed")
    assert fails(again).verdict is FAIL
    judgement = fails(without_the_moment(again))
    assert (judgement.verdict, judgement.observed) == (PASS, "failed after 2 attempts, then the others")
