"""The rules that no schedule may break, each of them broken and held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.explore.rules import Broken, broken_rule, last_error
from grader.history.events import StepEnded
from tests.unit.histories import Story

A, B = "worker-A", "worker-B"


def two() -> Story:
    return Story().start(A).start(B).insert("7", 1.0)


def broken(story: Story, *tasks: str, stuck: str | None = None, is_over: bool = True) -> Broken | None:
    return broken_rule(story.history(), tasks or ("7",), stuck=stuck, is_over=is_over)


def rule(story: Story, *tasks: str) -> str | None:
    found = broken(story, *tasks)
    return found.rule if found else None


def failed(story: Story, service: str, at: float, sql: str, sqlstate: str, message: str) -> Story:
    """A statement that failed."""
    story.step(service, at, sql)
    ended = story.events.pop()
    assert isinstance(ended, StepEnded)
    return story.add(replace(ended, tag="", rows=None, sqlstate=sqlstate, message=message))


# ---------------------------------------------------------------- all is well


def test_a_task_that_one_worker_claims_and_completes_breaks_nothing() -> None:
    assert rule(two().claim("7", 2.0, A).complete("7", 3.0, A)) is None


def test_two_tasks_of_two_workers_break_nothing() -> None:
    story = two().insert("8", 1.1).claim("7", 2.0, A).claim("8", 2.1, B)
    assert rule(story.complete("8", 3.0, B).complete("7", 3.1, A), "7", "8") is None


def test_a_claim_that_is_given_back_may_be_anothers() -> None:
    story = two().claim("7", 2.0, A).update("7", 2.5, A, status="pending", assigned_worker=None)
    assert rule(story.claim("7", 3.0, B).complete("7", 3.5, B)) is None


def test_a_retry_by_the_same_worker_is_no_second_claim() -> None:
    story = two().claim("7", 2.0, A).update("7", 2.5, A, status="pending", assigned_worker=None)
    assert rule(story.claim("7", 3.0, A).complete("7", 3.5, A)) is None


def test_a_stuck_task_may_be_recovered_by_one_and_claimed_by_the_other() -> None:
    story = Story().start(A).start(B).insert("7", 1.0, status="processing", assigned_worker="gone")
    story.update("7", 2.0, A, status="pending", assigned_worker=None)
    assert rule(story.claim("7", 2.5, B).complete("7", 3.0, B)) is None


def test_a_stuck_task_may_be_taken_over_at_once() -> None:
    story = Story().start(A).start(B).insert("7", 1.0, status="processing", assigned_worker="gone")
    assert rule(story.claim("7", 2.5, B).complete("7", 3.0, B)) is None


def test_a_sign_of_life_is_neither_a_claim_nor_a_completion() -> None:
    story = two().claim("7", 2.0, A).update("7", 2.5, A).complete("7", 3.0, A).update("7", 3.5, A)
    assert rule(story) is None


def test_a_task_that_was_there_before_and_is_not_asked_for_does_not_count() -> None:
    assert rule(two().insert("8", 1.1).claim("7", 2.0, A).complete("7", 3.0, A), "7") is None


def test_nothing_at_all_is_a_task_that_is_gone() -> None:
    assert broken(Story()) == Broken("not-completed", "7", "task 7 is gone from the table", 0.0)


# ---------------------------------------------------------------- claimed twice


def test_a_second_claim_of_what_another_one_has_is_told_with_both() -> None:
    found = broken(two().claim("7", 2.0, A).claim("7", 2.5, B).complete("7", 3.0, B))
    assert found == Broken("claimed-twice", "7", f"task 7 was claimed twice: by {A}, and then by {B}", 2.5, 2.0)


def test_a_stuck_task_that_both_take_over_is_claimed_twice() -> None:
    story = Story().start(A).start(B).insert("7", 1.0, status="processing", assigned_worker="gone")
    assert rule(story.claim("7", 2.0, A).claim("7", 2.5, B).complete("7", 3.0, B)) == "claimed-twice"


def test_a_task_that_somebody_else_gives_back_and_takes_is_claimed_twice() -> None:
    story = two().claim("7", 2.0, A).update("7", 2.2, B, status="pending", assigned_worker=None)
    assert rule(story.claim("7", 2.5, B).complete("7", 3.0, B)) == "claimed-twice"


def test_both_under_one_name_are_claimed_twice_all_the_same() -> None:
    story = two().claim("7", 2.0, A, owner="same").claim("7", 2.5, B, owner="same").complete("7", 3.0, B)
    assert rule(story) == "claimed-twice"


# ---------------------------------------------------------------- completions


def test_a_second_completion_is_told_with_both() -> None:
    found = broken(two().claim("7", 2.0, A).complete("7", 3.0, A).complete("7", 3.5, B))
    assert found is not None
    assert (found.rule, found.at, found.since) == ("completed-twice", 3.5, 3.0)
    assert found.sentence == f"task 7 was completed twice: by {A}, and then by {B}"


def test_a_completion_that_is_written_again_by_the_same_worker_is_one() -> None:
    assert rule(two().claim("7", 2.0, A).complete("7", 3.0, A).complete("7", 3.5, A)) is None


@pytest.mark.parametrize(
    "status",
    [
        "pending",
        "failed",
        pytest.param("processing"),
    ],
)
def test_a_completed_task_stays_completed(status: str) -> None:
    found = broken(two().claim("7", 2.0, A).complete("7", 3.0, A).update("7", 3.5, B, status=status))
    assert found is not None
    assert (found.rule, found.at, found.since) == ("brought-back", 3.5, 3.0)
    assert found.sentence == f"task 7 was completed by {A}; then {B} set it {status}"


def test_what_the_grader_does_to_a_completed_task_breaks_nothing() -> None:
    story = two().claim("7", 2.0, A).complete("7", 3.0, A).update("7", 3.5, None, status="pending")
    story.update("7", 3.6, None, status="completed")
    assert rule(story) is None


def test_who_completes_has_to_be_who_claimed_last() -> None:
    found = broken(two().claim("7", 2.0, A).complete("7", 3.0, B))
    assert found is not None
    assert (found.rule, found.at, found.since) == ("completed-by-another", 3.0, 2.0)
    assert found.sentence == f"task 7 was completed by {B} while {A} had it"


def test_a_completion_without_any_claim_is_nobody_elses() -> None:
    assert rule(two().complete("7", 3.0, B)) is None


# ---------------------------------------------------------------- workers that end, tasks that are left


def test_a_worker_that_ends_is_told_with_the_error_before_it() -> None:
    story = failed(two(), A, 2.0, "UPDATE tasks SET status = 'processing'", "40001", "could not serialize")
    found = broken(story.exit(A, 2.5, status=1))
    assert found is not None
    assert (found.rule, found.task, found.at) == ("worker-ended", None, 2.5)
    assert found.sentence == f"{A} ended by itself after 40001: could not serialize (exit status 1)"


@pytest.mark.parametrize(("status", "words"), [(0, "(exit status 0)"), (-11, "(ended by signal 11)")])
def test_a_worker_that_ends_without_an_error_is_told_by_its_status(status: int, words: str) -> None:
    found = broken(two().exit(A, 2.5, status=status))
    assert found is not None
    assert found.sentence == f"{A} ended by itself {words}"


def test_an_error_that_the_worker_got_over_is_not_named_as_the_cause_of_its_end() -> None:
    story = failed(two(), A, 2.0, "SELECT nothing", "42P01", "no such table")
    story.step(A, 2.1, "ROLLBACK", tag="ROLLBACK").step(A, 2.2, "SELECT id FROM tasks")
    assert last_error(story.exit(A, 2.5, status=1).history(), A, 2.5) is None


def test_errors_after_the_moment_and_of_others_are_no_cause() -> None:
    story = failed(failed(two(), A, 3.0, "x", "40001", "late"), B, 2.0, "x", "40P01", "of another one")
    assert last_error(story.history(), A, 2.5) is None


def test_who_waits_for_ever_is_told_at_the_end() -> None:
    found = broken(two().claim("7", 2.0, A), stuck="A waits for B")
    assert found == Broken("waits-for-ever", None, "A waits for B", 2.0)


def test_a_task_that_is_left_is_told_with_who_has_it_since_its_last_change() -> None:
    story = two().claim("7", 2.0, A).step(A, 3.0, "SELECT").step(B, 3.1, "SELECT")
    found = broken(story)
    assert found is not None
    assert (found.rule, found.task, found.at) == ("not-completed", "7", 2.0)
    assert "task 7 is left processing, claimed by worker-A" in found.sentence


def test_a_task_that_nobody_touched_is_left_pending_until_the_end() -> None:
    found = broken(two().step(A, 3.0, "SELECT", took=0.5))
    assert found is not None
    assert (found.rule, found.at) == ("not-completed", 3.5)
    assert "left pending, and every worker" in found.sentence


def test_a_task_that_failed_is_not_completed() -> None:
    assert rule(two().claim("7", 2.0, A).update("7", 2.5, A, status="failed")) == "not-completed"


def test_before_the_end_a_task_may_be_open_and_somebody_may_wait() -> None:
    story = two().claim("7", 2.0, A)
    assert broken(story, stuck="A waits for B", is_over=False) is None


def test_before_the_end_a_rule_that_broke_is_told_all_the_same() -> None:
    found = broken(two().claim("7", 2.0, A).claim("7", 2.5, B), is_over=False)
    assert found is not None
    assert found.rule == "claimed-twice"


# ---------------------------------------------------------------- which one


def test_of_several_rules_the_one_that_broke_first_is_told() -> None:
    story = two().claim("7", 2.0, A).claim("7", 2.5, B).complete("7", 3.0, A).complete("7", 3.5, B)
    assert rule(story) == "claimed-twice"
    story = two().insert("8", 1.1).claim("7", 2.0, A).claim("8", 2.1, A).complete("8", 2.2, B)
    assert rule(story.claim("7", 2.5, B), "7", "8") == "completed-by-another"


def test_an_end_comes_before_the_claim_that_follows_it() -> None:
    story = two().claim("7", 2.0, A).exit(A, 2.4, status=1).claim("7", 2.5, B).complete("7", 3.0, B)
    assert rule(story) == "worker-ended"


def test_whoever_waits_for_ever_is_told_before_the_task_that_is_left() -> None:
    found = broken(two().insert("8", 1.1), "7", "8", stuck="A waits for B")
    assert found is not None
    assert found.rule == "waits-for-ever"
