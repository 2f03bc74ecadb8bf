"""3a.sigterm-finishes-task and 3a.sigterm-takes-no-more, from literal histories."""

from __future__ import annotations

import pytest

from grader.history.events import ChildrenLeft, WaitTimedOut
from grader.judgement import Judgement, NotObserved
from grader.model import CheckResult, Evidence, Verdict
from tests.unit.histories import Story, undisturbed
from tests.unit.judging import CHECKS, graded, judged, told
from tests.unit.stories import (
    FIRST,
    SECOND,
    SHORT,
    WHOLE,
    at_work,
    claims,
    clean,
    long_at_work,
    long_once,
    long_twice,
    once,
    other_connection,
    sigint,
    usual,
)

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B = "worker-A", "worker-B"


# ---------------------------------------------------------------- 3a.sigterm-finishes-task


def finishes(first: Story | None = None, second: Story | None = None, third: Story | None = None) -> Judgement:
    """What it says of one signal, of two, and of work that nothing disturbs."""
    return judged("3a.sigterm-finishes-task", first or long_once(), second or long_twice(), third or usual(5.0))


def told_to_stop() -> Story:
    """A worker has a task in hand when SIGTERM comes."""
    story = Story().start("worker-A").insert("1", 1.0).claim("1", 1.1, "worker-A")
    return story.signal("worker-A", "SIGTERM", 1.3)


def hint_of(story: Story) -> str:
    judgement = finishes(story)
    assert judgement.verdict is Verdict.FAIL
    return judgement.hint or CHECKS["3a.sigterm-finishes-task"].hint


def test_a_task_that_is_completed_before_an_exit_with_status_zero_passes() -> None:
    assert finishes(told_to_stop().complete("1", 1.9, "worker-A").exit("worker-A", 2.0)).verdict is Verdict.PASS


def test_without_a_handler_the_hint_says_that_nothing_caught_the_signal() -> None:
    assert "Nothing caught SIGTERM" in hint_of(told_to_stop().exit("worker-A", 1.303, -15))


def test_behind_a_wrapper_the_hint_says_where_the_signal_went() -> None:
    story = told_to_stop().exit("worker-A", 1.303, -15)
    story.add(ChildrenLeft(at=1.304, service="worker-A", commands=("python -m worker",)))
    assert "passed nothing on" in hint_of(story)


def test_a_handler_that_exits_is_told_from_no_handler() -> None:
    assert "a handler that exits" in hint_of(told_to_stop().exit("worker-A", 1.31, 0))


def test_a_task_that_is_given_back_and_one_that_counts_as_failed_are_told_from_one_that_is_left() -> None:
    for status, hint in (("pending", "gave the task back"), ("failed", "A signal is no error of the work")):
        story = told_to_stop().update("1", 1.305, "worker-A", status=status)
        assert hint in hint_of(story.exit("worker-A", 1.31, 0))


def test_a_finished_task_and_an_end_by_the_signal_all_the_same() -> None:
    story = told_to_stop().complete("1", 1.9, "worker-A").exit("worker-A", 2.0, -15)
    assert "the exit status alone is wrong" in hint_of(story)


def test_a_finished_worker_that_stays_is_asked_what_keeps_it_alive() -> None:
    gave_up = WaitTimedOut(at=11.3, waited_for="worker-A to exit", seconds=10.0)
    story = told_to_stop().complete("1", 1.9, "worker-A").add(gave_up)
    assert "something keeps it alive" in hint_of(story)
    assert finishes(story).observed == "task 1 completed, still running 10 s after SIGTERM"
    assert "nobody set it" in hint_of(told_to_stop().add(gave_up))


def test_a_worker_that_goes_on_claiming_never_learned_of_the_signal() -> None:
    story = told_to_stop().complete("1", 1.9, "worker-A").insert("2", 1.95).claim("2", 2.0, "worker-A")
    story.add(WaitTimedOut(at=11.3, waited_for="worker-A to exit", seconds=10.0))
    assert "the loop never learned of it" in hint_of(story)


def test_several_tasks_in_hand_of_which_some_are_finished() -> None:
    story = Story().start("worker-A").insert("1", 1.0).insert("2", 1.0).claim("1", 1.1, "worker-A")
    story.claim("2", 1.2, "worker-A").signal("worker-A", "SIGTERM", 1.3).complete("1", 1.9, "worker-A")
    assert "more tasks than it finished" in hint_of(story.exit("worker-A", 2.0))


def test_a_finished_task_with_another_exit_status() -> None:
    story = told_to_stop().complete("1", 1.9, "worker-A").exit("worker-A", 2.0, 1)
    assert "the exit status alone is wrong" in hint_of(story)
    assert finishes(story).observed == "task 1 completed, status 1"


def test_where_nothing_better_is_known_the_hint_is_that_of_the_check() -> None:
    assert hint_of(told_to_stop().exit("worker-A", 1.4, 1)) == CHECKS["3a.sigterm-finishes-task"].hint


def test_a_worker_that_got_another_signal_than_sigterm_says_nothing_of_it() -> None:
    with pytest.raises(NotObserved, match="^the worker never had a task in hand$"):
        finishes(long_once(signal="SIGINT"))


# ---------------------------------------------------------------- 3a.sigterm-finishes-task: work that the first signal ends


@pytest.mark.parametrize(("completed", "verdict"), [(6.0, PASS), (WHOLE, PASS), (SHORT, FAIL), (1.501, FAIL)])
def test_a_task_that_is_completed_before_its_work_can_have_been_done_fails(
    completed: float, verdict: Verdict
) -> None:
    assert finishes(long_once(completed)).verdict is verdict
    assert sigint(long_once(completed, "SIGINT")).verdict is verdict


def test_work_that_the_signal_ended_is_told_with_its_time_and_what_it_takes() -> None:
    judgement = finishes(long_once(1.75))
    assert judgement.expected == "the work in hand is done to its end, and then the task is completed"
    assert judgement.observed == "task 1 completed 0.75 s after its claim, and its work takes 5 s"
    assert "does the work wait on the flag that the handler sets?" in str(judgement.hint)
    assert told(judgement) == [
        (1.5, "SIGTERM sent"),
        (0.5, "task 1 inserted, pending"),
        (1.0, "task 1: pending → processing, assigned_worker id-of-worker-A"),
        (1.75, "task 1: processing → completed"),
    ]


def test_another_exit_status_is_told_before_work_that_was_cut_short() -> None:
    story = long_at_work().signal(A, "SIGTERM", FIRST).complete("1", 1.75, A).exit(A, 1.8, 1)
    assert finishes(story).observed == "task 1 completed, status 1"


@pytest.mark.parametrize(
    ("short", "observed"), [("2", "task 2 completed 0.50 s"), ("1", "task 1 completed 0.75 s")]
)
def test_of_several_tasks_in_hand_the_one_whose_work_was_cut_short_is_named(short: str, observed: str) -> None:
    story = long_at_work().insert("2", 0.6).claim("2", 1.25, A).signal(A, "SIGTERM", FIRST)
    story.complete(short, 1.75, A).complete("1" if short == "2" else "2", 6.5, A)
    assert str(finishes(story.exit(A, 7.0)).observed).startswith(observed)


def test_a_task_that_was_over_when_the_signal_came_is_no_matter_of_the_signal() -> None:
    story = long_at_work().insert("0", 0.4).claim("0", 1.1, A).complete("0", 1.2, A).signal(A, "SIGTERM", FIRST)
    assert finishes(story.complete("1", 6.0, A).exit(A, 6.1)).verdict is PASS


@pytest.mark.parametrize(("completed", "verdict"), [(7.0, PASS), (6.9, FAIL)])
def test_work_counts_from_the_claim_that_led_to_the_completion(completed: float, verdict: Verdict) -> None:
    story = long_at_work().update("1", 1.1, A, status="pending").claim("1", 2.25, A).signal(A, "SIGTERM", 2.5)
    assert finishes(story.complete("1", completed, A).exit(A, 7.5)).verdict is verdict


def test_a_claim_after_the_completion_does_not_make_the_work_longer_or_shorter() -> None:
    story = (
        long_at_work().signal(A, "SIGTERM", FIRST).complete("1", 6.0, A).claim("1", 6.1, A).complete("1", 6.2, A)
    )
    assert finishes(story.exit(A, 6.5)).verdict is PASS


# ---------------------------------------------------------------- 3a.sigterm-finishes-task: compared with undisturbed work


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
    assert finishes(long_once(2.0), third=usual(*took)).verdict is verdict
    assert finishes(second=long_twice(2.0), third=usual(*took)).verdict is verdict
    assert sigint(long_once(2.0, "SIGINT"), usual(*took)).verdict is verdict
    assert clean(second=long_twice(3.0), third=usual(*took)).verdict is verdict


@pytest.mark.parametrize(("took", "verdict"), [(0.855, FAIL), (0.8, PASS)])
def test_undisturbed_work_is_held_against_its_own_setting(took: float, verdict: Verdict) -> None:
    assert finishes(long_once(2.0), third=undisturbed(took, duration="0.9")).verdict is verdict


@pytest.mark.parametrize("moves", ["claim", "complete"])
def test_a_task_that_was_claimed_or_completed_and_not_both_shows_no_undisturbed_work(moves: str) -> None:
    third = usual().insert("9", 0.5)
    third = third.claim("9", 1.0, A) if moves == "claim" else third.complete("9", 9.0, A)
    assert finishes(long_once(2.0), third=third).verdict is PASS


def test_the_unit_of_a_duration_is_read() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="5s").insert("1", 0.5).claim("1", 1.0, A)
    story.signal(A, "SIGTERM", FIRST).complete("1", SHORT, A).exit(A, 6.0)
    assert finishes(story, third=undisturbed(4.75, duration="5000ms")).verdict is FAIL


# ---------------------------------------------------------------- 3a.sigterm-finishes-task: work that the second signal ends


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
    assert finishes(second=long_twice(completed)).verdict is by_the_first
    assert clean(second=long_twice(completed)).verdict is by_the_second


def test_work_that_the_first_of_two_signals_ended_is_told_with_the_first() -> None:
    judgement = finishes(second=long_twice(2.25))
    assert judgement.observed == "task 1 completed 1.25 s after its claim, and its work takes 5 s"
    assert told(judgement)[0] == (FIRST, "SIGTERM sent")


def test_what_is_wrong_with_one_signal_is_told_before_what_is_wrong_with_two() -> None:
    story = long_at_work().signal(A, "SIGTERM", FIRST).complete("1", 6.0, A).exit(A, 6.1, 1)
    assert finishes(story, long_twice(2.0)).observed == "task 1 completed, status 1"


def test_where_there_was_no_second_signal_one_is_enough_to_judge_who_finishes() -> None:
    assert finishes(second=long_once(2.0)).verdict is PASS
    assert finishes(second=Story()).verdict is PASS
    assert finishes(long_once(2.0), Story()).verdict is FAIL


@pytest.mark.parametrize("service", ["worker-B", "api"])
def test_signals_of_another_service_are_not_the_workers_second(service: str) -> None:
    assert finishes(second=long_once(2.0).signal(service, "SIGTERM", SECOND)).verdict is PASS


def test_a_task_that_was_completed_before_the_first_signal_is_no_matter_of_any_signal() -> None:
    assert finishes(second=long_twice(1.4)).verdict is Verdict.PASS


# ---------------------------------------------------------------- 3a.sigterm-takes-no-more


def between(
    *without: str, signal: bool = True, sql: str | None = "COMMIT", waiting: int = 8, claimed: bool = True
) -> Story:
    """Task 1 is completed at 2, the answer withheld at 2.05 and given at 2.2; SIGTERM comes at 2.1."""
    story = Story().start(A)
    for number in range(1, waiting + 2):
        story.insert(str(number), 0.5 + number / 100)
    if claimed:
        claims(story, "1", 1.0)
    story.complete("1", 2.0, A)
    for name, at in (("answer-withheld", 2.05), ("answer-given", 2.2), ("watched", 3.0)):
        if name not in without:
            story.note(name, at, **({"sql": sql} if name == "answer-withheld" else {}))
    return story.signal(A, "SIGTERM", 2.1) if signal else story


def takes_no_more(first: Story | None = None, second: Story | None = None) -> Judgement:
    return judged("3a.sigterm-takes-no-more", first or at_work(), second or between())


def test_a_worker_that_claims_nothing_after_its_signals_passes_with_what_it_left() -> None:
    judgement = takes_no_more()
    assert judgement.verdict is PASS
    assert judgement.observed == "signals at work and between two tasks: 10 tasks were left for others"
    assert told(judgement) == [(1.5, "SIGTERM sent")]


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (
            Story().start(A).insert("1", 0.5).claim("1", 1.0, A).signal(A, "SIGINT", 1.5),
            "^the worker never had a task in hand$",
        ),
        (
            Story().start(A).insert("1", 0.5).signal(A, "SIGTERM", 1.5),
            "^no task was in hand when the signal came$",
        ),
    ],
)
def test_a_signal_that_met_no_work_says_nothing_of_claims(story: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        takes_no_more(story)


def test_a_claim_at_work_after_the_signal_fails_whatever_happens_between_two_tasks() -> None:
    judgement = takes_no_more(claims(at_work(), "2", 1.9), Story())
    assert (judgement.verdict, judgement.expected) == (FAIL, "no claim after the signal")
    assert judgement.observed == "task 2 claimed 0.40 s after it"
    assert told(judgement) == [
        (1.5, "SIGTERM sent"),
        (1.9, "task 2: pending → processing, assigned_worker id-of-worker-A"),
    ]


def test_of_many_claims_after_the_signal_six_are_shown() -> None:
    story = at_work(9)
    for number in range(2, 9):
        claims(story, str(number), 2.0 + number / 10)
    judgement = takes_no_more(story)
    assert judgement.observed == "task 2 claimed 0.70 s after it"
    assert [at for at, _ in told(judgement)] == [1.5, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7]


@pytest.mark.parametrize(("at", "verdict"), [(1.5, PASS), (1.501, FAIL)])
def test_a_claim_without_a_statement_on_the_wire_begins_when_it_is_made(at: float, verdict: Verdict) -> None:
    story = at_work()
    assert takes_no_more(story.claim("2", at, "worker-C")).verdict is verdict


@pytest.mark.parametrize(("began", "verdict"), [(1.499, PASS), (1.5, PASS), (1.501, FAIL)])
def test_a_claim_begins_with_the_first_statement_of_its_transaction(began: float, verdict: Verdict) -> None:
    assert takes_no_more(claims(at_work(), "2", 1.7, began)).verdict is verdict


def test_a_statement_that_seems_to_come_a_little_after_its_own_change_is_the_claims() -> None:
    story = at_work().step(A, 1.4, "SELECT id FROM tasks").claim("2", 1.7, A)
    assert takes_no_more(story.step(A, 1.70495, "UPDATE tasks", tag="UPDATE 1")).verdict is FAIL


def test_a_statement_that_comes_later_is_none_of_the_claims() -> None:
    story = claims(at_work(), "2", 1.7, 1.49).step(A, 1.70505, "SELECT 1")
    assert takes_no_more(story).verdict is PASS


def test_an_earlier_transaction_is_no_part_of_the_claim() -> None:
    story = at_work().step(A, 1.4, "SELECT id FROM tasks", before="T", after="I")
    assert takes_no_more(claims(story, "2", 1.7)).verdict is FAIL


def test_what_another_connection_sends_meanwhile_is_no_part_of_the_claim() -> None:
    assert takes_no_more(other_connection(claims(at_work(), "2", 1.7, 1.49), 1.6)).verdict is PASS


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (between("answer-withheld"), "^no task was completed while others waited$"),
        (between(sql=None), "^the completion was not seen to come$"),
        (between(signal=False), "^the worker got no signal$"),
        (between("answer-given"), "^the scenario came to no end$"),
        (between("watched"), "^the scenario came to no end$"),
        (between(waiting=0), "^no task was waiting when the signal came$"),
        (claims(between(waiting=1), "2", 2.15), "^no task was waiting when the signal came$"),
    ],
)
def test_a_moment_between_two_tasks_that_did_not_come_about_says_nothing(story: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        takes_no_more(second=story)


def test_a_task_that_is_taken_after_the_answer_was_waiting_before() -> None:
    assert takes_no_more(second=claims(between(waiting=1), "2", 2.25)).verdict is FAIL


def test_claims_between_two_tasks_are_shown_after_what_was_withheld_and_given() -> None:
    story = between(sql="COMMIT " + "x" * 200)
    for number in range(2, 9):
        claims(story, str(number), 2.1 + number / 10)
    judgement = takes_no_more(second=story)
    assert judgement.verdict is FAIL
    assert judgement.expected == "no claim after a signal that comes while a completion is on its way"
    assert judgement.observed == "task 2 claimed 0.10 s after the completion was answered"
    assert "between the completion and the next claim" in str(judgement.hint)
    assert judgement.evidence[:3] == (
        Evidence(2.05, f"answer withheld: COMMIT {'x' * 92}…", A),
        Evidence(2.1, "SIGTERM sent", A),
        Evidence(2.2, "answer given", A),
    )
    assert [round(line.at, 3) for line in judgement.evidence[3:]] == [2.3, 2.4, 2.5, 2.6, 2.7, 2.8]


def test_a_worker_that_had_claimed_nothing_before_has_no_claim_under_way() -> None:
    assert takes_no_more(second=between(claimed=False)).verdict is PASS
    assert takes_no_more(second=claims(between(claimed=False), "2", 2.25)).verdict is FAIL


def test_three_tasks_in_hand_at_a_time_let_two_claims_be_under_way_and_no_more() -> None:
    story = claims(claims(between(), "2", 1.1), "3", 1.2).complete("2", 1.3, A)
    claims(claims(story, "4", 2.25), "5", 2.26)
    assert takes_no_more(second=story).verdict is PASS
    assert takes_no_more(second=claims(story, "6", 2.27)).verdict is FAIL


def test_tasks_that_are_taken_one_after_the_other_need_one_slot() -> None:
    story = claims(claims(between(), "2", 2.01).complete("2", 2.02, A), "3", 2.03)
    assert takes_no_more(second=claims(story, "4", 2.25)).verdict is FAIL


def test_what_is_in_hand_only_from_the_signal_on_shows_no_slot() -> None:
    story = claims(claims(between(), "2", 2.05), "3", 2.1)
    assert takes_no_more(second=claims(story, "4", 2.25)).verdict is FAIL


def ahead(first: float, second: float, *, after: str = "I") -> Story:
    """A statement that takes 0.25 s, and one that comes so much later on the same connection."""
    story = between().step(A, first, "COMMIT", took=0.25, tag="COMMIT", before="T", after=after)
    return claims(story.step(A, second, "SELECT id FROM tasks", before=after), "2", 2.25)


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        (ahead(1.5, 1.6), PASS),
        (ahead(1.5, 1.75), FAIL),  # as soon as it is answered
        (ahead(1.5, 1.6, after="T"), FAIL),  # in one transaction
        (ahead(2.0, 2.09), PASS),
        (ahead(2.0, 2.1), FAIL),  # with the signal, and later
        (ahead(2.0, 2.15), FAIL),
    ],
)
def test_a_claim_may_be_under_way_where_statements_are_sent_ahead_of_the_end_of_a_transaction(
    story: Story, verdict: Verdict
) -> None:
    assert takes_no_more(second=story).verdict is verdict


def test_statements_on_two_connections_are_not_sent_ahead_of_each_other() -> None:
    story = other_connection(other_connection(between(), 1.5, took=0.2), 1.6, number=901)
    assert takes_no_more(second=claims(story, "2", 2.25)).verdict is FAIL


def test_statements_of_another_service_say_nothing_of_this_worker() -> None:
    story = between().start("api").step("api", 1.5, "COMMIT", took=0.2, tag="COMMIT", before="T")
    assert takes_no_more(second=claims(story.step("api", 1.6, "SELECT 7"), "2", 2.25)).verdict is FAIL


def test_a_claim_before_the_answer_is_told_from_the_signal() -> None:
    story = Story().start(A)
    for number in range(1, 9):
        story.insert(str(number), 0.5)
    for task, at in (("1", 1.0), ("2", 2.15)):
        story.step(A, at - 0.002, "BEGIN", tag="BEGIN", after="T")
        story.step(A, at - 0.001, "UPDATE tasks", tag="UPDATE 1", before="T", after="T").claim(task, at, A)
    story.complete("1", 2.0, A).note("answer-withheld", 2.05, sql="COMMIT").signal(A, "SIGTERM", 2.1)
    story.note("answer-given", 2.2).note("watched", 3.0)
    judgement = judged("3a.sigterm-takes-no-more", once(), story)
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 2 claimed 0.05 s after the signal")


# ---------------------------------------------------------------- 3a.sigterm-takes-no-more: between two tasks


def takes_no_more_between(story: Story) -> CheckResult:
    return graded("3a.sigterm-takes-no-more", once().history(), story.history())


def test_a_worker_that_looks_after_the_answer_passes() -> None:
    assert takes_no_more_between(between().exit(A, 2.3)).verdict is PASS


def test_one_more_claim_after_the_answer_fails() -> None:
    result = takes_no_more_between(claims(between(), "2", 2.25))
    assert (result.verdict, result.observed) == (FAIL, "task 2 claimed 0.05 s after the completion was answered")


def test_a_claim_that_was_sent_before_the_signal_passes() -> None:
    assert takes_no_more_between(claims(between(), "2", 2.25, began=2.09)).verdict is PASS


def test_a_worker_with_two_tasks_in_hand_may_have_one_claim_on_its_way_and_no_more() -> None:
    story = claims(between(), "2", 1.1).complete("2", 2.01, A)
    assert takes_no_more_between(claims(story, "3", 2.25)).verdict is PASS
    assert takes_no_more_between(claims(story, "4", 2.26)).verdict is FAIL


def test_a_worker_that_sends_the_next_claim_along_with_a_completion_may_have_one_on_its_way() -> None:
    story = between().step(A, 1.5, "COMMIT", took=0.01, tag="COMMIT", before="T", after="I")
    story.step(A, 1.501, "UPDATE tasks", took=0.02, tag="UPDATE 1")
    assert takes_no_more_between(claims(story, "2", 2.25)).verdict is PASS
    assert takes_no_more_between(claims(story, "3", 2.26)).verdict is FAIL


def test_a_signal_that_met_no_completion_or_no_backlog_decides_nothing() -> None:
    assert takes_no_more_between(between(sql=None)).verdict is INCONCLUSIVE
    assert takes_no_more_between(between(waiting=0)).verdict is INCONCLUSIVE
    assert takes_no_more_between(Story().start(A)).verdict is INCONCLUSIVE
