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


def tried_again(times: int) -> Story:
    """Whenever the tasks are made older, task 1 is tried once more."""
    story = aged()
    for number in range(times):
        at = AGED + 0.5 + number
        story.update("1", at, A, status="pending").claim("1", at + 0.1, A).update(
            "1", at + 0.2, A, status="failed"
        )
    return story


@pytest.mark.parametrize(("times", "verdict"), [(4, PASS), (5, FAIL)])
def test_a_failed_task_may_be_tried_again_up_to_five_times_in_all(times: int, verdict: Verdict) -> None:
    assert fails(tried_again(times)).verdict is verdict


def test_a_failed_task_that_is_tried_again_whenever_it_is_old_fails_with_its_attempts_and_a_hint() -> None:
    judgement = fails(tried_again(6))
    assert (judgement.expected, judgement.observed) == (
        "failed, after five attempts at most",
        "failed after 7 attempts",
    )
    assert "Only tasks in processing can be abandoned" in str(judgement.hint)


def test_attempts_that_were_too_many_before_the_task_was_old_have_nothing_to_do_with_its_age() -> None:
    story = failing()
    for number in range(6):
        at = 2.5 + number / 10
        story.update("1", at, A, status="pending").claim("1", at + 0.01, A).update(
            "1", at + 0.02, A, status="failed"
        )
    judgement = fails(story.note("aged", AGED, seconds=3600.0))
    assert (judgement.observed, judgement.hint) == ("failed after 7 attempts", None)


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_a_failed_task_that_does_not_fail_again_in_the_end_fails_the_check(status: str) -> None:
    judgement = fails(aged().update("1", 4.5, A, status=status))
    assert (judgement.verdict, judgement.expected) == (FAIL, "failed, after five attempts at most")


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_completed_task_that_is_moved_fails_whatever_it_becomes(status: str) -> None:
    judgement = fails(aged().update("2", 4.5, A, status=status))
    assert (judgement.verdict, judgement.expected) == (FAIL, "a task that is completed stays so")
    assert judgement.observed == (
        f"task 2 was completed, and {status} when it was 3600 s old, with a timeout of 600 s"
    )
    assert "Only tasks in processing can be abandoned" in str(judgement.hint)
    assert told(judgement)[-1][0] == 4.5


@pytest.mark.parametrize("by", [A, B, "api", "worker-C", None])
def test_it_does_not_matter_who_moves_a_task_that_is_over(by: str | None) -> None:
    story = aged().start(B).start("api").update("2", 4.5, by, status="pending")
    assert str(fails(story).observed).startswith("task 2 was completed, and pending")


@pytest.mark.parametrize(("at", "verdict"), [(3.9, PASS), (AGED, PASS), (4.001, FAIL)])
def test_only_what_is_moved_after_the_tasks_were_aged_counts(at: float, verdict: Verdict) -> None:
    story = failing().note("aged", AGED, seconds=3600.0)
    story.update("2", at, A, status="processing").update("2", at, A, status="completed")
    assert fails(story).verdict is verdict


def test_of_two_completed_tasks_the_one_that_was_moved_first_is_told() -> None:
    story = failing().insert("3", 2.1).claim("3", 2.2, A).complete("3", 2.5, A).note("aged", AGED, seconds=3600.0)
    story.update("3", 4.2, A, status="pending").update("2", 5.0, A, status="pending")
    assert str(fails(story).observed).startswith("task 3 was")


def test_a_completed_task_that_is_deleted_later_was_not_kept() -> None:
    assert str(fails(aged().delete("2", 4.5, A)).observed).startswith("task 2 was completed, and deleted when")


def test_a_change_that_moves_no_status_leaves_the_task_as_it_was() -> None:
    story = aged().update("1", 4.5, A, description="looked at").update("2", 4.6, A, assigned_worker=None)
    assert fails(story).verdict is PASS


def test_a_new_status_that_is_taken_back_was_one_all_the_same() -> None:
    story = aged().update("2", 4.5, A, status="pending").update("2", 4.6, A, status="completed")
    assert fails(story).verdict is FAIL


def test_the_seconds_that_the_tasks_were_aged_by_are_told() -> None:
    story = failing().note("aged", AGED, seconds=7200.4).update("2", 4.5, A, status="pending")
    assert "when it was 7200 s old" in str(fails(story).observed)


def test_a_completed_task_that_is_taken_up_again_is_told_before_an_exit() -> None:
    story = aged().update("2", 4.5, A, status="pending")
    assert str(fails(story.exit(A, 12.0, 1)).observed).startswith("task 2 was completed, and pending")


def test_a_record_in_which_no_task_was_aged_says_nothing_of_what_comes_later() -> None:
    again = aged().update("2", 4.5, A, status="pending").update("2", 4.6, A, status="completed")
    assert fails(again).verdict is FAIL
    assert fails(without_the_moment(again)).verdict is PASS
