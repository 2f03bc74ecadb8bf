"""x.fencing, x.database-restart, x.long-task and x.task-types, from literal histories."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from grader.history.events import Stalled, UsageSampled, WaitTimedOut
from grader.history.recorder import PASSWORD_MARK
from grader.judgement import Judgement, NotObserved
from grader.judging import Judge, Take
from grader.model import Evidence, Verdict
from tests.unit.histories import Story
from tests.unit.judging import CHECKS, judged, reason

PASS, FAIL = Verdict.PASS, Verdict.FAIL
A, B, C = "worker-A", "worker-B", "worker-C"


def stalls(story: Story, *stalled: tuple[float, float]) -> Story:
    return story.add(*[Stalled(at=at, seconds=seconds) for at, seconds in stalled])


def gave_up(story: Story, at: float, seconds: float) -> Story:
    return story.add(WaitTimedOut(at=at, waited_for="task 1 to be completed", seconds=seconds))


# ---------------------------------------------------------------- x.fencing

COMPLETES = "UPDATE tasks SET status = 'completed' WHERE id = 1"
LEFT_ALONE = "it woke up, and left the task to the one that took it over"
NO_TAKEOVER = "no takeover was possible while the sleeper lived; completed once after it woke"
AT_WORK, THEN, AT_LAST = "stopped at work: ", "; as it was about to complete a task: ", "; at work that fails: "


def two() -> Story:
    return Story().start(A).start(B)


def sleeps(
    story: Story,
    task: str,
    at: float,
    *,
    sql: str | None = None,
    aged: bool = True,
    taken_over: bool = True,
    fails: bool = False,
) -> Story:
    """A claims, and is stopped at ``at``; half a second later B has the task; another half later A wakes up."""
    story.insert(task, at - 0.5).claim(task, at - 0.25, A)
    story.note("stopped", at, task=task, service=A, sql=sql, aged=aged, fails=fails)
    if taken_over:
        story.claim(task, at + 0.5, B)
    return story.note("woken", at + 1.0, task=task, service=A, taken_over=taken_over)


def awake(story: Story, task: str, at: float, seen: bool = True) -> Story:
    return story.note("awake-again", at, task=task, seen=seen)


def left_alone(story: Story, task: str, at: float, **about: Any) -> Story:
    """B completes what it took over."""
    return awake(sleeps(story, task, at, **about).complete(task, at + 1.25, B), task, at + 2.0)


def not_taken(story: Story, task: str, at: float, **about: Any) -> Story:
    """Nobody could take the task; A completes it once it is awake."""
    return awake(sleeps(story, task, at, taken_over=False, **about).complete(task, at + 1.25, A), task, at + 2.0)


def slept_enough(story: Story) -> Story:
    return story.note("slept-enough", 30.0)


def failed_by_the_other(story: Story, task: str, at: float) -> Story:
    """The work fails; B says so of what it took over."""
    return awake(sleeps(story, task, at, fails=True).update(task, at + 1.25, B, status="failed"), task, at + 2.0)


def and_the_others(story: Story) -> Story:
    """The second sleep and the third are as they should be."""
    return slept_enough(failed_by_the_other(left_alone(story, "8", 20.0, sql=COMPLETES), "9", 24.0))


def first(story: Story) -> Judgement:
    """Of a first sleep that is judged."""
    return judged("x.fencing", and_the_others(story))


def reason_of_first(story: Story) -> str:
    return reason("x.fencing", and_the_others(story))


def test_a_sleeper_that_leaves_its_tasks_to_the_other_one_passes_with_the_proof_of_every_sleep() -> None:
    story = left_alone(left_alone(two(), "1", 2.0), "2", 6.0, sql=COMPLETES, aged=False)
    judgement = judged("x.fencing", slept_enough(failed_by_the_other(story, "3", 10.0)))
    assert judgement.verdict is PASS
    assert judgement.observed == AT_WORK + LEFT_ALONE + THEN + LEFT_ALONE + AT_LAST + LEFT_ALONE
    taken = "still processing: assigned_worker, updated_at rewritten, assigned_worker id-of-worker-B"
    assert judgement.evidence == (
        Evidence(1.5, "task 1 inserted, pending"),
        Evidence(1.75, "task 1: pending → processing, assigned_worker id-of-worker-A", A),
        Evidence(2.0, "SIGSTOP while task 1 is in hand; its times moved past the timeout", A),
        Evidence(2.5, f"task 1, {taken}", B),
        Evidence(3.0, "SIGCONT", A),
        Evidence(3.25, "task 1: processing → completed", B),
        Evidence(5.5, "task 2 inserted, pending"),
        Evidence(5.75, "task 2: pending → processing, assigned_worker id-of-worker-A", A),
        Evidence(6.0, f"SIGSTOP while task 2 is in hand, “{COMPLETES}” held on its way", A),
        Evidence(6.5, f"task 2, {taken}", B),
        Evidence(7.0, "the statement let go, and SIGCONT", A),
        Evidence(7.25, "task 2: processing → completed", B),
        Evidence(9.5, "task 3 inserted, pending"),
        Evidence(9.75, "task 3: pending → processing, assigned_worker id-of-worker-A", A),
        Evidence(10.0, "SIGSTOP while task 3 is in hand; its times moved past the timeout", A),
        Evidence(10.5, f"task 3, {taken}", B),
        Evidence(11.0, "SIGCONT", A),
        Evidence(11.25, "task 3: processing → failed", B),
    )


@pytest.mark.parametrize(("length", "shown"), [(90, "x" * 90), (91, "x" * 89 + "…")])
def test_a_held_statement_is_shown_up_to_ninety_characters(length: int, shown: str) -> None:
    story = left_alone(left_alone(two(), "1", 2.0), "2", 6.0, sql="x" * length)
    judgement = judged("x.fencing", slept_enough(failed_by_the_other(story, "3", 10.0)))
    assert f"“{shown}” held" in judgement.evidence[8].text


def test_without_a_task_in_hand_no_sleep_can_be_judged() -> None:
    assert reason("x.fencing", slept_enough(two())) == "no worker had a task in hand"


def test_a_sleeper_that_is_not_woken_says_nothing() -> None:
    story = two().insert("1", 1.0).claim("1", 1.1, A)
    story.note("stopped", 1.2, task="1", service=A, sql=None, aged=True, fails=False).claim("1", 1.7, B)
    assert reason_of_first(awake(story.complete("1", 2.0, B), "1", 3.0)) == "the sleeper was not woken"


def test_a_task_that_is_left_alone_and_never_completed_says_nothing() -> None:
    assert reason_of_first(sleeps(two(), "1", 2.0)) == "the task was never completed"


def test_a_scenario_without_its_end_says_nothing() -> None:
    story = left_alone(left_alone(two(), "1", 2.0), "2", 6.0, sql=COMPLETES)
    assert reason("x.fencing", story) == "the scenario came to no end"


def test_a_sleeper_whose_completion_was_never_held_says_nothing() -> None:
    expected = "the statement that would complete the second task was not seen to come"
    assert reason("x.fencing", slept_enough(left_alone(two(), "1", 2.0))) == expected


def test_where_no_takeover_is_possible_one_sleep_is_enough() -> None:
    judgement = judged("x.fencing", slept_enough(not_taken(two(), "1", 2.0, aged=False)))
    assert (judgement.verdict, judgement.observed) == (PASS, AT_WORK + NO_TAKEOVER)
    assert [(line.at, line.text, line.service) for line in judgement.evidence] == [
        (1.5, "task 1 inserted, pending", None),
        (1.75, "task 1: pending → processing, assigned_worker id-of-worker-A", A),
        (2.0, "SIGSTOP while task 1 is in hand", A),
        (3.0, "SIGCONT", A),
        (3.25, "task 1: processing → completed", A),
    ]


def test_each_sleep_is_judged_by_what_was_seen_of_its_own_task() -> None:
    story = not_taken(left_alone(two(), "1", 2.0), "2", 6.0, sql=COMPLETES)
    judgement = judged("x.fencing", slept_enough(failed_by_the_other(story, "3", 10.0)))
    assert judgement.observed == AT_WORK + LEFT_ALONE + THEN + NO_TAKEOVER + AT_LAST + LEFT_ALONE


def test_a_task_that_nobody_took_over_and_two_completed_says_nothing() -> None:
    story = not_taken(two(), "1", 2.0).update("1", 3.5, B, status="completed")
    assert reason("x.fencing", slept_enough(story)) == "nobody took the task over"


def test_a_task_that_nobody_took_over_and_no_worker_completed_says_nothing() -> None:
    story = awake(sleeps(two(), "1", 2.0, taken_over=False), "1", 4.0)
    assert reason("x.fencing", slept_enough(story)) == "nobody took the task over"


def done_before(claimed: float | None) -> Story:
    """A completes its task as it is stopped; B has the task in hand all the same, by a claim or a transaction."""
    story = two().insert("1", 1.0).claim("1", 1.25, A)
    if claimed is not None and claimed <= 2.0:
        story.claim("1", claimed, B)
    story.complete("1", 2.0, A).note("stopped", 2.0, task="1", service=A, sql=None, aged=True, fails=False)
    if claimed is not None and claimed > 2.0:
        story.claim("1", claimed, B)
    story.note("woken", 3.0, task="1", service=A, taken_over=True).update("1", 3.25, B, status="completed")
    return awake(story, "1", 4.0)


@pytest.mark.parametrize("claimed", [None, 1.5, 2.0])
def test_a_task_that_was_done_and_not_taken_over_after_the_stop_says_nothing(claimed: float | None) -> None:
    assert reason_of_first(done_before(claimed)) == "the task was done before the worker slept"


def test_a_task_that_was_claimed_right_after_the_stop_is_taken_over() -> None:
    assert first(done_before(2.125)).verdict is PASS


def test_what_the_sleeper_itself_still_claims_is_no_takeover() -> None:
    story = (
        two()
        .insert("1", 1.0)
        .claim("1", 1.25, A)
        .note("stopped", 2.0, task="1", service=A, sql=None, aged=True, fails=False)
    )
    story.claim("1", 2.125, A, "another-name").complete("1", 2.25, A)
    story.note("woken", 3.0, task="1", service=A, taken_over=True)
    assert reason_of_first(awake(story, "1", 4.0)) == "the task was done before the worker slept"


def test_a_takeover_that_shows_by_the_other_ones_completion_alone_passes() -> None:
    story = (
        two()
        .insert("1", 1.5)
        .claim("1", 1.75, A)
        .note("stopped", 2.0, task="1", service=A, sql=None, aged=True, fails=False)
    )
    story.note("woken", 3.0, task="1", service=A, taken_over=True).complete("1", 3.25, B)
    assert (
        first(awake(story, "1", 4.0)).observed == AT_WORK + LEFT_ALONE + THEN + LEFT_ALONE + AT_LAST + LEFT_ALONE
    )


def completed_by_the_sleeper(at: float, sql: str | None = None) -> Story:
    return awake(sleeps(two(), "1", 2.0, sql=sql).complete("1", at, A), "1", 4.0)


def test_a_sleeper_that_completes_what_another_one_took_over_fails() -> None:
    judgement = first(completed_by_the_sleeper(3.12))
    assert (judgement.verdict, judgement.expected) == (FAIL, "the sleeper changes nothing")
    assert judgement.observed == "it changed task 1 0.12 s after it woke"
    assert judgement.hint is None
    assert [line.text for line in judgement.evidence] == [
        "task 1 inserted, pending",
        "task 1: pending → processing, assigned_worker id-of-worker-A",
        "SIGSTOP while task 1 is in hand; its times moved past the timeout",
        "task 1, still processing: assigned_worker, updated_at rewritten, assigned_worker id-of-worker-B",
        "SIGCONT",
        "task 1: processing → completed",
    ]


def test_a_held_statement_that_still_changes_the_task_is_told_where_the_condition_belongs() -> None:
    story = awake(sleeps(left_alone(two(), "1", 2.0), "2", 6.0, sql=COMPLETES).complete("2", 7.01, A), "2", 8.0)
    judgement = judged("x.fencing", slept_enough(story))
    assert judgement.observed == "it changed task 2 0.01 s after it woke"
    assert judgement.hint == (
        "Looking who owns the task is not enough: somebody may take it between the look and the UPDATE. "
        "Put what must still hold into the WHERE of the UPDATE itself, and look at its row count."
    )
    assert {re.findall(r"task (\d)", line.text)[0] for line in judgement.evidence if "task " in line.text} == {"2"}


@pytest.mark.parametrize(("at", "verdict"), [(1.9, PASS), (3.0, PASS), (3.001, FAIL)])
def test_only_what_the_sleeper_changes_after_it_woke_counts(at: float, verdict: Verdict) -> None:
    story = sleeps(two(), "1", 2.0).update("1", at, A).complete("1", 3.25, B)
    assert first(awake(story, "1", 4.0)).verdict is verdict


def test_a_sleeper_that_rewrites_the_row_without_moving_it_fails_with_the_first_two_of_its_changes() -> None:
    story = sleeps(two(), "1", 2.0).update("1", 3.1, A).update("1", 3.2, A).update("1", 3.3, A)
    judgement = first(awake(story.complete("1", 3.5, B), "1", 4.0))
    assert judgement.observed == "it changed task 1 0.10 s after it woke"
    rewritten = "task 1, still processing: updated_at rewritten"
    assert judgement.evidence[-3:] == (
        Evidence(3.5, "task 1: processing → completed", B),
        Evidence(3.1, rewritten, A),
        Evidence(3.2, rewritten, A),
    )


def test_a_sleeper_that_changes_the_task_fails_whether_or_not_it_is_seen_to_go_on() -> None:
    story = sleeps(two(), "1", 2.0).complete("1", 3.12, A)
    assert first(awake(story, "1", 4.0, seen=False)).verdict is FAIL


def test_a_sleeper_that_is_not_seen_to_go_on_says_nothing() -> None:
    story = awake(sleeps(two(), "1", 2.0).complete("1", 3.25, B), "1", 4.0, seen=False)
    assert reason_of_first(story) == "the sleeper was not seen to go on after it was woken"


def taken_up_anew(at: float, status: str = "pending", *, sign: float | None = None) -> Story:
    """A takes up what B has had since 2.5, in silence but for a sign of life at ``sign``."""
    story = sleeps(two(), "1", 2.0)
    if sign is not None:
        story.update("1", sign, B)
    story.update("1", at, A, status=status)
    if status == "pending":
        story.claim("1", at + 0.01, A)
    return awake(story.complete("1", 6.0, A), "1", 6.5)


@pytest.mark.parametrize("status", ["pending", "processing"])
@pytest.mark.parametrize(
    ("at", "verdict"),
    [(3.57, FAIL), (3.58, PASS)],  # nine tenths of the timeout of 1.2 s after 2.5
)
def test_the_sleeper_may_take_the_task_up_anew_once_the_other_one_was_silent_for_the_timeout(
    at: float, status: str, verdict: Verdict
) -> None:
    assert first(taken_up_anew(at, status)).verdict is verdict


def test_a_sleeper_that_took_the_task_up_anew_is_to_be_seen_as_well() -> None:
    story = sleeps(two(), "1", 2.0).update("1", 4.0, A, status="pending").claim("1", 4.1, A).complete("1", 5.0, A)
    reason = reason_of_first(awake(story, "1", 5.5, seen=False))
    assert reason == "the sleeper was not seen to go on after it was woken"


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_to_end_the_other_ones_attempt_is_not_to_take_the_task_up_anew(status: str) -> None:
    assert first(taken_up_anew(5.0, status)).verdict is FAIL


def test_silence_counts_from_the_last_sign_of_life() -> None:
    assert first(taken_up_anew(4.0, sign=3.25)).verdict is FAIL
    assert first(taken_up_anew(4.5, sign=3.25)).verdict is PASS


def test_silence_counts_from_the_last_sign_of_life_of_whoever_was_last_to_give_one() -> None:
    story = sleeps(two().start(C), "1", 2.0).claim("1", 3.5, C).update("1", 4.0, A, status="pending")
    assert first(awake(story.claim("1", 4.1, C).complete("1", 5.0, C), "1", 5.5)).verdict is FAIL


def test_what_the_grader_changes_is_no_sign_of_life_of_the_other_one() -> None:
    story = sleeps(two(), "1", 2.0).update("1", 3.5, None).update("1", 4.0, A, status="pending")
    assert first(awake(story.claim("1", 4.1, A).complete("1", 5.0, A), "1", 5.5)).verdict is PASS


def test_where_the_other_one_has_written_nothing_yet_there_was_no_silence() -> None:
    story = (
        two()
        .insert("1", 1.5)
        .claim("1", 1.75, A)
        .note("stopped", 2.0, task="1", service=A, sql=None, aged=True, fails=False)
    )
    story.note("woken", 3.0, task="1", service=A, taken_over=True).update("1", 5.0, A, status="pending")
    assert first(awake(story.claim("1", 5.1, B).complete("1", 5.5, B), "1", 6.0)).verdict is FAIL


# ---------------------------------------------------------------- x.database-restart


def outages() -> Story:
    """The database goes away while A waits."""
    return Story().start(A).note("database-gone", 1.0, services=[A])


def restarted(story: Story, without: Story | None = None) -> Judgement:
    """``without``: its start while the database is out of reach."""
    return judged("x.database-restart", story, without or Story().start(A))


def used(story: Story, *cpu_s: float, every: float = 1.0, service: str = A) -> Story:
    return story.add(
        *[
            UsageSampled(at=2.0 + number * every, service=service, cpu_s=seconds, processes=1)
            for number, seconds in enumerate(cpu_s)
        ]
    )


def worked(story: Story, *tasks: str) -> Story:
    for number, task in enumerate(tasks):
        story.insert(task, 5.0 + number).claim(task, 5.25 + number, A).complete(task, 5.5 + number, A)
    return story


def came_through(story: Story) -> Story:
    return worked(story, "1", "2").note("came-through", 10.0)


def lines(story: Story, *at: float) -> Story:
    for moment in at:
        story.log(A, moment, f"line of {moment}")
    return story


def told(*at: float) -> tuple[Evidence, ...]:
    return tuple(Evidence(moment, f"log: line of {moment}", A) for moment in at)


def test_a_worker_that_comes_through_both_outages_passes_with_the_lives_of_both_tasks() -> None:
    judgement = restarted(came_through(used(outages(), 5.0, 5.1)))
    assert (judgement.verdict, judgement.observed) == (PASS, "two outages, two tasks completed")
    assert [line.text for line in judgement.evidence] == [
        "task 1 inserted, pending",
        "task 1: pending → processing, assigned_worker id-of-worker-A",
        "task 1: processing → completed",
        "task 2 inserted, pending",
        "task 2: pending → processing, assigned_worker id-of-worker-A",
        "task 2: processing → completed",
    ]


def test_without_an_outage_nothing_can_be_judged() -> None:
    story = came_through(Story().start(A))
    assert reason("x.database-restart", story, Story()) == "the worker never came to its first poll"


@pytest.mark.parametrize(("status", "words"), [(1, "status 1"), (-11, "ended by signal 11")])
def test_a_worker_that_ends_over_an_outage_fails_with_its_last_lines(status: int, words: str) -> None:
    story = lines(outages(), 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6).exit(A, 1.7, status)
    judgement = restarted(used(story, 0.0, 1.0))
    assert (judgement.verdict, judgement.expected) == (FAIL, "the worker lives")
    assert judgement.observed == "it ended when the database was gone"
    assert judgement.evidence == (*told(1.2, 1.3, 1.4, 1.5, 1.6), Evidence(1.7, f"exited, {words}", A))


def test_what_a_worker_wrote_before_the_outage_proves_nothing() -> None:
    judgement = restarted(lines(outages(), 0.9, 1.0, 1.001).exit(A, 1.7, 1))
    assert judgement.evidence[:-1] == told(1.001)


def test_a_worker_that_the_grader_ends_has_come_through() -> None:
    story = came_through(outages()).note("scenario-over", 11.0).exit(A, 11.1, -9)
    assert restarted(story).verdict is PASS


@pytest.mark.parametrize(
    ("cpu_s", "every", "verdict"),
    [
        ((0.0, 0.35), 1.0, PASS),
        ((0.0, 0.36), 1.0, FAIL),
        ((5.0, 5.25), 1.0, PASS),
        ((5.0, 5.5), 1.0, FAIL),
        ((0.0, 0.5), 2.0, PASS),
        ((0.0, 0.75), 2.0, FAIL),
        ((0.0,), 1.0, PASS),
        ((0.0, 0.5, 0.5), 1.0, FAIL),
        ((0.0, 0.25, 9.0), 1.0, PASS),
    ],
)
def test_a_worker_that_uses_more_than_a_third_of_a_cpu_without_a_database_is_busy(
    cpu_s: tuple[float, ...], every: float, verdict: Verdict
) -> None:
    assert restarted(came_through(used(outages(), *cpu_s, every=every))).verdict is verdict


def test_a_busy_worker_fails_with_what_it_used_and_its_first_lines() -> None:
    story = lines(outages(), 0.9, 1.1, 1.2, 1.3, 1.4)
    judgement = restarted(came_through(used(story, 2.0, 3.5, every=2.0)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "a pause between two tries to connect")
    assert judgement.observed == "1.5 s of CPU time in 2.0 s"
    assert judgement.evidence == told(1.1, 1.2, 1.3)


def test_what_another_process_uses_makes_no_worker_busy() -> None:
    story = came_through(used(outages(), 0.0, 0.9, service=B))
    assert restarted(story).verdict is PASS


def test_a_task_that_is_not_completed_after_the_outage_fails_with_how_long_was_waited() -> None:
    story = worked(lines(outages(), 1.1, 1.2, 1.3, 1.4, 1.5, 1.6), "1").insert("2", 7.0).claim("2", 7.25, A)
    judgement = restarted(gave_up(story, 22.4, 15.4))
    assert judgement.verdict is FAIL
    assert judgement.expected == "every task completed after the database is back"
    assert judgement.observed == "15 s later: task 2 processing"
    assert judgement.evidence == (
        *told(1.2, 1.3, 1.4, 1.5, 1.6),
        Evidence(7.0, "task 2 inserted, pending"),
        Evidence(7.25, "task 2: pending → processing, assigned_worker id-of-worker-A", A),
    )


def test_every_task_that_is_lost_is_told() -> None:
    story = outages().insert("1", 5.0).claim("1", 5.1, A).update("1", 5.2, A, status="failed").insert("2", 6.0)
    judgement = restarted(gave_up(story, 21.0, 15.0))
    assert judgement.observed == "15 s later: task 1 failed, task 2 pending"
    assert len(judgement.evidence) == 4


def test_a_lost_task_of_a_scenario_without_an_end_fails_as_well() -> None:
    judgement = restarted(outages().insert("1", 5.0))
    assert (judgement.verdict, judgement.observed) == (FAIL, "0 s later: task 1 pending")


def test_a_scenario_that_stops_before_its_second_task_does_not_pass() -> None:
    story = gave_up(worked(outages(), "1"), 20.0, 15.0)
    check = CHECKS["x.database-restart"]
    takes = {
        "database_restarts": [Take(story.history(), 1.0)],
        "no_database": [Take(Story().start(A).history(), 1.0)],
    }
    assert Judge((check,), takes).results()[check.id].verdict is not PASS


def test_a_task_that_is_lost_in_the_end_fails_although_it_was_completed_once() -> None:
    story = came_through(outages()).update("1", 10.5, A, status="pending")
    assert restarted(story).verdict is FAIL


LEAK = f"lost the connection to postgresql://me:{PASSWORD_MARK}@host/lab"


def test_a_password_that_is_told_when_the_connection_is_lost_fails() -> None:
    judgement = restarted(came_through(used(outages().log(A, 1.2, LEAK), 0.0, 0.1)))
    assert (judgement.verdict, judgement.expected) == (FAIL, "no password in the log")
    assert [(line.at, line.text) for line in judgement.evidence] == [(1.2, f"log: {LEAK}")]


def test_a_password_that_is_told_without_an_outage_too_is_the_fault_of_another_check() -> None:
    story = came_through(used(outages().log(A, 1.2, LEAK), 0.0, 0.1))
    assert restarted(story, Story().start(A).log(A, 0.5, LEAK)).verdict is PASS


def test_a_password_in_the_log_of_another_service_is_not_the_workers() -> None:
    assert restarted(came_through(used(outages().start(B).log(B, 1.2, LEAK), 0.0, 0.1))).verdict is PASS


# ---------------------------------------------------------------- x.long-task


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


# ---------------------------------------------------------------- x.task-types

PLAIN, EMAIL = ("6101", "fuzzy otter"), ("6102", "quiet heron")
SAME = "the same lines as for a plain task"


def an_email(*lines: tuple[float, str], status: str = "completed") -> Story:
    """A plain task until 2, an email from then on, completed at 3."""
    story = Story().start(A, WORKER_TASK_DURATION="0.4").insert("6101", 1.0).insert("6102", 2.0)
    story.claim("6101", 1.25, A).complete("6101", 1.75, A)
    story.note("email", 2.0, task=EMAIL[0], title=EMAIL[1], plain=PLAIN[0], plain_title=PLAIN[1])
    if status != "pending":
        story.claim("6102", 2.25, A).update("6102", 3.0, A, status=status)
    for at, text in lines:
        story.log(A, at, text)
    return story.insert("6103", 4.0).note("failing-email", 4.1, task="6103")


def test_without_an_email_nothing_can_be_judged_of_types() -> None:
    story = Story().start(A).insert("6101", 1.0)
    assert reason("x.task-types", story) == "the plain task was not completed"


@pytest.mark.parametrize(("status", "steps"), [("pending", 1), ("failed", 3)])
def test_an_email_that_is_not_completed_fails_with_its_life(status: str, steps: int) -> None:
    judgement = judged("x.task-types", an_email((2.5, "sending mail for task 6102"), status=status))
    assert (judgement.verdict, judgement.expected) == (FAIL, "the email task completed")
    assert judgement.observed == f"it is {status}"
    assert len(judgement.evidence) == steps
    assert all("6102" in line.text for line in judgement.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "sending task=6102 to nobody",
        "sending 'quiet heron' to nobody",
        "E-MAIL is on its way",
        "mailer called",
    ],
)
def test_a_line_that_names_the_email_and_has_no_like_is_its_own(text: str) -> None:
    judgement = judged(
        "x.task-types", an_email((1.5, "claimed task=6101"), (2.5, "claimed task=6102"), (2.6, text))
    )
    assert (judgement.verdict, judgement.observed) == (PASS, "completed, with a line of its own")
    assert judgement.evidence == (Evidence(2.6, f"log: {text}", A),)


def test_the_first_line_of_its_own_is_the_proof() -> None:
    story = an_email((2.0, "email 6102 begins"), (2.5, "email 6102 is under way"))
    assert judged("x.task-types", story).evidence == (Evidence(2.0, "log: email 6102 begins", A),)


@pytest.mark.parametrize(
    ("plain", "email"),
    [
        ("done id:6101", "done id:6102"),
        ("working on 'fuzzy otter'", "working on 'quiet heron'"),
        ("12:00:01 task 6101 took 0.05 s", "12:00:02 task 6102 took 0.06 s"),
        ("mail checked", "mail checked"),
    ],
)
def test_a_line_that_a_plain_task_has_as_well_is_not_the_emails_own(plain: str, email: str) -> None:
    assert judged("x.task-types", an_email((1.5, plain), (2.5, email))).observed == SAME


@pytest.mark.parametrize("text", ["heartbeat", "task 61020 seen", "task 7.6102 seen"])
def test_a_line_of_something_else_is_not_the_emails_own(text: str) -> None:
    assert judged("x.task-types", an_email((2.5, text))).observed == SAME


def test_a_line_of_another_service_is_not_the_emails_own() -> None:
    story = an_email().start(B).log(B, 2.5, "sending mail for task 6102")
    assert judged("x.task-types", story).verdict is FAIL


def test_a_line_that_names_the_plain_task_is_not_the_emails_own_however_late_it_comes() -> None:
    assert judged("x.task-types", an_email((2.5, "no mail to send for task 6101"))).observed == SAME


def test_a_late_line_of_the_plain_task_tells_what_is_usual() -> None:
    assert judged("x.task-types", an_email((2.4, "ending task 6102"), (2.5, "ending task 6101"))).observed == SAME


def test_an_email_like_any_other_task_fails_with_the_first_five_lines_since_it_came() -> None:
    usual = [(1.5 + number / 100, f"step {number}") for number in range(3)]
    since = [(2.0 + number / 100, f"step {number}") for number in range(7)]
    judgement = judged("x.task-types", an_email(*usual, *since))
    assert judgement.verdict is FAIL
    assert judgement.expected == "a log line for the email that a plain task does not have"
    assert judgement.observed == SAME
    assert judgement.evidence == tuple(Evidence(at, f"log: {text}", A) for at, text in since[:5])


# ---------------------------------------------------------------- what one part lacks does not hide what another shows


def first_sleep_broken() -> Story:
    return awake(sleeps(two(), "1", 2.0).complete("1", 3.12, A), "1", 4.0)


def second_sleep_not_woken() -> Story:
    story = first_sleep_broken().insert("2", 5.5).claim("2", 5.75, A)
    return story.note("stopped", 6.0, task="2", service=A, sql=COMPLETES, aged=True, fails=False)


def second_sleep_not_completed() -> Story:
    return sleeps(first_sleep_broken(), "2", 6.0, sql=COMPLETES)


def second_sleep_not_seen() -> Story:
    return slept_enough(awake(second_sleep_not_completed().complete("2", 7.3, B), "2", 8.0, seen=False))


@pytest.mark.parametrize("story", [second_sleep_not_woken, second_sleep_not_completed, second_sleep_not_seen])
def test_a_first_sleep_that_shows_the_fault_fails_whatever_the_second_one_lacks(
    story: Callable[[], Story],
) -> None:
    judgement = judged("x.fencing", story())
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "it changed task 1 0.12 s after it woke"


def test_a_sleeper_that_keeps_the_task_from_its_end_fails() -> None:
    story = gave_up(sleeps(two(), "1", 2.0).update("1", 3.01, A, status="failed"), 13.0, 10.0)
    judgement = judged("x.fencing", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.observed == "it changed task 1 0.01 s after it woke"


def test_a_task_that_was_done_before_the_stop_says_nothing_of_takeovers() -> None:
    story = two().insert("1", 1.5).claim("1", 1.75, A).complete("1", 1.95, A)
    story.note("stopped", 2.0, task="1", service=A, sql=None, aged=False, fails=False)
    story.note("woken", 10.0, task="1", service=A, taken_over=False)
    with pytest.raises(NotObserved, match="done before the worker slept"):
        CHECKS["x.fencing"].judge(slept_enough(awake(story, "1", 11.0)).history())


def test_a_takeover_after_the_waking_says_nothing_of_the_sleep() -> None:
    story = sleeps(two(), "1", 2.0, taken_over=False).claim("1", 3.1, B).complete("1", 3.3, A)
    with pytest.raises(NotObserved, match="only when the sleeper was awake again"):
        CHECKS["x.fencing"].judge(slept_enough(awake(story, "1", 4.0)).history())


@pytest.mark.parametrize("story", [outages, lambda: gave_up(worked(outages(), "1"), 20.0, 15.0)])
def test_an_outage_that_did_not_come_about_costs_nobody_points(story: Callable[[], Story]) -> None:
    with pytest.raises(NotObserved, match="the second outage did not come about"):
        restarted(story())


def test_a_second_task_that_was_taken_fails_although_the_first_one_came_to_no_end() -> None:
    story = gave_up(long_work().claim("2", 2.75, C), 13.0, 12.0)
    judgement = judged("x.long-task", story)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.expected == "task 2 stays with worker-B"


def test_a_second_task_that_was_taken_fails_although_a_stall_explains_the_first_one() -> None:
    story = both_done(stalls(long_work().claim("2", 2.75, C).claim("1", 4.4, C), (4.2, 1.0)))
    assert judged("x.long-task", story).verdict is Verdict.FAIL


def test_an_email_s_own_line_counts_however_soon_it_comes() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="0.05").insert("6101", 1.0).claim("6101", 1.25, A)
    story.complete("6101", 1.75, A).insert("6102", 2.0).claim("6102", 2.005, A)
    story.log(A, 2.01, "sending mail for task 6102 to nobody").complete("6102", 2.1, A)
    story.note("email", 2.02, task="6102", title=EMAIL[1], plain="6101", plain_title=PLAIN[1])
    story.insert("6103", 4.0).note("failing-email", 4.1, task="6103")
    assert judged("x.task-types", story).verdict is Verdict.PASS


SENDING = (2.5, "sending mail for task 6102")


def plain_task_that_fails(status: str = "failed") -> Story:
    story = Story().start(A).insert("1", 1.0).claim("1", 1.5, A).update("1", 2.0, A, status=status)
    return story.note("failing", 1.1, task="1")


def test_an_email_that_is_over_before_its_work_can_have_been_done_fails() -> None:
    story = an_email(SENDING, status="processing").complete("6102", 2.3, A)
    judgement = judged("x.task-types", story)
    assert (judgement.verdict, judgement.expected) == (FAIL, "an email takes the time that work takes")
    assert judgement.observed == "task 6102 completed 0.05 s after its claim, and its work takes 0.4 s"


def test_where_plain_work_is_too_short_as_well_the_email_is_not_blamed() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="2").insert("6101", 1.0).insert("6102", 2.0)
    story.claim("6101", 1.25, A).complete("6101", 1.75, A).claim("6102", 2.25, A).complete("6102", 2.3, A)
    story.note("email", 2.0, task="6102", title=EMAIL[1], plain="6101", plain_title=PLAIN[1]).log(A, *SENDING)
    story.insert("6103", 4.0).note("failing-email", 4.1, task="6103")
    assert judged("x.task-types", story).verdict is PASS


def test_an_email_that_is_to_fail_and_is_completed_fails_where_a_plain_task_does_not() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A).complete("6103", 5.0, A)
    judgement = judged("x.task-types", story, plain_task_that_fails())
    assert (judgement.verdict, judgement.observed) == (FAIL, "task 6103 was completed")
    assert judgement.expected == "an email whose payload says so fails, as a plain task does"
    assert judged("x.task-types", story, plain_task_that_fails("completed")).verdict is PASS
    assert judged("x.task-types", story).verdict is PASS


def test_an_email_that_ends_the_worker_as_it_fails_is_no_plain_failure() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A).exit(A, 5.0, 1)
    judgement = judged("x.task-types", story, plain_task_that_fails())
    assert (judgement.verdict, judgement.observed) == (FAIL, "the worker ended")


def test_an_email_that_came_to_no_end_is_not_judged_where_a_plain_task_does() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A)
    assert reason("x.task-types", story, plain_task_that_fails()) == "an email whose work fails came to no end"
    assert judged("x.task-types", story).verdict is PASS


def test_an_email_that_fails_as_its_payload_says_passes() -> None:
    story = an_email(SENDING).claim("6103", 4.5, A).update("6103", 5.0, A, status="failed")
    assert judged("x.task-types", story, plain_task_that_fails()).verdict is PASS


def test_without_an_email_that_is_to_fail_nothing_can_be_said() -> None:
    story = Story().start(A, WORKER_TASK_DURATION="0.1").insert("6101", 1.0).claim("6101", 1.25, A)
    story.complete("6101", 1.75, A).insert("6102", 2.0).claim("6102", 2.25, A).complete("6102", 3.0, A)
    story.note("email", 2.0, task="6102", title=EMAIL[1], plain="6101", plain_title=PLAIN[1]).log(A, *SENDING)
    assert reason("x.task-types", story) == "the scenario came to no end"
