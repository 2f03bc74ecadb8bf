"""Which claims count as double (grader/history/double.py, which several checks ask), from literal histories."""

from __future__ import annotations

from grader.history.double import double_claims
from tests.unit.histories import Story


def claimed_by_both() -> Story:
    story = Story().start("worker-A").start("worker-B").insert("7", 1.0)
    return story.claim("7", 2.0, "worker-A")


def doubles(story: Story, timeout: float | None = None) -> int:
    history = story.history()
    return len(double_claims(history, history.story("7"), timeout))


def test_two_workers_that_take_one_task_are_a_double_claim() -> None:
    assert doubles(claimed_by_both().claim("7", 2.1, "worker-B")) == 1


def test_a_claim_after_a_crash_is_none() -> None:
    assert doubles(claimed_by_both().exit("worker-A", 2.5, -9).claim("7", 3.0, "worker-B")) == 0


def test_a_claim_after_the_holder_gave_the_task_back_is_none() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-A", status="pending")
    assert doubles(story.claim("7", 3.0, "worker-B")) == 0


def test_a_claim_after_somebody_else_gave_the_task_back_is_one() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-B", status="pending")
    assert doubles(story.claim("7", 3.0, "worker-B")) == 1


def test_what_the_holder_gave_back_before_it_claimed_once_more_gives_nobody_a_right() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-A", status="pending").claim("7", 2.6, "worker-A")
    assert doubles(story.claim("7", 3.0, "worker-B")) == 1


def test_a_takeover_after_the_timeout_is_none_and_before_it_is_one() -> None:
    story = claimed_by_both().update("7", 3.0, "worker-A").claim("7", 4.1, "worker-B")
    assert doubles(story, timeout=1.0) == 0
    assert doubles(story, timeout=5.0) == 1


def test_a_retry_by_the_same_worker_is_none() -> None:
    story = claimed_by_both().update("7", 2.5, "worker-A", status="pending")
    assert doubles(story.claim("7", 2.6, "worker-A")) == 0
