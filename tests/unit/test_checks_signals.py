"""How a worker takes SIGTERM and SIGINT, at work, between two tasks and while it waits, from literal histories."""

from __future__ import annotations

from typing import Literal

import pytest

from grader.history.events import (
    ChildrenLeft,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReady,
    Stalled,
    StepBegan,
    StepEnded,
    WaitTimedOut,
)
from grader.judgement import Judgement, NotObserved
from grader.model import Evidence, Verdict
from tests.unit.histories import Story, undisturbed
from tests.unit.judging import judged

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"


def told(judgement: Judgement) -> list[tuple[float, str]]:
    return [(line.at, line.text) for line in judgement.evidence]


def gave_up(seconds: float) -> WaitTimedOut:
    return WaitTimedOut(at=20.0, waited_for="worker-A to exit", seconds=seconds)


# ---------------------------------------------------------------- 3a.sigterm-while-waiting


def waiting(exits: float | None = None, status: int = 0) -> Story:
    """SIGTERM comes at 1."""
    story = Story().start(A, WORKER_POLL_INTERVAL="30").signal(A, "SIGTERM", 1.0)
    return story if exits is None else story.exit(A, exits, status)


def unreachable(*, alive: bool = True, signal: bool = True, exits: float | None = 1.25) -> Story:
    """Without a database; SIGTERM comes at 1, and the scenario waits until 9."""
    story = Story().start(A).log(A, 0.1, "started").note("tried", 0.9, alive=alive)
    if signal:
        story.signal(A, "SIGTERM", 1.0).note("waited", 9.0)
    return story if exits is None else story.exit(A, exits, 1)


def stops(
    story: Story, patience: float = 1.0, without: Story | None = None, busy: Story | None = None
) -> Judgement:
    histories = (story, without or unreachable(), busy or once())
    return judged("3a.sigterm-while-waiting", *histories, patience=patience)


def test_a_waiting_worker_that_is_soon_gone_passes() -> None:
    judgement = stops(waiting(1.125))
    assert (judgement.verdict, judgement.observed) == (PASS, "gone after 0.12 s")
    assert told(judgement) == [(1.0, "SIGTERM sent"), (1.125, "exited, status 0")]


@pytest.mark.parametrize(
    ("exits", "patience", "verdict"), [(3.0, 1.0, PASS), (3.01, 1.0, FAIL), (5.0, 2.0, PASS), (5.01, 2.0, FAIL)]
)
def test_a_waiting_worker_has_two_seconds_times_patience(exits: float, patience: float, verdict: Verdict) -> None:
    assert stops(waiting(exits), patience).verdict is verdict


def test_a_waiting_worker_that_is_late_is_told_with_its_time() -> None:
    judgement = stops(waiting(3.75))
    assert (judgement.expected, judgement.observed) == ("gone within 2 s", "gone after 2.8 s")
    assert told(judgement) == [(1.0, "SIGTERM sent"), (3.75, "exited, status 0")]


@pytest.mark.parametrize(("at", "verdict"), [(2.0, PASS), (0.5, FAIL), (4.5, FAIL)])
def test_only_the_time_that_the_machine_stood_still_meanwhile_is_taken_off(at: float, verdict: Verdict) -> None:
    assert stops(waiting(3.5).add(Stalled(at=at, seconds=0.5))).verdict is verdict


def test_a_waiting_worker_that_stays_is_told_with_how_long_was_waited() -> None:
    judgement = stops(waiting().add(gave_up(6.0)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "gone within 2 s")
    assert judgement.observed == "still there 6 s after SIGTERM"
    assert told(judgement) == [(1.0, "SIGTERM sent")]


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (Story().start(A).signal(A, "SIGINT", 1.0).exit(A, 1.1), "^the worker never came to wait$"),
        (waiting(), "^the scenario came to no end$"),
    ],
)
def test_a_wait_that_was_not_interrupted_or_not_watched_to_its_end_says_nothing(story: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        stops(story)


def test_a_worker_that_ends_after_sigterm_without_a_database_passes_whenever_and_however() -> None:
    assert stops(waiting(1.125), without=unreachable(exits=8.9)).verdict is PASS
    killed = unreachable(exits=None).exit(A, 1.01, -15)
    assert stops(waiting(1.125), without=killed).observed == "gone after 0.12 s"


def test_a_worker_that_tries_to_connect_and_does_not_hear_of_sigterm_fails_with_how_long_was_waited() -> None:
    deaf = unreachable(exits=None)
    for number in range(1, 6):
        deaf.log(A, 1.0 + number, f"no database, try {number}")
    judgement = stops(waiting(1.125), without=deaf)
    assert (judgement.verdict, judgement.observed) == (FAIL, "still there 8 s after SIGTERM")
    assert judgement.expected == "an end after SIGTERM, although the database cannot be reached"
    assert "before each new try" in str(judgement.hint)
    assert told(judgement) == [
        (1.0, "SIGTERM sent"),
        *[(1.0 + number, f"log: no database, try {number}") for number in range(2, 6)],
    ]


@pytest.mark.parametrize(("exits", "verdict"), [(9.49, PASS), (9.5, FAIL), (9.51, FAIL)])
def test_an_end_that_the_grader_makes_is_none_of_the_workers(exits: float, verdict: Verdict) -> None:
    story = unreachable(exits=exits).note("scenario-over", 9.5)
    assert stops(waiting(1.125), without=story).verdict is verdict


def test_a_worker_that_gave_up_by_itself_without_a_database_needs_no_signal() -> None:
    gone_before = unreachable(alive=False, signal=False, exits=0.8)
    assert stops(waiting(1.125), without=gone_before).verdict is PASS
    assert stops(waiting(1.125), without=unreachable(alive=False, signal=False, exits=None)).verdict is PASS
    gone_meanwhile = unreachable(signal=False, exits=0.95)
    assert stops(waiting(1.125), without=gone_meanwhile).verdict is PASS


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (Story().start(A).signal(A, "SIGTERM", 1.0).note("waited", 9.0), "^the worker was not started$"),
        (unreachable(signal=False, exits=None), "^the worker got no signal$"),
        (unreachable(signal=False, exits=None).signal(A, "SIGTERM", 1.0), "^the scenario came to no end$"),
    ],
)
def test_a_worker_that_was_not_seen_to_try_without_a_database_says_nothing(without: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        stops(waiting(1.125), without=without)


@pytest.mark.parametrize(("status", "observed"), [(1, "status 1"), (-15, "ended by signal 15")])
def test_a_wait_that_ends_with_another_status_than_work_does_fails(status: int, observed: str) -> None:
    judgement = stops(waiting(1.125, status))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert judgement.expected == "exit status 0, as after a signal at work"
    assert "handled while the worker waits as well" in str(judgement.hint)
    assert told(judgement)[0] == (1.0, "SIGTERM sent")
    assert told(judgement)[1][0] == 1.125


@pytest.mark.parametrize("busy", [(-15,), (1,), ()])
def test_a_status_that_is_wrong_after_every_signal_is_another_checks_matter(busy: tuple[int, ...]) -> None:
    story = at_work()
    for status in busy:
        story.exit(A, 2.1, status)
    assert stops(waiting(1.125, -15), busy=story).verdict is PASS


def test_a_worker_that_ends_late_is_late_whatever_its_status_is() -> None:
    assert stops(waiting(3.75, 1)).observed == "gone after 2.8 s"
    assert stops(waiting(1.125, 1), without=unreachable(exits=None)).observed == "status 1"


def test_a_wait_that_is_not_interrupted_is_told_before_what_happens_without_a_database() -> None:
    late = stops(waiting(3.75), without=unreachable(exits=None))
    assert late.observed == "gone after 2.8 s"
    assert stops(waiting(3.75), without=Story()).verdict is FAIL


# ---------------------------------------------------------------- 3a.sigint


def interrupted() -> Story:
    """SIGINT comes at 1.5; one of two tasks is in hand."""
    story = Story().start(A).insert("1", 1.0).insert("2", 1.05).claim("1", 1.2, A)
    return story.signal(A, "SIGINT", 1.5)


def finished() -> Story:
    return interrupted().complete("1", 2.0, A).exit(A, 2.1)


def sigint(story: Story) -> Judgement:
    return judged("3a.sigint", story, undisturbed(0.4))


def test_a_worker_that_finishes_after_sigint_passes() -> None:
    judgement = sigint(finished())
    assert (judgement.verdict, judgement.observed) == (PASS, "task 1 completed, then exit status 0")
    assert told(judgement) == [
        (1.5, "SIGINT sent"),
        (1.0, "task 1 inserted, pending"),
        (1.2, "task 1: pending → processing, assigned_worker id-of-worker-A"),
        (2.0, "task 1: processing → completed"),
        (2.1, "exited, status 0"),
    ]


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (
            Story().start(A).insert("1", 1.0).claim("1", 1.2, A).signal(A, "SIGTERM", 1.5),
            "^the worker never had a task in hand$",
        ),
        (
            Story().start(A).insert("1", 1.0).signal(A, "SIGINT", 1.5).exit(A, 1.6),
            "^no task was in hand when the signal came$",
        ),
        (interrupted().complete("1", 2.0, A), "^the scenario came to no end$"),
    ],
)
def test_an_interruption_that_was_not_seen_says_nothing(story: Story, reason: str) -> None:
    with pytest.raises(NotObserved, match=reason):
        sigint(story)


TRACE = "Traceback (most recent call last):"


@pytest.mark.parametrize(("at", "verdict"), [(1.499, PASS), (1.5, FAIL), (2.05, FAIL)])
def test_a_traceback_counts_from_the_signal_on(at: float, verdict: Verdict) -> None:
    assert sigint(finished().log(A, at, TRACE)).verdict is verdict


def test_a_traceback_of_another_service_is_not_the_workers() -> None:
    assert sigint(finished().log(B, 1.6, TRACE)).verdict is PASS


def test_a_traceback_is_shown_with_the_last_four_of_its_lines() -> None:
    story = finished().log(A, 1.51, TRACE)
    for number in range(2, 6):
        story.log(A, 1.5 + number / 100, f"line {number}")
    judgement = sigint(story)
    assert (judgement.expected, judgement.observed) == ("an orderly end", "a traceback")
    assert [text for _, text in told(judgement)] == ["SIGINT sent", *[f"log: line {n}" for n in range(2, 6)]]


def test_what_was_said_before_a_short_traceback_is_no_part_of_it() -> None:
    story = finished().log(A, 1.55, "stopping").log(A, 1.6, f"x {TRACE}").log(A, 1.61, "KeyboardInterrupt")
    assert told(sigint(story)) == [
        (1.5, "SIGINT sent"),
        (1.6, f"log: x {TRACE}"),
        (1.61, "log: KeyboardInterrupt"),
    ]


def test_of_two_tracebacks_the_first_is_the_beginning() -> None:
    story = finished().log(A, 1.6, TRACE).log(A, 1.61, "KeyboardInterrupt").log(A, 1.62, TRACE)
    assert [at for at, _ in told(sigint(story))] == [1.5, 1.6, 1.61, 1.62]


def test_a_lost_task_is_worse_than_its_traceback() -> None:
    judgement = sigint(interrupted().log(A, 1.55, TRACE).exit(A, 1.6, 1))
    assert judgement.observed == "task 1 processing, status 1"
    assert judgement.expected == "the task completed, nothing left processing, exit status 0"


@pytest.mark.parametrize(
    ("status", "observed", "hint"),
    [
        (130, "task 1 completed, status 130", "the exit status alone is wrong"),
        (-2, "task 1 completed, ended by signal 2", "Nothing caught SIGINT"),
    ],
)
def test_another_exit_status_than_zero_after_sigint_fails(status: int, observed: str, hint: str) -> None:
    judgement = sigint(interrupted().complete("1", 2.0, A).exit(A, 2.1, status))
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    assert hint in str(judgement.hint)


@pytest.mark.parametrize(("completed", "verdict"), [(2.0, PASS), (2.2, FAIL)])
def test_a_task_has_to_be_completed_before_the_exit(completed: float, verdict: Verdict) -> None:
    story = interrupted().start(B, 0.5).exit(A, 2.1)
    assert sigint(story.complete("1", completed, A if completed < 2.1 else B)).verdict is verdict


def test_a_task_that_was_taken_after_the_signal_and_left_behind_fails_although_another_one_frees_it() -> None:
    story = interrupted().start(B, 0.5).complete("1", 1.8, A).claim("2", 1.9, A).exit(A, 2.1)
    judgement = sigint(story.update("2", 3.0, B, status="pending"))
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 2 processing, status 0")


def test_of_several_tasks_in_hand_those_that_are_not_finished_are_named() -> None:
    story = Story().start(A)
    for number in (1, 2, 3):
        story.insert(str(number), 1.0).claim(str(number), 1.1 + number / 100, A)
    story.signal(A, "SIGINT", 1.5).complete("2", 1.9, A).exit(A, 2.1)
    judgement = sigint(story)
    assert judgement.observed == "task 1 processing, task 3 processing, status 0"
    assert "more tasks than it finished" in str(judgement.hint)


def test_of_several_tasks_in_hand_that_are_finished_the_first_is_named() -> None:
    story = interrupted().insert("0", 1.1).claim("0", 1.3, A).complete("1", 1.9, A).complete("0", 1.95, A)
    assert sigint(story.exit(A, 2.1)).observed == "task 1 completed, then exit status 0"


def test_a_task_that_is_given_back_is_not_finished() -> None:
    judgement = sigint(interrupted().update("1", 1.6, A, status="pending").exit(A, 1.7))
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 1 pending, status 0")


def test_a_task_in_hand_that_is_not_finished_is_named_before_one_that_was_taken_since() -> None:
    story = interrupted().update("1", 1.6, A, status="pending").claim("2", 1.7, A).exit(A, 2.1)
    assert sigint(story).observed == "task 1 pending, status 0"


def test_the_proof_of_many_tasks_in_hand_is_cut_to_eight_changes() -> None:
    story = Story().start(A)
    for number in (1, 2, 3):
        story.insert(str(number), 1.0).claim(str(number), 1.1 + number / 100, A)
    story.signal(A, "SIGINT", 1.5)
    for number in (1, 2, 3):
        story.complete(str(number), 1.9 + number / 100, A)
    proof = told(sigint(story.exit(A, 2.1)))
    assert len(proof) == 1 + 8 + 1
    assert [text for _, text in proof[-2:]] == [
        "task 3: pending → processing, assigned_worker id-of-worker-A",
        "exited, status 0",
    ]


def test_changes_that_move_no_status_are_no_proof() -> None:
    story = interrupted().update("1", 1.7, A, description="half done").complete("1", 2.0, A).exit(A, 2.1)
    assert all("half done" not in text and "rewritten" not in text for _, text in told(sigint(story)))


def test_a_worker_that_outlives_sigint_is_told_with_its_task_and_how_long_was_waited() -> None:
    judgement = sigint(interrupted().complete("1", 2.0, A).add(gave_up(10.0)))
    assert judgement.verdict is FAIL
    assert judgement.expected == "the task completed, then exit status 0"
    assert judgement.observed == "task 1 completed, still running 10 s after SIGINT"
    assert told(judgement)[-1] == (2.0, "task 1: processing → completed")
    assert "something keeps it alive" in str(judgement.hint)


@pytest.mark.parametrize(
    ("began", "hint"), [(1.51, "the loop never learned of it"), (1.49, "something keeps it alive")]
)
def test_a_worker_that_outlives_sigint_went_on_only_if_a_claim_began_since(began: float, hint: str) -> None:
    story = interrupted().complete("1", 1.6, A).step(A, began, "UPDATE tasks", tag="UPDATE 1", took=0.2)
    story.claim("2", 1.65, A).add(gave_up(10.0))
    assert hint in str(sigint(story).hint)


# ---------------------------------------------------------------- 3a.sigterm-finishes-task


def test_a_worker_that_got_another_signal_than_sigterm_says_nothing_of_it() -> None:
    with pytest.raises(NotObserved, match="^the worker never had a task in hand$"):
        judged("3a.sigterm-finishes-task", finished(), done_twice(), undisturbed(0.4))


# ---------------------------------------------------------------- 3a.sigterm-takes-no-more


def claims(story: Story, task: str, at: float, began: float | None = None) -> Story:
    """A claim by one UPDATE, in a transaction of its own that began then."""
    story.step(A, at - 0.002 if began is None else began, "BEGIN", tag="BEGIN", after="T")
    return story.step(A, at - 0.001, "UPDATE tasks", tag="UPDATE 1", before="T", after="T").claim(task, at, A)


def at_work(tasks: int = 3) -> Story:
    """Task 1 is in hand when SIGTERM comes at 1.5; the others wait."""
    story = Story().start(A)
    for number in range(1, tasks + 1):
        story.insert(str(number), 0.5 + number / 100)
    return claims(story, "1", 1.0).signal(A, "SIGTERM", 1.5).complete("1", 2.0, A)


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


def other_connection(story: Story, at: float, took: float = 0.001, number: int = 900, step: int = 1) -> Story:
    """A statement of the worker on a second connection."""
    if step == 1:
        story.add(ConnectionOpened(at=0.1, service=A, connection=number))
        story.add(ConnectionReady(at=0.1, service=A, connection=number, backend_pid=number))
    return story.add(
        StepBegan(at=at, service=A, connection=number, step=step, sql="SELECT 7", transaction="I"),
        StepEnded(
            at=at + took,
            service=A,
            connection=number,
            step=step,
            tag="SELECT 1",
            rows=1,
            sqlstate=None,
            message=None,
            values=(),
            parameters=(),
            transaction="I",
            committed=False,
        ),
    )


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


# ---------------------------------------------------------------- 3a.clean-exit


By = Literal["terminate", "client", "server", "grader"]


def once(closed_by: str = "terminate") -> Story:
    return at_work().exit(A, 2.1, closed_by=closed_by)


def twice() -> Story:
    """SIGTERM comes at 1.3 and at 1.5; task 1 is in hand, task 2 waits."""
    story = Story().start(A).insert("1", 1.0).insert("2", 1.0).claim("1", 1.1, A)
    return story.signal(A, "SIGTERM", 1.3).signal(A, "SIGTERM", 1.5)


def done_twice() -> Story:
    return twice().complete("1", 1.9, A).exit(A, 2.0)


def clean(first: Story | None = None, second: Story | None = None) -> Judgement:
    return judged("3a.clean-exit", first or once(), second or done_twice(), undisturbed(0.4))


def connection(story: Story, service: str, number: int, by: By | None, *, ready: bool = True) -> Story:
    story.add(ConnectionOpened(at=0.1, service=service, connection=number))
    if ready:
        story.add(ConnectionReady(at=0.1, service=service, connection=number, backend_pid=number))
    if by is not None:
        story.add(ConnectionClosed(at=2.0, service=service, connection=number, by=by))
    return story


def children(story: Story, service: str, *commands: str) -> Story:
    return story.add(ChildrenLeft(at=2.2, service=service, commands=commands))


def test_a_worker_that_leaves_nothing_behind_passes() -> None:
    judgement = clean()
    assert judgement.verdict is PASS
    assert judgement.observed == "Terminate on every connection, no child left, a second SIGTERM lost nothing"
    assert told(judgement) == [(2.1, "exited, status 0")]


def test_an_exit_without_a_signal_says_nothing() -> None:
    story = Story().start(A).signal(A, "SIGINT", 1.5).exit(A, 2.1)
    with pytest.raises(NotObserved, match="^the worker never had a task in hand$"):
        clean(story)


def test_a_worker_that_does_not_exit_does_not_exit_cleanly() -> None:
    judgement = clean(at_work().add(gave_up(10.0)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "an exit after SIGTERM")
    assert judgement.observed == "still running"
    with pytest.raises(NotObserved, match="came to no end"):
        clean(at_work())


@pytest.mark.parametrize("by", ["client", "server", "grader"])
def test_a_connection_that_ends_without_a_terminate_message_fails(by: str) -> None:
    judgement = clean(once(by))
    assert (judgement.verdict, judgement.observed) == (FAIL, "1 connection just dropped")
    assert judgement.expected == "every connection closed with a Terminate message"
    assert "Call close() on the connection" in str(judgement.hint)
    assert told(judgement) == [(2.1, "exited, status 0")]


def test_connections_that_are_dropped_are_counted() -> None:
    story = connection(connection(once(), A, 900, "client"), A, 901, None)
    assert clean(story).observed == "2 connections just dropped"


def test_connections_that_were_never_logged_in_or_are_not_the_workers_do_no_harm() -> None:
    story = connection(once(), A, 900, "client", ready=False)
    assert clean(connection(story, "api", 901, "client")).verdict is PASS


def test_the_connections_of_the_worker_that_was_told_twice_are_another_matter() -> None:
    assert clean(second=twice().complete("1", 1.9, A).exit(A, 2.0, closed_by="client")).verdict is PASS


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (children(once(), A, "python -m worker", "sleep 60"), done_twice()),
        (once(), children(done_twice(), A, "python -m worker", "sleep 60")),
        (
            children(once(), A, "python -m worker", "sleep 60"),
            children(done_twice(), A, "another"),
        ),
    ],
)
def test_a_child_that_is_left_behind_fails_in_either_history(first: Story, second: Story) -> None:
    judgement = clean(first, second)
    assert (judgement.verdict, judgement.expected) == (FAIL, "no process left behind")
    assert judgement.observed == "still alive: python -m worker, sleep 60"
    assert "let it exec the worker" in str(judgement.hint)


def test_a_child_of_another_service_is_not_the_workers() -> None:
    assert clean(children(once(), "api", "x"), children(done_twice(), "api", "x")).verdict is PASS


def test_without_a_second_signal_nothing_is_said() -> None:
    story = Story().start(A).insert("1", 1.0).claim("1", 1.1, A).signal(A, "SIGTERM", 1.3)
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=story.complete("1", 1.9, A).exit(A, 2.0))


def test_a_worker_that_is_gone_with_its_task_before_a_second_signal_has_lost_it() -> None:
    once_told = Story().start(A).insert("1", 1.0).claim("1", 1.1, A).signal(A, "SIGTERM", 1.3)
    judgement = clean(second=once_told.exit(A, 1.45))
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 1 left processing")
    assert told(judgement)[0] == (1.3, "SIGTERM sent")


def test_a_worker_that_gives_its_task_back_and_is_gone_before_a_second_signal_loses_nothing() -> None:
    once_told = Story().start(A).insert("1", 1.0).claim("1", 1.1, A).signal(A, "SIGTERM", 1.3)
    judgement = clean(second=once_told.update("1", 1.4, A, status="pending").exit(A, 1.45))
    assert judgement.verdict is PASS
    assert judgement.observed == "Terminate on every connection, no child left, gone before a second SIGTERM"


def test_a_worker_that_outlives_two_signals_is_told_with_the_second_one_and_what_it_took() -> None:
    judgement = clean(second=twice().complete("1", 1.9, A))
    assert (judgement.verdict, judgement.observed) == (FAIL, "still running")
    assert judgement.expected == "the task in hand is completed (or free again) and the worker gone"
    assert told(judgement) == [
        (1.5, "SIGTERM sent"),
        (1.0, "task 1 inserted, pending"),
        (1.1, "task 1: pending → processing, assigned_worker id-of-worker-A"),
        (1.9, "task 1: processing → completed"),
    ]


def test_a_worker_that_still_has_its_task_and_still_runs_is_still_running() -> None:
    assert clean(second=twice()).observed == "still running"


def test_a_task_that_a_second_signal_loses_is_named() -> None:
    judgement = clean(second=twice().claim("2", 1.4, A).complete("1", 1.45, A).exit(A, 1.6))
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 2 left processing")
    assert told(judgement)[0] == (1.5, "SIGTERM sent")


def test_of_several_tasks_that_a_second_signal_loses_the_first_is_named() -> None:
    assert clean(second=twice().claim("2", 1.4, A).exit(A, 1.6)).observed == "task 1 left processing"


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_task_that_is_given_back_after_a_second_signal_is_not_lost(status: str) -> None:
    assert clean(second=twice().update("1", 1.6, A, status=status).exit(A, 1.7)).verdict is PASS


def test_a_task_that_no_worker_took_is_not_lost() -> None:
    story = done_twice().insert("9", 0.5, status="processing", assigned_worker="somebody")
    assert clean(second=story).verdict is PASS


def over(story: Story, at: float) -> Story:
    """The grader ends what is still there."""
    story.add(WaitTimedOut(at=at, waited_for="worker-A", seconds=10.0)).note("scenario-over", at)
    return story.signal(A, "SIGKILL", at + 0.01).exit(A, at + 0.02, -9, "client")


def test_the_grader_s_own_sigkill_at_the_end_is_no_second_signal() -> None:
    done_too_soon = Story().start(A).insert("1", 1.0).claim("1", 1.1, A).complete("1", 1.101, A)
    with pytest.raises(NotObserved, match="the second signal was not sent"):
        clean(once(), over(done_too_soon, 11.0))


def test_a_worker_that_two_signals_do_not_end_fails_with_the_second_of_them() -> None:
    story = (
        Story().start(A).insert("1", 1.0).claim("1", 1.1, A).signal(A, "SIGTERM", 1.3).signal(A, "SIGTERM", 1.5)
    )
    judgement = clean(once(), over(story.complete("1", 1.9, A), 11.5))
    assert (judgement.verdict, judgement.observed) == (FAIL, "still running")
    assert (judgement.evidence[0].at, judgement.evidence[0].text) == (1.5, "SIGTERM sent")


def test_behind_a_wrapper_the_child_is_told_of_and_not_its_connection() -> None:
    story = at_work().exit(A, 1.51, -15, "grader")
    story.add(ChildrenLeft(at=1.6, service=A, commands=("python -m worker",)))
    judgement = clean(story, once())
    assert judgement.observed == "still alive: python -m worker"


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
