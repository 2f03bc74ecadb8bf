"""3a.sigint and 3a.clean-exit, from literal histories.

More of work that a signal ends is in test_checks_shutdown.py.
"""

from __future__ import annotations

from typing import Literal

import pytest

from grader.history.events import ChildrenLeft, ConnectionClosed, ConnectionOpened, ConnectionReady, WaitTimedOut
from grader.judgement import NotObserved
from grader.model import Verdict
from tests.unit.histories import Story
from tests.unit.judging import told
from tests.unit.stories import (
    FIRST,
    SECOND,
    SHORT,
    WHOLE,
    at_work,
    clean,
    done_twice,
    long_at_work,
    long_once,
    long_twice,
    no_exit,
    once,
    sigint,
    stopped_idle,
    twice,
    usual,
)

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B = "worker-A", "worker-B"


# ---------------------------------------------------------------- 3a.sigint


def interrupted() -> Story:
    """SIGINT comes at 1.5; one of two tasks is in hand."""
    story = Story().start(A).insert("1", 1.0).insert("2", 1.05).claim("1", 1.2, A)
    return story.signal(A, "SIGINT", 1.5)


def finished() -> Story:
    return interrupted().complete("1", 2.0, A).exit(A, 2.1)


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


def test_a_second_sigint_that_changes_nothing_passes() -> None:
    assert sigint(interrupted().signal(A, "SIGINT", 1.7).complete("1", 2.0, A).exit(A, 2.1)).verdict is PASS
    assert sigint(interrupted().complete("1", 1.6, A).signal(A, "SIGINT", 1.7).exit(A, 1.8)).verdict is PASS


@pytest.mark.parametrize("status", [-2, 130, 1, 0])
def test_a_second_sigint_that_ends_the_work_in_hand_fails_and_is_the_one_that_is_told(status: int) -> None:
    story = interrupted().signal(A, "SIGINT", 1.7).log(A, 1.71, "Traceback (most recent call last):")
    judgement = sigint(story.exit(A, 1.75, status))
    assert (judgement.verdict, told(judgement)[0]) == (FAIL, (1.7, "SIGINT sent"))
    assert judgement.expected == "the task completed, nothing left processing, exit status 0"
    assert "People press it twice" in str(judgement.hint)


def test_work_that_the_second_sigint_did_not_end_is_none_of_its_doing() -> None:
    done = interrupted().signal(A, "SIGINT", 1.7).complete("1", 2.0, A)
    assert "the exit status alone is wrong" in str(sigint(done.exit(A, 2.1, 1)).hint)
    stays = interrupted().signal(A, "SIGINT", 1.7).complete("1", 2.0, A)
    stays.add(WaitTimedOut(at=11.5, waited_for="worker-A to exit", seconds=10.0))
    assert "something keeps it alive" in str(sigint(stays).hint)


def test_what_the_first_sigint_did_is_no_matter_of_the_second() -> None:
    ended = interrupted().update("1", 1.6, A, status="pending").signal(A, "SIGINT", 1.7).exit(A, 1.8)
    assert (sigint(ended).verdict, told(sigint(ended))[0]) == (FAIL, (1.5, "SIGINT sent"))
    assert "twice" not in str(sigint(ended).hint)


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
        (-2, "task 1 completed, ended by signal 2", "the exit status alone is wrong"),
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
    judgement = sigint(interrupted().complete("1", 2.0, A).add(no_exit(10.0)))
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
    story.claim("2", 1.65, A).add(no_exit(10.0))
    assert hint in str(sigint(story).hint)


def test_work_that_sigint_ended_is_told_with_sigint_and_before_its_traceback() -> None:
    judgement = sigint(long_once(1.75, "SIGINT").log(A, 1.6, "Traceback (most recent call last):"))
    assert judgement.observed == "task 1 completed 0.75 s after its claim, and its work takes 5 s"
    assert told(judgement)[0] == (1.5, "SIGINT sent")


# ---------------------------------------------------------------- 3a.clean-exit


By = Literal["terminate", "client", "server", "grader"]


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
    judgement = clean(at_work().add(no_exit(10.0)))
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


@pytest.mark.parametrize(
    ("waiting", "observed"),
    [
        (stopped_idle().exit(A, 1.6, closed_by="client"), "1 connection just dropped"),
        (connection(stopped_idle().exit(A, 1.6), A, 900, None), "1 connection just dropped"),
        (
            connection(stopped_idle().exit(A, 1.6, closed_by="client"), A, 900, "server"),
            "2 connections just dropped",
        ),
        (children(stopped_idle().exit(A, 1.6), A, "sleep 60"), "still alive: sleep 60"),
    ],
)
def test_a_worker_that_is_stopped_while_it_waits_leaves_nothing_behind_either(
    waiting: Story, observed: str
) -> None:
    judgement = clean(waiting=waiting)
    assert (judgement.verdict, judgement.observed) == (FAIL, observed)
    if "dropped" in observed:
        assert (
            judgement.expected
            == "every connection closed with a Terminate message, also after a wait between polls"
        )
        assert told(judgement) == [(1.5, "SIGTERM sent"), (1.6, "exited, status 0")]


@pytest.mark.parametrize(
    "waiting",
    [
        stopped_idle().exit(A, 1.6),
        stopped_idle(),  # that it does not end is the matter of the check of a signal while it waits
        stopped_idle().exit(A, 1.6, -15, closed_by="client"),  # and this as well
        connection(stopped_idle().exit(A, 1.6), A, 900, "client", ready=False),
        connection(stopped_idle().exit(A, 1.6), "api", 900, "client"),
    ],
)
def test_how_a_worker_that_waits_ends_is_another_matter(waiting: Story) -> None:
    assert clean(waiting=waiting).verdict is PASS


def test_a_worker_that_never_came_to_wait_leaves_that_open() -> None:
    with pytest.raises(NotObserved, match="^the worker never came to wait$"):
        clean(waiting=Story().start(A))


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


# ---------------------------------------------------------------- 3a.clean-exit: work that a signal ends


def test_a_clean_exit_is_one_whatever_became_of_the_work_at_the_first_signal() -> None:
    assert clean(long_once(SHORT)).verdict is PASS
    assert clean(long_once(1.6), long_twice()).verdict is PASS


def test_work_that_the_second_signal_ended_is_told_with_the_second() -> None:
    judgement = clean(second=long_twice(2.75))
    assert judgement.expected == "the work in hand is done to its end, and then the task is completed"
    assert judgement.observed == "task 1 completed 1.75 s after its claim, and its work takes 5 s"
    assert "Only the wait between two polls may end early" in str(judgement.hint)
    assert told(judgement)[0] == (SECOND, "SIGTERM sent")


def test_a_worker_that_dropped_its_work_and_was_gone_before_a_second_signal_exits_cleanly() -> None:
    judgement = clean(second=long_once(2.0))
    assert judgement.verdict is PASS
    assert judgement.observed == "Terminate on every connection, no child left, gone before a second SIGTERM"


@pytest.mark.parametrize(
    ("second", "third"),
    [
        (long_once(WHOLE), usual(5.0)),  # it did all of its work
        (long_once(2.0), usual(1.0)),  # its work is always that short
        (long_once(2.0), usual()),
    ],
)
def test_a_worker_that_was_gone_before_a_second_signal_and_dropped_nothing_says_nothing(
    second: Story, third: Story
) -> None:
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=second, third=third)


def test_a_worker_that_dropped_its_work_and_stays_although_there_was_no_second_signal_says_nothing() -> None:
    story = long_at_work().signal(A, "SIGTERM", FIRST).complete("1", 2.0, A)
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=story)


def test_a_task_that_is_lost_is_told_before_work_that_was_cut_short() -> None:
    story = (
        long_at_work().insert("2", 0.6).claim("2", 1.1, A).signal(A, "SIGTERM", FIRST).signal(A, "SIGTERM", SECOND)
    )
    judgement = clean(second=story.complete("1", 2.75, A).exit(A, 3.0))
    assert judgement.observed == "task 2 left processing"


def test_a_worker_that_had_completed_its_task_before_the_first_signal_dropped_nothing_at_it() -> None:
    with pytest.raises(NotObserved, match="^the second signal was not sent$"):
        clean(second=long_once(1.4))
