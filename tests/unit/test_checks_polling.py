"""3a.work-is-done, 3a.poll-interval and 3a.idle-quiet, from literal histories; and how durations are read."""

from __future__ import annotations

import pytest

from grader.checkpoints.polling import seconds_of
from grader.history.events import ConnectionClosed, Stalled, UsageSampled
from grader.history.timeline import History
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded
from tests.unit.stories import other_connection

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A = "worker-A"
POLL = "SELECT id FROM tasks WHERE status = 'pending'"


# ---------------------------------------------------------------- 3a.work-is-done


def work(wanted: float, *took: float) -> History:
    story = Story().start(A, WORKER_TASK_DURATION=str(wanted))
    for number, seconds in enumerate(took):
        story.insert(str(number), 0.5).claim(str(number), 1.0 + number, A)
        story.complete(str(number), 1.0 + number + seconds, A)
    return story.history()


@pytest.mark.parametrize(
    ("short", "long", "verdict"),
    [
        ((0.06, 0.06, 0.9), (0.91, 0.95), PASS),
        ((1.0, 1.01, 1.0), (1.0, 1.01), FAIL),  # a second, whatever is asked for
        ((0.1, 0.11, 0.1), (1.8, 1.81), FAIL),  # twice as long
        ((0.06, 0.0, 0.06), (0.9, 0.9), FAIL),
        ((), (0.9, 0.9), INCONCLUSIVE),
    ],
)
def test_work_takes_as_long_as_it_is_told_to(
    short: tuple[float, ...], long: tuple[float, ...], verdict: Verdict
) -> None:
    assert graded("3a.work-is-done", work(0.05, *short), work(0.9, *long)).verdict is verdict


@pytest.mark.parametrize(
    ("none", "verdict"), [((0.0,), PASS), ((0.02, 1.0), PASS), ((0.6875,), PASS), ((0.75, 0.8), FAIL)]
)
def test_work_may_take_no_time_when_it_is_told_to(none: tuple[float, ...], verdict: Verdict) -> None:
    result = graded("3a.work-is-done", work(0.0, *none), work(0.9, 0.9))
    assert result.verdict is verdict
    if verdict is FAIL:
        assert (result.expected, result.observed) == ("0 s between claim and completion", "task 0: 0.75 s")


def test_work_of_no_time_says_nothing_of_longer_work() -> None:
    assert graded("3a.work-is-done", work(0.0, 0.0), work(0.9, 0.0)).verdict is FAIL
    assert graded("3a.work-is-done", work(0.0, 0.0), work(0.9)).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 3a.poll-interval


def backlog(story: Story, gap: float, count: int = 4) -> Story:
    for number in range(count):
        at = 5.0 + number * (gap + 0.05)
        story.insert(str(number), 4.5).claim(str(number), at, A).complete(str(number), at + 0.05, A)
    return story


def rounds(interval: float, within: float = 0.01) -> Story:
    """Polls of two statements each, with a pause in between."""
    story = Story().start(A).note("idle-begins", 1.0).note("idle-ends", 6.0)
    at = 1.1
    while at < 6.0:
        story.step(A, at, "UPDATE tasks SET status = 'pending' WHERE false").step(A, at + within, POLL)
        at += interval
    return story


def kept(second: Story, quarter: Story) -> CheckResult:
    return graded("3a.poll-interval", second.history(), quarter.history())


def test_a_backlog_that_is_worked_off_without_a_wait_passes_and_with_a_wait_each_time_fails() -> None:
    assert kept(backlog(rounds(1.0), 0.0), rounds(0.25)).verdict is PASS
    assert kept(backlog(rounds(1.0), 1.0), rounds(0.25)).verdict is FAIL


def with_failures(gap: float, *, tries: int = 1, rest: float = 0.0) -> Story:
    """Four tasks that are completed, three between them that fail: it takes so long from a failure to the next claim.

    ``tries``: so often is each tried. ``rest``: so long is waited after the last completion, with failing tasks left.
    """
    story, at = rounds(1.0), 7.0
    for number in range(7):
        story.insert(str(number), 6.0 + number / 100)
    for number in range(7):
        task = str(number)
        if number % 2 == 0:
            story.claim(task, at, A).complete(task, at + 0.05, A)
            at += 0.06
            continue
        for each in range(tries):
            status = "failed" if each == tries - 1 else "pending"
            story.claim(task, at, A).update(task, at + 0.05, A, status=status)
            at += 0.05 + gap
    if rest:
        story.update("5", at, A, status="pending").claim("5", at + rest, A)
        story.update("5", at + rest + 0.1, A, status="failed").update("5", at + rest + 0.2, A, status="pending")
    return story


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        (with_failures(0.01), PASS),
        (with_failures(0.7), PASS),
        (with_failures(1.0), FAIL),
        (with_failures(0.01, tries=3), PASS),
        (with_failures(1.0, tries=3), FAIL),
        (with_failures(0.01, rest=9.0), PASS),
    ],
)
def test_after_a_task_that_failed_the_next_one_is_claimed_without_a_wait(story: Story, verdict: Verdict) -> None:
    assert kept(story, rounds(0.25)).verdict is verdict


def test_a_wait_after_failures_is_told_as_that() -> None:
    result = kept(with_failures(1.0), rounds(0.25))
    assert result.observed == "1.00 s between a failure and the next claim"
    assert "whatever came of it" in str(result.hint)


def test_a_wait_in_a_backlog_for_which_the_machine_stood_still_is_none() -> None:
    story = backlog(rounds(1.0), 1.0).add(*[Stalled(at=5.9 + 1.05 * n, seconds=0.5) for n in range(3)])
    assert kept(story, rounds(0.25)).verdict is PASS


def test_one_long_gap_that_a_busy_machine_made_is_forgiven() -> None:
    story = backlog(rounds(1.0), 0.0, 3).insert("9", 4.5).claim("9", 6.2, A).complete("9", 6.3, A)
    assert kept(story, rounds(0.25)).verdict is PASS


def test_a_backlog_that_is_not_worked_off_is_no_matter_of_the_interval() -> None:
    assert kept(rounds(1.0), rounds(0.25)).verdict is PASS


def test_the_two_statements_of_a_poll_may_be_as_far_apart_as_a_busy_machine_makes_them() -> None:
    assert kept(rounds(1.0, within=0.4), rounds(0.25)).verdict is PASS


def test_polls_that_a_busy_machine_makes_late_now_and_then_keep_the_interval() -> None:
    quarter = Story().start(A).note("idle-begins", 1.0).note("idle-ends", 6.0)
    for at in (1.1, 1.36, 2.4, 2.66, 3.9, 4.8, 5.06, 5.9):
        quarter.step(A, at, POLL)
    assert kept(rounds(1.0), quarter).verdict is PASS


def test_polls_that_all_come_late_do_not_keep_the_interval() -> None:
    assert kept(rounds(2.0), rounds(0.5)).verdict is FAIL


@pytest.mark.parametrize(("at_a_second", "wanted"), [(True, "1"), (False, "0.25")])
def test_a_worker_that_ends_while_there_is_nothing_to_do_keeps_no_interval(at_a_second: bool, wanted: str) -> None:
    ended = rounds(1.0 if at_a_second else 0.25).exit(A, 3.0, 1)
    result = kept(ended, rounds(0.25)) if at_a_second else kept(rounds(1.0), ended)
    assert (result.verdict, result.expected) == (FAIL, f"a poll every {wanted} s")
    assert result.observed == "it ended while there was nothing to do"


def test_a_worker_that_ends_when_nobody_looks_any_more_has_kept_its_interval() -> None:
    assert kept(rounds(1.0).exit(A, 6.5), rounds(0.25)).verdict is PASS


def test_an_interval_that_does_not_follow_its_setting_fails() -> None:
    assert kept(rounds(1.0), rounds(1.0)).verdict is FAIL


# ---------------------------------------------------------------- 3a.idle-quiet


def idle(begins: float = 1.0, ends: float = 4.4, cpu_s: float = 0.02) -> Story:
    story = Story().start(A).note("idle-begins", begins).note("idle-ends", ends)
    return story.add(
        UsageSampled(at=begins, service=A, cpu_s=0.2, processes=1),
        UsageSampled(at=ends, service=A, cpu_s=0.2 + cpu_s, processes=1),
    )


def polls(story: Story, every: float = 1.0, after: str = "I") -> Story:
    at = 0.5
    while at < 4.4:
        story.step(A, at, POLL, after=after)
        at += every
    return story


def test_a_worker_that_polls_and_waits_is_quiet() -> None:
    assert graded("3a.idle-quiet", polls(idle()).history()).verdict is PASS


def test_a_transaction_that_stays_open_between_two_polls_is_seen() -> None:
    assert graded("3a.idle-quiet", polls(idle(), after="T").history()).verdict is FAIL


def test_a_transaction_that_is_open_from_the_start_on_another_connection_is_seen() -> None:
    story = other_connection(polls(idle()), 0.3, "SELECT 1", "T")
    result = graded("3a.idle-quiet", story.history())
    assert (result.verdict, "3.4 s" in str(result.observed)) == (FAIL, True)


def test_a_second_connection_without_a_transaction_is_fine() -> None:
    assert graded("3a.idle-quiet", other_connection(polls(idle()), 0.3, "LISTEN t", "I").history()).verdict is PASS


def test_a_worker_that_spins_is_seen_by_its_statements_however_little_time_the_machine_gives_it() -> None:
    assert graded("3a.idle-quiet", polls(idle(cpu_s=0.3), every=0.2).history()).verdict is FAIL


def test_a_worker_that_spins_without_a_statement_is_seen_by_its_cpu_time() -> None:
    assert graded("3a.idle-quiet", polls(idle(cpu_s=1.5)).history()).verdict is FAIL


def test_cpu_time_counts_by_the_time_that_it_was_measured_over_and_not_by_when() -> None:
    result = graded("3a.idle-quiet", idle(begins=100.0, ends=103.4, cpu_s=0.6).history())
    assert (result.verdict, "0.60 s of CPU time in 3.4 s" in str(result.observed)) == (FAIL, True)


@pytest.mark.parametrize(
    ("opened", "verdict"),
    [
        ([], PASS),
        ([1.1] * 9, PASS),  # a pool that fills
        ([1.6, 1.9, 1.95], PASS),  # loops that connect when they first need to
        ([1.1, 2.1, 3.0], PASS),
        ([1.97, 2.97, 3.97], FAIL),  # with each poll one
        ([2.1, 3.3, 4.3], FAIL),
        ([2.1, 2.2, 2.3], PASS),
    ],
)
def test_connections_that_become_more_with_each_poll_are_seen(opened: list[float], verdict: Verdict) -> None:
    story = polls(idle())
    for number, at in enumerate(opened):
        other_connection(story, at, number=900 + number)
    assert graded("3a.idle-quiet", story.history()).verdict is verdict


def test_connections_that_take_the_place_of_others_are_no_more_than_before() -> None:
    story = polls(idle())
    for number, (at, gone) in enumerate([(0.5, 2.6), (0.5, 3.6), (2.5, 9.0), (3.5, 9.0)]):
        other_connection(story, at, number=900 + number)
        story.add(ConnectionClosed(at=gone, service=A, connection=900 + number, by="terminate"))
    assert graded("3a.idle-quiet", story.history()).verdict is PASS


def test_connections_that_are_open_for_a_moment_each_are_not_left() -> None:
    story = polls(idle())
    for number, at in enumerate((1.1, 1.6, 2.1, 2.6, 3.1, 3.6, 4.39, 4.395)):
        other_connection(story, at, number=900 + number)
        story.add(ConnectionClosed(at=at + 0.02, service=A, connection=900 + number, by="terminate"))
    assert graded("3a.idle-quiet", story.history()).verdict is PASS


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, FAIL), (0.2, FAIL), (0.4, PASS)])
def test_a_transaction_is_not_open_for_as_long_as_the_machine_stands_still(
    seconds: float, verdict: Verdict
) -> None:
    story = idle().step(A, 1.5, "BEGIN", after="T").step(A, 2.3, "COMMIT", before="T")
    if seconds:
        story.add(Stalled(at=2.2, seconds=seconds))
    assert graded("3a.idle-quiet", story.history()).verdict is verdict


# ---------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("0.25", 0.25), ("30", 30), ("250ms", 0.25), ("2s", 2), ("1m30s", 90), ("1h", 3600)]
)
def test_durations_are_read_back_in_both_forms(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)
