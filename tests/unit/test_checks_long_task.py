"""x.long-task, from literal histories."""

from __future__ import annotations

import pytest

from grader.history.events import Stalled
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded, judged, reason
from tests.unit.stories import gave_up

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B, C = "worker-A", "worker-B", "worker-C"


def stalls(story: Story, *stalled: tuple[float, float]) -> Story:
    return story.add(*[Stalled(at=at, seconds=seconds) for at, seconds in stalled])


def long_work(told: str = "1", other: str = "2") -> Story:
    """A and B have a long task each, A is told to stop, and C has time."""
    story = Story()
    for name in (A, B, C):
        story.start(name, WORKER_STUCK_TIMEOUT="1.5")
    story.insert("1", 1.0).insert("2", 1.0).claim("1", 1.25, A).claim("2", 1.25, B)
    return story.signal(A, "SIGTERM", 1.5).note("at-work", 1.5, told=told, other=other, service=A)


def both_done(story: Story) -> Story:
    return story.complete("1", 4.75, A).complete("2", 4.75, B).note("both-done", 5.0)


def test_two_long_tasks_that_stay_with_their_workers_pass_with_the_life_of_the_one_told_to_stop() -> None:
    story = long_work()
    for at in (2.0, 2.75, 3.5, 4.25):
        story.update("1", at, A).update("2", at, B)
    judgement = judged("x.long-task", both_done(story))
    assert judgement.verdict is PASS
    assert judgement.observed == "two tasks that took more than twice the timeout, each done by one worker"
    assert [line.text for line in judgement.evidence] == [
        "task 1 inserted, pending",
        "task 1: pending → processing, assigned_worker id-of-worker-A",
        "task 1: processing → completed",
    ]


def test_without_a_task_in_hand_nothing_can_be_judged_of_long_work() -> None:
    assert reason("x.long-task", Story().start(A)) == "no worker had a task in hand"


@pytest.mark.parametrize("task", ["1", "2"])
def test_a_long_task_that_is_not_completed_says_nothing(task: str) -> None:
    story = long_work().complete("1" if task == "2" else "2", 4.75, A if task == "2" else B)
    assert reason("x.long-task", story) == f"task {task} was not completed in time"


def test_a_task_that_is_taken_from_a_worker_that_finishes_after_sigterm_fails() -> None:
    judgement = judged("x.long-task", both_done(long_work().claim("1", 2.75, C)))
    assert judgement.verdict is FAIL
    assert judgement.expected == "task 1 stays with worker-A while it finished after SIGTERM"
    assert judgement.observed == (
        "it was taken from a worker that was alive and at work while it finished after SIGTERM"
    )
    assert [(line.at, line.service) for line in judgement.evidence] == [
        (1.0, None),
        (1.25, A),
        (2.75, C),
        (4.75, A),
    ]


def test_a_task_that_is_taken_from_a_worker_that_nobody_told_to_stop_fails() -> None:
    judgement = judged("x.long-task", both_done(long_work().claim("2", 2.75, C)))
    assert judgement.verdict is FAIL
    assert judgement.expected == "task 2 stays with worker-B"
    assert judgement.observed == "it was taken from a worker that was alive and at work"
    assert {line.text[:6] for line in judgement.evidence} == {"task 2"}


def test_a_task_that_is_put_back_fails_although_its_worker_takes_it_again() -> None:
    story = long_work().update("2", 2.75, C, status="pending").claim("2", 2.8, B)
    assert judged("x.long-task", both_done(story)).verdict is FAIL


def test_a_task_that_two_workers_complete_fails_although_only_one_has_claimed_it() -> None:
    story = both_done(long_work()).update("2", 5.0, C, status="completed")
    assert judged("x.long-task", story).verdict is FAIL


def test_a_task_that_two_workers_complete_and_none_has_claimed_fails_whatever_the_machine_did() -> None:
    story = Story().start(A).start(B).insert("1", 1.0).note("at-work", 1.5, told="1", other="2", service=A)
    story.complete("1", 4.0, A).update("1", 4.5, B, status="completed")
    judgement = judged("x.long-task", stalls(story, (4.25, 1.0)))
    assert judgement.verdict is FAIL
    assert judgement.expected == "task 1 stays with its worker while it finished after SIGTERM"


def test_a_task_that_one_worker_completes_twice_fails_whatever_the_machine_did() -> None:
    story = both_done(stalls(long_work(), (2.0, 1.0))).claim("2", 5.5, B).complete("2", 6.0, B)
    assert judged("x.long-task", story).verdict is FAIL


@pytest.mark.parametrize(
    ("stalled", "excused"),
    [
        ([(2.0, 0.375)], False),  # a quarter of the timeout of 1.5 s
        ([(2.0, 0.376)], True),
        ([(2.0, 0.2), (2.5, 0.2)], True),
        ([(1.2, 1.0)], False),  # over when the worker claimed
        ([(4.0, 1.0)], False),  # began after the task was taken
        ([(3.25, 1.0)], True),  # began before that
    ],
)
def test_a_machine_that_stands_still_for_a_quarter_of_the_timeout_excuses_the_silence(
    stalled: list[tuple[float, float]], excused: bool
) -> None:
    story = both_done(stalls(long_work().claim("2", 2.75, C), *stalled))
    if excused:
        assert "could not show that it lives" in reason("x.long-task", story)
    else:
        assert judged("x.long-task", story).verdict is FAIL


def test_the_excuse_names_how_long_the_machine_stood_still_and_whom_that_kept_silent() -> None:
    story = both_done(stalls(long_work().claim("2", 2.75, C), (1.5, 0.5), (2.5, 0.7)))
    words = "the machine stood still for 1.2 s, in which worker-B could not show that it lives"
    assert reason("x.long-task", story) == words


def test_silence_that_a_stall_excuses_begins_with_the_last_sign_of_life() -> None:
    story = long_work().update("2", 2.25, B)
    assert judged("x.long-task", both_done(stalls(story.claim("2", 3.75, C), (2.0, 1.0)))).verdict is FAIL


def test_silence_that_a_stall_excuses_ends_when_the_task_is_first_taken() -> None:
    story = stalls(long_work().claim("2", 2.0, C).claim("2", 4.5, A), (4.0, 1.0))
    assert judged("x.long-task", both_done(story)).verdict is FAIL


def test_the_insertion_of_a_task_takes_it_from_nobody_even_at_the_moment_of_its_claim() -> None:
    story = Story().start(A, WORKER_STUCK_TIMEOUT="1.5").start(C, WORKER_STUCK_TIMEOUT="1.5")
    story.insert("1", 1.25).claim("1", 1.25, A).note("at-work", 1.5, told="1", other="2", service=A)
    story.claim("1", 2.75, C).complete("1", 4.75, A)
    assert "stood still" in reason("x.long-task", stalls(story, (2.25, 0.5)))


def test_a_sign_of_life_after_the_task_was_taken_shortens_no_silence() -> None:
    story = long_work().claim("2", 2.75, C).update("2", 3.0, B)
    assert "stood still" in reason("x.long-task", both_done(stalls(story, (2.0, 1.0))))


def test_a_second_task_that_was_taken_fails_although_the_first_one_came_to_no_end() -> None:
    story = gave_up(long_work().claim("2", 2.75, C), 13.0, 12.0)
    judgement = judged("x.long-task", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "task 2 stays with worker-B"


def test_a_second_task_that_was_taken_fails_although_a_stall_explains_the_first_one() -> None:
    story = both_done(stalls(long_work().claim("2", 2.75, C).claim("1", 4.4, C), (4.2, 1.0)))
    assert judged("x.long-task", story).verdict is Verdict.FAIL


def taken_from_a_live_worker() -> Story:
    """A has the task and says nothing for 1.4 s; B takes it."""
    story = Story().start(A).start("worker-B").insert("7", 1.0).claim("7", 1.2, A)
    story.note("at-work", 1.3, told="7", other="7", service=A)
    return story.update("7", 2.6, "worker-B", status="pending").claim("7", 2.7, "worker-B").complete("7", 6.0, A)


def test_a_task_that_is_taken_from_a_worker_that_shows_no_life_fails() -> None:
    assert graded("x.long-task", taken_from_a_live_worker().history()).verdict is FAIL


def test_a_machine_that_stood_still_meanwhile_is_not_the_workers_fault() -> None:
    story = taken_from_a_live_worker().add(Stalled(at=2.4, seconds=0.5))
    result = graded("x.long-task", story.history())
    assert (result.verdict, "stood still" in (result.reason or "")) == (INCONCLUSIVE, True)


def test_a_stall_before_the_last_sign_of_life_excuses_nothing() -> None:
    story = taken_from_a_live_worker().add(Stalled(at=1.1, seconds=0.5))
    assert graded("x.long-task", story.history()).verdict is FAIL
