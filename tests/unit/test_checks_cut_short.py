"""Work that a signal ends before its time (3a.sigterm-finishes-task, 3a.sigint, 3a.clean-exit), from literal histories.

How these checks take a signal otherwise is in test_checks_shutdown.py and test_checks_signals.py.
"""

from __future__ import annotations

import pytest

from grader.judgement import Judgement, NotObserved
from grader.model import Verdict
from tests.unit.histories import Story, undisturbed
from tests.unit.judging import judged

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A = "worker-A"

WHOLE, SHORT = 5.75, 5.74
"""When a task that was claimed at 1 has had 95 % of its five seconds, and when not quite."""

FIRST, SECOND = 1.5, 2.5
"""When a worker that is told twice gets its signals."""


def told(judgement: Judgement) -> list[tuple[float, str]]:
    return [(line.at, line.text) for line in judgement.evidence]


def at_work() -> Story:
    """A task whose work takes five seconds is in hand from 1 on."""
    return Story().start(A, WORKER_TASK_DURATION="5").insert("1", 0.5).claim("1", 1.0, A)


def once(completed: float = 6.0, signal: str = "SIGTERM") -> Story:
    return at_work().signal(A, signal, FIRST).complete("1", completed, A).exit(A, completed + 0.1)


def twice(completed: float = 6.0) -> Story:
    story = at_work().signal(A, "SIGTERM", FIRST).signal(A, "SIGTERM", SECOND)
    return story.complete("1", completed, A).exit(A, max(completed, SECOND) + 0.1)


def usual(*took: float) -> Story:
    return undisturbed(*took, duration="5")


def finishes(first: Story | None = None, second: Story | None = None, third: Story | None = None) -> Judgement:
    return judged("3a.sigterm-finishes-task", first or once(), second or twice(), third or usual(5.0))


def sigint(first: Story, second: Story | None = None) -> Judgement:
    return judged("3a.sigint", first, second or usual(5.0))


def clean(first: Story | None = None, second: Story | None = None, third: Story | None = None) -> Judgement:
    return judged("3a.clean-exit", first or once(), second or twice(), third or usual(5.0))


def interrupted(completed: float) -> Story:
    return once(completed, "SIGINT")


# ---------------------------------------------------------------- by the first signal


@pytest.mark.parametrize(("completed", "verdict"), [(6.0, PASS), (WHOLE, PASS), (SHORT, FAIL), (1.501, FAIL)])
def test_a_task_that_is_completed_before_its_work_can_have_been_done_fails(
    completed: float, verdict: Verdict
) -> None:
    assert finishes(once(completed)).verdict is verdict
    assert sigint(interrupted(completed)).verdict is verdict


def test_work_that_the_signal_ended_is_told_with_its_time_and_what_it_takes() -> None:
    judgement = finishes(once(1.75))
    assert judgement.expected == "the work in hand is done to its end, and then the task is completed"
    assert judgement.observed == "task 1 completed 0.75 s after its claim, and its work takes 5 s"
    assert "does the work wait on the flag that the handler sets?" in str(judgement.hint)
    assert told(judgement) == [
        (1.5, "SIGTERM sent"),
        (0.5, "task 1 inserted, pending"),
        (1.0, "task 1: pending → processing, assigned_worker id-of-worker-A"),
        (1.75, "task 1: processing → completed"),
    ]


def test_work_that_sigint_ended_is_told_with_sigint_and_before_its_traceback() -> None:
    judgement = sigint(interrupted(1.75).log(A, 1.6, "Traceback (most recent call last):"))
    assert judgement.observed == "task 1 completed 0.75 s after its claim, and its work takes 5 s"
    assert told(judgement)[0] == (1.5, "SIGINT sent")


def test_another_exit_status_is_told_before_work_that_was_cut_short() -> None:
    story = at_work().signal(A, "SIGTERM", FIRST).complete("1", 1.75, A).exit(A, 1.8, 1)
    assert finishes(story).observed == "task 1 completed, status 1"


def test_a_clean_exit_is_one_whatever_became_of_the_work_at_the_first_signal() -> None:
    assert clean(once(SHORT)).verdict is PASS
    assert clean(once(1.6), twice()).verdict is PASS


@pytest.mark.parametrize(
    ("short", "observed"), [("2", "task 2 completed 0.50 s"), ("1", "task 1 completed 0.75 s")]
)
def test_of_several_tasks_in_hand_the_one_whose_work_was_cut_short_is_named(short: str, observed: str) -> None:
    story = at_work().insert("2", 0.6).claim("2", 1.25, A).signal(A, "SIGTERM", FIRST)
    story.complete(short, 1.75, A).complete("1" if short == "2" else "2", 6.5, A)
    assert str(finishes(story.exit(A, 7.0)).observed).startswith(observed)


def test_a_task_that_was_over_when_the_signal_came_is_no_matter_of_the_signal() -> None:
    story = at_work().insert("0", 0.4).claim("0", 1.1, A).complete("0", 1.2, A).signal(A, "SIGTERM", FIRST)
    assert finishes(story.complete("1", 6.0, A).exit(A, 6.1)).verdict is PASS


@pytest.mark.parametrize(("completed", "verdict"), [(7.0, PASS), (6.9, FAIL)])
def test_work_counts_from_the_claim_that_led_to_the_completion(completed: float, verdict: Verdict) -> None:
    story = at_work().update("1", 1.1, A, status="pending").claim("1", 2.25, A).signal(A, "SIGTERM", 2.5)
    assert finishes(story.complete("1", completed, A).exit(A, 7.5)).verdict is verdict


def test_a_claim_after_the_completion_does_not_make_the_work_longer_or_shorter() -> None:
    story = at_work().signal(A, "SIGTERM", FIRST).complete("1", 6.0, A).claim("1", 6.1, A).complete("1", 6.2, A)
    assert finishes(story.exit(A, 6.5)).verdict is PASS


# ---------------------------------------------------------------- compared with undisturbed work


@pytest.mark.parametrize(
    ("took", "verdict"),
    [
        ((4.75,), FAIL),  # as long as it should, so that it was the signal
        ((4.74,), PASS),  # too short as well
        ((0.0, 0.1), PASS),
        ((0.0, 5.0), FAIL),  # one of them is enough
        ((), PASS),  # nothing was completed
    ],
)
def test_work_that_is_as_short_without_a_signal_is_another_fault(
    took: tuple[float, ...], verdict: Verdict
) -> None:
    assert finishes(once(2.0), third=usual(*took)).verdict is verdict
    assert finishes(second=twice(2.0), third=usual(*took)).verdict is verdict
    assert sigint(interrupted(2.0), usual(*took)).verdict is verdict
    assert clean(second=twice(3.0), third=usual(*took)).verdict is verdict


@pytest.mark.parametrize(("took", "verdict"), [(0.855, FAIL), (0.8, PASS)])
def test_undisturbed_work_is_held_against_its_own_setting(took: float, verdict: Verdict) -> None:
    assert finishes(once(2.0), third=undisturbed(took, duration="0.9")).verdict is verdict


@pytest.mark.parametrize("moves", ["claim", "complete"])
def test_a_task_that_was_claimed_or_completed_and_not_both_shows_no_undisturbed_work(moves: str) -> None:
    third = usual().insert("9", 0.5)
    third = third.claim("9", 1.0, A) if moves == "claim" else third.complete("9", 9.0, A)
    assert finishes(once(2.0), third=third).verdict is PASS


def test_the_unit_of_a_duration_is_read() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="5s").insert("1", 0.5).claim("1", 1.0, A)
    story.signal(A, "SIGTERM", FIRST).complete("1", SHORT, A).exit(A, 6.0)
    assert finishes(story, third=undisturbed(4.75, duration="5000ms")).verdict is FAIL


# ---------------------------------------------------------------- by the second signal


@pytest.mark.parametrize(
    ("completed", "by_the_first", "by_the_second"),
    [
        (2.0, FAIL, PASS),
        (SECOND, FAIL, PASS),
        (2.501, PASS, FAIL),
        (SHORT, PASS, FAIL),
        (WHOLE, PASS, PASS),
    ],
)
def test_of_two_signals_the_one_before_the_completion_has_ended_the_work(
    completed: float, by_the_first: Verdict, by_the_second: Verdict
) -> None:
    assert finishes(second=twice(completed)).verdict is by_the_first
    assert clean(second=twice(completed)).verdict is by_the_second


def test_work_that_the_first_of_two_signals_ended_is_told_with_the_first() -> None:
    judgement = finishes(second=twice(2.25))
    assert judgement.observed == "task 1 completed 1.25 s after its claim, and its work takes 5 s"
    assert told(judgement)[0] == (FIRST, "SIGTERM sent")


def test_work_that_the_second_signal_ended_is_told_with_the_second() -> None:
    judgement = clean(second=twice(2.75))
    assert judgement.expected == "the work in hand is done to its end, and then the task is completed"
    assert judgement.observed == "task 1 completed 1.75 s after its claim, and its work takes 5 s"
    assert "Only the wait between two polls may end early" in str(judgement.hint)
    assert told(judgement)[0] == (SECOND, "SIGTERM sent")


def test_what_is_wrong_with_one_signal_is_told_before_what_is_wrong_with_two() -> None:
    story = at_work().signal(A, "SIGTERM", FIRST).complete("1", 6.0, A).exit(A, 6.1, 1)
    assert finishes(story, twice(2.0)).observed == "task 1 completed, status 1"


def test_where_there_was_no_second_signal_one_is_enough_to_judge_who_finishes() -> None:
    assert finishes(second=once(2.0)).verdict is PASS
    assert finishes(second=Story()).verdict is PASS
    assert finishes(once(2.0), Story()).verdict is FAIL


@pytest.mark.parametrize("service", ["worker-B", "api"])
def test_signals_of_another_service_are_not_the_workers_second(service: str) -> None:
    assert finishes(second=once(2.0).signal(service, "SIGTERM", SECOND)).verdict is PASS


def test_a_worker_that_dropped_its_work_and_was_gone_before_a_second_signal_exits_cleanly() -> None:
    judgement = clean(second=once(2.0))
    assert judgement.verdict is PASS
    assert judgement.observed == "Terminate on every connection, no child left, gone before a second SIGTERM"


@pytest.mark.parametrize(
    ("second", "third"),
    [
        (once(WHOLE), usual(5.0)),  # it did all of its work
        (once(2.0), usual(1.0)),  # its work is always that short
        (once(2.0), usual()),
    ],
)
def test_a_worker_that_was_gone_before_a_second_signal_and_dropped_nothing_says_nothing(
    second: Story, third: Story
) -> None:
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=second, third=third)


def test_a_worker_that_dropped_its_work_and_stays_although_there_was_no_second_signal_says_nothing() -> None:
    story = at_work().signal(A, "SIGTERM", FIRST).complete("1", 2.0, A)
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=story)


def test_a_task_that_is_lost_is_told_before_work_that_was_cut_short() -> None:
    story = at_work().insert("2", 0.6).claim("2", 1.1, A).signal(A, "SIGTERM", FIRST).signal(A, "SIGTERM", SECOND)
    judgement = clean(second=story.complete("1", 2.75, A).exit(A, 3.0))
    assert judgement.observed == "task 2 left processing"


def test_a_task_that_was_completed_before_the_first_signal_is_no_matter_of_any_signal() -> None:
    assert finishes(second=twice(1.4)).verdict is Verdict.PASS


def test_a_worker_that_had_completed_its_task_before_the_first_signal_dropped_nothing_at_it() -> None:
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=once(1.4))
