"""x.fencing, from literal histories."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from grader.checkpoints import all_checks, select
from grader.checkpoints.fencing import fails_at_once
from grader.history.timeline import History
from grader.judgement import Judgement, NotObserved
from grader.model import Evidence, Verdict
from tests.unit.histories import Story
from tests.unit.judging import CHECKS, graded, judged, reason
from tests.unit.stories import gave_up

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B, C = "worker-A", "worker-B", "worker-C"

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


def test_work_that_fails_before_it_begins_is_judged_by_the_two_other_sleeps() -> None:
    story = left_alone(left_alone(two(), "1", 2.0), "2", 6.0, sql=COMPLETES).insert("3", 10.0).claim("3", 10.1, A)
    story.update("3", 10.11, A, status="failed").note("fails-at-once", 10.3, task="3")
    judgement = judged("x.fencing", slept_enough(story))
    assert (judgement.verdict, judgement.observed) == (PASS, AT_WORK + LEFT_ALONE + THEN + LEFT_ALONE)
    alone = left_alone(two(), "1", 2.0).note("fails-at-once", 10.3, task="3")
    assert "was not seen to come" in reason("x.fencing", slept_enough(alone))


@pytest.mark.parametrize(("took", "at_once"), [(0.0, True), (0.24, True), (0.26, False), (0.6, False)])
@pytest.mark.parametrize("status", ["failed", "pending"])
def test_work_is_seen_to_fail_before_it_can_have_been_done(took: float, at_once: bool, status: str) -> None:
    story = two().insert("3", 1.0).claim("3", 2.0, A)
    assert fails_at_once(story.history().story("3")) is False
    assert fails_at_once(story.update("3", 2.0 + took, A, status=status).history().story("3")) is at_once
    again = story.claim("3", 5.0, B).update("3", 5.0 + took, B, status="failed")
    assert fails_at_once(again.history().story("3")) is at_once


@pytest.mark.parametrize(("status", "at_once"), [("failed", True), ("pending", False)])
def test_a_claim_that_nobody_sees_is_none_to_sleep_in(status: str, at_once: bool) -> None:
    story = two().insert("3", 1.0).update("3", 2.0, A, status=status)
    assert fails_at_once(story.history().story("3")) is at_once


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


# ---------------------------------------------------------------- what one sleep lacks does not hide what another shows


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


# ---------------------------------------------------------------- sleeps that follow each other


def slept(task: str, at: float, *, taken_over: bool = True, sql: str | None = None, fails: bool = False) -> Story:
    """Worker A claims at ``at``, sleeps, and wakes 1 s later, when B has taken the task over."""
    story = Story().start(A).start(B).insert(task, at - 0.1).claim(task, at, A)
    story.note("stopped", at + 0.1, task=task, service=A, sql=sql, aged=True, fails=fails)
    if taken_over:
        story.claim(task, at + 0.5, B)
    story.note("woken", at + 1.0, task=task, service=A, taken_over=taken_over)
    return story.note("awake-again", at + 2.0, task=task, seen=True)


def failed(task: str, at: float) -> Story:
    """Its work fails, and worker B, which took it over, says so."""
    return slept(task, at, fails=True).update(task, at + 1.5, B, status="failed")


def all_of(first: Story, second: Story, third: Story | None = None, *, over: bool = True) -> History:
    """Sleeps at work, at a completion, and at work that fails."""
    story = Story().add(*first.events, *second.events, *(third or failed("3", 9.0)).events)
    return (story.note("slept-enough", 20.0) if over else story).history()


def slept_and_left_alone(task: str, at: float, sql: str | None = None) -> Story:
    return slept(task, at, sql=sql).complete(task, at + 1.5, B)


def test_a_sleeper_that_leaves_all_tasks_alone_passes() -> None:
    history = all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES))
    assert graded("x.fencing", history).verdict is PASS


def test_a_sleeper_whose_held_statement_still_changes_the_task_fails() -> None:
    second = slept("2", 5.0, sql=COMPLETES).complete("2", 6.01, A)
    result = graded("x.fencing", all_of(slept_and_left_alone("1", 1.0), second))
    assert (result.verdict, result.observed) == (FAIL, "it changed task 2 0.01 s after it woke")
    assert "WHERE of the UPDATE itself" in str(result.hint)
    assert any("held on its way" in line.text for line in result.evidence)


def test_a_sleeper_that_rewrites_a_task_at_work_fails() -> None:
    first = slept("1", 1.0).update("1", 2.3, A, status="completed")
    result = graded("x.fencing", all_of(first, slept_and_left_alone("2", 5.0, COMPLETES)))
    assert (result.verdict, result.hint) == (FAIL, select(all_checks(), only=["x.fencing"])[0].hint)


def test_a_sleeper_that_takes_the_task_up_anew_once_the_other_one_was_silent_for_long_passes() -> None:
    again = slept("2", 5.0, sql=COMPLETES).update("2", 6.8, A, status="pending").claim("2", 6.9, A)
    assert graded("x.fencing", all_of(slept_and_left_alone("1", 1.0), again.complete("2", 7.5, A))).verdict is PASS


def test_a_sleeper_that_takes_the_task_back_from_a_live_one_fails() -> None:
    again = slept("2", 5.0, sql=COMPLETES).update("2", 6.1, A, status="pending").claim("2", 6.2, A)
    assert graded("x.fencing", all_of(slept_and_left_alone("1", 1.0), again.complete("2", 7.5, A))).verdict is FAIL


def test_a_task_that_cannot_be_taken_over_passes_when_it_is_completed_once() -> None:
    alone = slept("1", 1.0, taken_over=False).complete("1", 2.5, A)
    assert graded("x.fencing", all_of(alone, Story(), Story())).verdict is PASS


def test_a_sleeper_that_was_never_held_at_its_completion_decides_nothing() -> None:
    assert graded("x.fencing", all_of(slept_and_left_alone("1", 1.0), Story())).verdict is INCONCLUSIVE
    history = all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES), over=False)
    assert graded("x.fencing", history).verdict is INCONCLUSIVE


def test_a_sleeper_whose_failure_goes_to_a_task_that_another_one_has_fails_with_a_hint_of_its_own() -> None:
    third = slept("3", 9.0, fails=True).update("3", 10.02, A, status="failed")
    result = graded(
        "x.fencing", all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES), third)
    )
    assert (result.verdict, result.observed) == (FAIL, "it changed task 3 0.02 s after it woke")
    assert "path for work that fails" in str(result.hint)


def test_a_sleeper_whose_failure_goes_to_a_task_that_was_given_back_fails() -> None:
    third = (
        slept("3", 9.0, fails=True).update("3", 9.9, B, status="pending").update("3", 10.02, A, status="failed")
    )
    assert (
        graded(
            "x.fencing", all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES), third)
        ).verdict
        is FAIL
    )


def test_a_sleeper_may_claim_a_task_that_failed_and_was_given_back() -> None:
    third = slept("3", 9.0, fails=True).update("3", 10.5, B, status="pending").claim("3", 10.6, A)
    third.update("3", 11.1, A, status="failed")
    assert (
        graded(
            "x.fencing", all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES), third)
        ).verdict
        is PASS
    )


def test_work_that_fails_where_no_takeover_is_possible_ends_as_failed_once() -> None:
    third = slept("3", 9.0, fails=True, taken_over=False).update("3", 10.5, A, status="failed")
    result = graded(
        "x.fencing", all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES), third)
    )
    assert result.verdict is PASS
    assert str(result.observed).endswith("while the sleeper lived; failed after it woke")


def test_a_failing_task_that_the_sleeper_had_done_with_before_it_slept_says_nothing() -> None:
    third = slept("3", 9.0, fails=True, taken_over=False).update("3", 9.05, A, status="failed")
    history = all_of(slept_and_left_alone("1", 1.0), slept_and_left_alone("2", 5.0, COMPLETES), third)
    assert graded("x.fencing", history).verdict is INCONCLUSIVE
