"""3a.failed-work, from literal histories: how often failing work is tried, and that a task which is over stays so."""

from __future__ import annotations

import pytest

from grader.history.events import Stalled
from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, told
from tests.unit.stories import chatting, without

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"
AGED = 4.0
"""When the tasks are made an hour older."""


# ---------------------------------------------------------------- how often it is tried


def failing(*attempts: float, last: str | None = "failed", good: bool = False, gap: float = 0.25) -> Story:
    """Attempts at task 1 of so many seconds each; all but the last give it back, that one leaves it ``last``."""
    story = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1")
    at = 1.0
    for number, seconds in enumerate(attempts, 1):
        story.claim("1", at, A)
        status = last if number == len(attempts) else "pending"
        if status is not None:
            story.update("1", at + seconds, A, status=status)
        at += seconds + gap
    for task in ("2", "3") if good else ():
        story.insert(task, 0.55).claim(task, at, A).complete(task, at + 0.1, A)
    return story


def fails(first: Story | None = None, second: Story | None = None) -> Judgement:
    return judged("3a.failed-work", first or failing(0.1, good=True), second or failing(0.5))


@pytest.mark.parametrize(
    ("attempts", "words"),
    [
        ((0.1,), "failed after 1 attempt, then the others"),
        ((0.1, 0.1), "failed after 2 attempts, then the others"),
    ],
)
def test_work_that_fails_and_is_left_as_failed_passes(attempts: tuple[float, ...], words: str) -> None:
    judgement = fails(failing(*attempts, good=True))
    assert (judgement.verdict, judgement.observed) == (PASS, words)
    assert told(judgement)[0] == (0.5, "task 1 inserted, pending")
    assert len(judgement.evidence) == 1 + 2 * len(attempts)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (Story().start(A), failing(0.5), "^the tasks were not inserted$"),
        (failing(0.1, good=True), Story().start(A), "^the tasks were not inserted$"),
        (failing(good=True), failing(0.5), "^the failing task was never claimed$"),
    ],
)
def test_work_that_was_not_seen_to_fail_says_nothing(first: Story, second: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        fails(first, second)


def test_a_worker_that_ends_over_failing_work_fails_with_its_last_three_lines() -> None:
    judgement = fails(chatting(failing(0.1, last=None), 4, 1.05).exit(A, 1.2, 1))
    assert (judgement.verdict, judgement.expected, judgement.observed) == (FAIL, "the worker lives", "it ended")
    assert [text for _, text in told(judgement)] == [
        "task 1 inserted, pending",
        "task 1: pending → processing, assigned_worker id-of-worker-A",
        "exited, status 1",
        "log: line c",
        "log: line d",
        "log: line e",
    ]


@pytest.mark.parametrize(
    ("story", "observed"),
    [
        (failing(0.1, last="completed", good=True), "completed after 1 attempt"),
        (failing(0.1, last="pending", good=True), "pending after 1 attempt"),
        (failing(0.1, last=None, good=True), "processing after 1 attempt"),
        (failing(0.1, last="completed").update("1", 1.2, A, status="failed"), "failed after 1 attempt"),
        (failing(*[0.1] * 6, good=True), "failed after 6 attempts"),
    ],
)
def test_a_task_that_cannot_be_done_ends_as_failed_after_a_few_attempts(story: Story, observed: str) -> None:
    judgement = fails(story)
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == "failed, after five attempts at most"
    assert told(judgement)[0] == (0.5, "task 1 inserted, pending")


@pytest.mark.parametrize(("count", "verdict"), [(5, PASS), (6, FAIL)])
def test_attempts_that_only_change_the_owner_count(count: int, verdict: Verdict) -> None:
    story = failing(good=True)
    for number in range(count):
        story.claim("1", 5.0 + number / 10, A, owner=f"slot {number}")
    assert fails(story.update("1", 5.9, A, status="failed")).verdict is verdict


def test_tasks_behind_it_that_fail_as_well_are_told_from_those_that_are_left() -> None:
    story = failing(0.1).insert("2", 0.55).insert("3", 0.56).claim("3", 2.0, A)
    judgement = fails(story.update("3", 2.1, A, status="failed"))
    assert (judgement.verdict, judgement.observed) == (FAIL, "failed as well: 3")
    assert "and nowhere else" in str(judgement.hint)


def test_tasks_behind_it_that_are_not_completed_are_named() -> None:
    story = failing(0.1).insert("2", 0.55).insert("3", 0.56).insert("4", 0.57)
    story.claim("3", 2.0, A).complete("3", 2.1, A).claim("4", 2.2, A)
    judgement = fails(story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "left: 2, 4")
    assert "After a failure go on as after a success" in str(judgement.hint)
    assert judgement.expected == "the tasks behind it complete"
    assert len(judgement.evidence) == 3


@pytest.mark.parametrize(
    ("longer", "observed"),
    [
        (failing(), "pending"),
        (failing(0.5, last=None), "processing"),
        (failing(0.5, last="completed"), "completed"),
    ],
)
def test_longer_work_that_does_not_end_as_failed_fails(longer: Story, observed: str) -> None:
    judgement = fails(second=longer)
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == "failed, after five attempts at most"
    assert told(judgement)[0] == (0.5, "task 1 inserted, pending")


@pytest.mark.parametrize(
    ("short", "longer", "verdict"),
    # Each attempt takes 0.4 s more; 2.5 of them may be due to the machine.
    [(0.1, 3.09, PASS), (0.1, 3.11, FAIL), (1.1, 4.09, PASS), (1.1, 4.11, FAIL), (0.0, 3.0, PASS)],
)
def test_attempts_out_of_sight_are_told_by_the_time_that_they_take_more(
    short: float, longer: float, verdict: Verdict
) -> None:
    assert fails(failing(short, good=True), failing(longer)).verdict is verdict


def test_attempts_out_of_sight_are_told_with_both_times() -> None:
    judgement = fails(failing(0.2, good=True), failing(2.0, 2.5))
    assert (judgement.verdict, judgement.expected) == (FAIL, "failed, after five attempts at most")
    assert judgement.observed == (
        "work of 0.5 s took 4.5 s to fail, work of 0.1 s 0.2 s: it was tried about 11 times in a row"
    )
    assert told(judgement)[0] == (0.5, "task 1 inserted, pending")
    assert len(judgement.evidence) == 5


def test_pauses_between_two_attempts_are_no_attempts() -> None:
    assert fails(second=failing(0.5, 0.5, 0.5, gap=9.0)).verdict is PASS


def test_an_attempt_that_begins_as_the_one_before_it_ends_takes_its_own_time() -> None:
    assert fails(second=failing(1.0, 1.0, 1.0, 1.0, gap=0.0)).verdict is FAIL


@pytest.mark.parametrize(("at", "verdict"), [(0.4, FAIL), (0.5, PASS), (2.0, PASS), (4.5, PASS), (5.1, FAIL)])
def test_the_time_that_the_machine_stood_still_meanwhile_is_no_attempt(at: float, verdict: Verdict) -> None:
    assert fails(second=failing(3.5).add(Stalled(at=at, seconds=0.5))).verdict is verdict


@pytest.mark.parametrize(("count", "verdict"), [(3, PASS), (5, PASS), (6, FAIL)])
def test_who_writes_failed_and_puts_the_task_back_has_tried_it_once_each_time(
    count: int, verdict: Verdict
) -> None:
    story = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1")
    for number in range(count):
        at = 1.0 + 0.3 * number
        story.claim("1", at, A).update("1", at + 0.1, A, status="failed")
        if number < count - 1:
            story.update("1", at + 0.15, A, status="pending")
    assert fails(story).verdict is verdict


def test_a_last_word_on_a_task_that_waits_again_is_no_attempt() -> None:
    story = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1")
    for number in range(5):
        story.claim("1", 1.0 + 0.3 * number, A).update("1", 1.1 + 0.3 * number, A, status="pending")
    judgement = fails(story.update("1", 2.5, A, status="failed"))
    assert (judgement.verdict, judgement.observed) == (PASS, "failed after 5 attempts, then the others")


@pytest.mark.parametrize(
    ("short", "longer", "verdict"),
    [
        ((0.1,), (0.5,), PASS),
        ((0.1,) * 5, (0.5,) * 5, PASS),
        ((0.1,) * 6, (0.5,) * 6, FAIL),
        ((5 * 0.1 + 3.0,), (5 * 0.5 + 3.5,), PASS),  # five times in a row, with pauses in between
        ((10 * 0.1,), (10 * 0.5,), FAIL),  # ten times in a row, which the table does not show
        ((3 * 0.1,) * 3, (3 * 0.5,) * 3, FAIL),  # nine times, three of them in a row each time
    ],
)
def test_failing_work_is_tried_five_times_at_most_in_the_table_or_out_of_its_sight(
    short: tuple[float, ...], longer: tuple[float, ...], verdict: Verdict
) -> None:
    assert (
        graded(
            "3a.failed-work", failing(*short, good=True, gap=0.2).history(), failing(*longer, gap=0.2).history()
        ).verdict
        is verdict
    )


# ---------------------------------------------------------------- much later


def one_failed() -> Story:
    """The work of task 1 fails at 1.1; task 2 behind it is completed at 2."""
    story = Story().start(A).insert("1", 0.5).insert("2", 0.6).note("failing", 0.7, task="1")
    story.claim("1", 1.0, A).update("1", 1.1, A, status="failed")
    return story.claim("2", 1.5, A).complete("2", 2.0, A)


def aged() -> Story:
    return one_failed().note("aged", AGED, seconds=3600.0)


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
    story = one_failed()
    for number in range(6):
        at = 2.5 + number / 10
        story.update("1", at, A, status="pending").claim("1", at + 0.01, A).update(
            "1", at + 0.02, A, status="failed"
        )
    judgement = fails(story.note("aged", AGED, seconds=3600.0))
    assert judgement.observed == "failed after 7 attempts"
    assert "Count the attempts" in str(judgement.hint)


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
    story = one_failed().note("aged", AGED, seconds=3600.0)
    story.update("2", at, A, status="processing").update("2", at, A, status="completed")
    assert fails(story).verdict is verdict


def test_of_two_completed_tasks_the_one_that_was_moved_first_is_told() -> None:
    story = (
        one_failed().insert("3", 2.1).claim("3", 2.2, A).complete("3", 2.5, A).note("aged", AGED, seconds=3600.0)
    )
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
    story = one_failed().note("aged", AGED, seconds=7200.4).update("2", 4.5, A, status="pending")
    assert "when it was 7200 s old" in str(fails(story).observed)


def test_a_completed_task_that_is_taken_up_again_is_told_before_an_exit() -> None:
    story = aged().update("2", 4.5, A, status="pending")
    assert str(fails(story.exit(A, 12.0, 1)).observed).startswith("task 2 was completed, and pending")


def test_a_record_in_which_no_task_was_aged_says_nothing_of_what_comes_later() -> None:
    again = aged().update("2", 4.5, A, status="pending").update("2", 4.6, A, status="completed")
    assert fails(again).verdict is FAIL
    assert fails(without(again, "aged")).verdict is PASS


# ---------------------------------------------------------------- by two workers


def handed_over(first: int, second: int, *, cut: bool = False, at_end: str = "failed") -> Story:
    """So many attempts by a worker that is ended then (``cut``: at one more), and so many by the next one."""
    story = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1")
    for number in range(first):
        story.claim("1", 1.0 + number, A).update("1", 1.5 + number, A, status="pending", assigned_worker=None)
    now = 1.0 + first
    if cut:
        story.claim("1", now, A)
    story.exit(A, now + 0.3).note("handed-over", now + 0.4, task="1").start(B, now + 0.5)
    if cut:
        story.update("1", now + 0.6, None).update("1", now + 0.7, B, status="pending", assigned_worker=None)
    for number in range(second):
        story.claim("1", now + 1 + number, B)
        status = at_end if number == second - 1 else "pending"
        story.update("1", now + 1.5 + number, B, status=status)
    return story


@pytest.mark.parametrize(
    ("first", "second", "cut", "verdict"),
    [
        (3, 2, False, PASS),
        (3, 3, False, FAIL),
        (3, 5, False, FAIL),
        (1, 4, False, PASS),
        (2, 3, True, PASS),  # who knows whether it would have failed
        (2, 4, True, FAIL),
    ],
)
def test_attempts_by_a_worker_that_has_ended_count(first: int, second: int, cut: bool, verdict: Verdict) -> None:
    assert fails(second=handed_over(first, second, cut=cut)).verdict is verdict


def test_attempts_by_two_workers_are_told_with_all_of_them_and_a_hint() -> None:
    judgement = fails(second=handed_over(3, 5))
    assert judgement.observed == "failed after 8 attempts by two workers, one after the other"
    assert judgement.expected == "failed, after five attempts at most, whoever makes them"
    assert "Count the attempts in the table" in str(judgement.hint)
    assert len(judgement.evidence) == 17


def test_a_task_that_the_second_worker_leaves_pending_fails_as_ever() -> None:
    assert fails(second=handed_over(3, 1, at_end="pending")).observed == "pending"


def test_the_time_between_the_end_of_a_worker_and_the_next_attempt_is_no_attempt() -> None:
    story = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1").claim("1", 1.0, A).exit(A, 1.3)
    story.note("handed-over", 1.4, task="1").start(B, 8.0).update("1", 8.5, B, status="pending")
    assert fails(second=story.claim("1", 9.0, B).update("1", 9.5, B, status="failed")).verdict is PASS


def test_a_worker_that_the_grader_ends_with_the_scenario_has_tried_what_it_has_in_hand() -> None:
    story = failing(0.1, last=None, good=True).note("scenario-over", 20.0).exit(A, 20.1, -9)
    assert fails(story).observed == "processing after 1 attempt"
