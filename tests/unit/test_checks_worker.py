"""Checks of a worker by itself, judged on literal histories: how it waits, works, fails, starts and stops."""

from __future__ import annotations

import pytest

from grader.checkpoints import all_checks, select
from grader.history.board import Board
from grader.history.events import ConnectionOpened, ConnectionReady, Stalled, StepBegan, StepEnded, UsageSampled
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A = "worker-A"
POLL = "SELECT id FROM tasks WHERE status = 'pending'"


def judged(name: str, *histories: History) -> CheckResult:
    [check] = select(all_checks(), only=[name])
    left_out = [Story().history()] * (len(check.on) - len(histories))
    takes = {s.name: [Take(h, 1.0)] for s, h in zip(check.on, (*histories, *left_out), strict=True)}
    return Judge((check,), takes).results()[name]


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


def other_connection(story: Story, at: float, sql: str, after: str) -> Story:
    """A second connection that sends one statement."""
    where = {"service": A, "connection": 900}
    return story.add(
        ConnectionOpened(at=at, **where),  # type: ignore[arg-type]
        ConnectionReady(at=at, backend_pid=900, **where),  # type: ignore[arg-type]
        StepBegan(at=at, step=1, sql=sql, transaction="I", **where),  # type: ignore[arg-type]
        StepEnded(
            at=at,
            step=1,
            tag="SELECT 1",
            rows=1,
            sqlstate=None,
            message=None,
            values=("1",),
            parameters=(),
            transaction=after,  # type: ignore[arg-type]
            committed=False,
            **where,  # type: ignore[arg-type]
        ),
    )


def test_a_worker_that_polls_and_waits_is_quiet() -> None:
    assert judged("3a.idle-quiet", polls(idle()).history()).verdict is PASS


def test_a_transaction_that_stays_open_between_two_polls_is_seen() -> None:
    assert judged("3a.idle-quiet", polls(idle(), after="T").history()).verdict is FAIL


def test_a_transaction_that_is_open_from_the_start_on_another_connection_is_seen() -> None:
    story = other_connection(polls(idle()), 0.3, "SELECT 1", "T")
    result = judged("3a.idle-quiet", story.history())
    assert (result.verdict, "3.4 s" in str(result.observed)) == (FAIL, True)


def test_a_second_connection_without_a_transaction_is_fine() -> None:
    assert judged("3a.idle-quiet", other_connection(polls(idle()), 0.3, "LISTEN t", "I").history()).verdict is PASS


def test_a_worker_that_spins_is_seen_by_its_statements_however_little_time_the_machine_gives_it() -> None:
    assert judged("3a.idle-quiet", polls(idle(cpu_s=0.3), every=0.2).history()).verdict is FAIL


def test_a_worker_that_spins_without_a_statement_is_seen_by_its_cpu_time() -> None:
    assert judged("3a.idle-quiet", polls(idle(cpu_s=1.5)).history()).verdict is FAIL


def test_cpu_time_counts_by_the_time_that_it_was_measured_over_and_not_by_when() -> None:
    result = judged("3a.idle-quiet", idle(begins=100.0, ends=103.4, cpu_s=0.6).history())
    assert (result.verdict, "0.60 s of CPU time in 3.4 s" in str(result.observed)) == (FAIL, True)


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
    return judged("3a.poll-interval", second.history(), quarter.history())


def test_a_backlog_that_is_worked_off_without_a_wait_passes_and_with_a_wait_each_time_fails() -> None:
    assert kept(backlog(rounds(1.0), 0.0), rounds(0.25)).verdict is PASS
    assert kept(backlog(rounds(1.0), 1.0), rounds(0.25)).verdict is FAIL


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
    assert judged("3a.work-is-done", work(0.05, *short), work(0.9, *long)).verdict is verdict


@pytest.mark.parametrize(
    ("none", "verdict"), [((0.0,), PASS), ((0.02, 1.0), PASS), ((0.6875,), PASS), ((0.75, 0.8), FAIL)]
)
def test_work_may_take_no_time_when_it_is_told_to(none: tuple[float, ...], verdict: Verdict) -> None:
    result = judged("3a.work-is-done", work(0.0, *none), work(0.9, 0.9))
    assert result.verdict is verdict
    if verdict is FAIL:
        assert (result.expected, result.observed) == ("0 s between claim and completion", "task 0: 0.75 s")


def test_work_of_no_time_says_nothing_of_longer_work() -> None:
    assert judged("3a.work-is-done", work(0.0, 0.0), work(0.9, 0.0)).verdict is FAIL
    assert judged("3a.work-is-done", work(0.0, 0.0), work(0.9)).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 3a.failed-work


def failing(*attempts: float, behind: bool = False) -> History:
    """Attempts of so many seconds each; all but the last give the task back."""
    story = Story().start(A).insert("1", 0.5).note("failing", 0.6, task="1")
    at = 1.0
    for number, seconds in enumerate(attempts, 1):
        story.claim("1", at, A)
        story.update("1", at + seconds, A, status="failed" if number == len(attempts) else "pending")
        at += seconds + 0.2
    if behind:
        story.insert("2", 0.5).claim("2", at, A).complete("2", at + 0.1, A)
    return story.history()


@pytest.mark.parametrize(
    ("short", "longer", "verdict"),
    [
        ((0.1,), (0.5,), PASS),
        ((0.1,) * 5, (0.5,) * 5, PASS),
        ((0.1,) * 6, (0.5,) * 6, FAIL),
        ((5 * 0.1 + 3.0,), (5 * 0.5 + 3.5,), PASS),  # five times in a row, with pauses in between
        ((10 * 0.1,), (10 * 0.5,), FAIL),  # ten times in a row, which the table does not show
        ((3 * 0.1,) * 3, (3 * 0.5,) * 3, FAIL),  # nine times, three of them in a row each time
    ],
)
def test_failing_work_is_tried_five_times_at_most_in_the_table_or_out_of_its_sight(
    short: tuple[float, ...], longer: tuple[float, ...], verdict: Verdict
) -> None:
    assert judged("3a.failed-work", failing(*short, behind=True), failing(*longer)).verdict is verdict


# ---------------------------------------------------------------- 3a.database-down


def without_database(*lines: str) -> Story:
    story = Story().start(A, WORKER_POLL_INTERVAL="0.5").note("database-gone", 0.1).note("database-back", 2.0)
    for number, line in enumerate(lines):
        story.log(A, 0.2 + number / 100, line)
    return story


def with_database() -> History:
    story = Story().start(A).log(A, 0.1, f"id-of-{A} started, interval 0.2 s").log(A, 0.2, "connecting, try 1")
    return story.step(A, 0.3, POLL).history()


def down(*lines: str) -> CheckResult:
    return judged("3a.database-down", without_database(*lines).history(), with_database(), Story().history())


def test_a_line_that_comes_only_without_a_database_says_so() -> None:
    assert down(f"id-of-{A} started, interval 0.5 s", "no connection; next try in 1 s").verdict is PASS


@pytest.mark.parametrize(
    "lines", [(), (f"id-of-{A} started, interval 0.5 s",), ("connecting, try 1", "connecting, try 2")]
)
def test_lines_that_come_with_a_database_as_well_say_nothing_of_its_absence(lines: tuple[str, ...]) -> None:
    assert down(*lines).verdict is FAIL


def test_a_worker_that_does_not_poll_with_a_database_either_cannot_be_judged_without_one() -> None:
    gone = without_database("cannot connect").history()
    histories = (gone, Story().start(A).history(), Story().history())
    assert judged("3a.database-down", *histories).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 3a.log-lifecycle


def stopped(*, begun: float | None = 2.1, over: float | None = 3.2, exits: bool = True) -> Story:
    """SIGTERM at 2, the statements held until 3, the exit at 3.5."""
    story = Story().start(A).log(A, 0.1, "started, interval 0.2 s").signal(A, "SIGTERM", 2.0).note("let-go", 3.0)
    if begun is not None:
        story.log(A, begun, "shutting down")
    if over is not None:
        story.log(A, over, "shutdown complete")
    return story.exit(A, 3.5) if exits else story


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        (stopped(), PASS),
        (stopped(exits=False), PASS),  # that it never exits is another check's matter
        (stopped(begun=3.1), FAIL),  # told late
        (stopped(over=2.2), FAIL),  # told early
        (stopped(over=None), FAIL),
        (stopped(over=None).log(A, 3.1, "task 7 finished in 0.8 s"), FAIL),
        (stopped(begun=None, over=None, exits=False).exit(A, 2.1, -15), FAIL),
        (Story().start(A), INCONCLUSIVE),
    ],
)
def test_a_life_is_told_when_it_happens_whether_or_not_a_task_is_completed(story: Story, verdict: Verdict) -> None:
    assert judged("3a.log-lifecycle", story.history()).verdict is verdict


# ---------------------------------------------------------------- x.task-types


def an_email(*lines: tuple[float, str]) -> CheckResult:
    """A plain task 1 until 2, an email 2 from then on, completed at 3."""
    story = Story().start(A).insert("1", 1.0).insert("2", 2.0).claim("2", 2.5, A).complete("2", 3.0, A)
    story.note("email", 2.1, task="2", title="title 2", plain="1", plain_title="title 1")
    story.insert("3", 3.5).note("failing-email", 3.5, task="3")
    story.log(A, 1.2, "claimed task=1 'title 1' attempt=1")
    for at, text in (*lines, (2.6, "claimed task=2 'title 2' attempt=1"), (3.1, "completed task=2 in 0.31 s")):
        story.log(A, at, text)
    return judged("x.task-types", story.history())


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (((1.9, "completed task=1 in 0.12 s"),), FAIL),
        (((2.55, "completed task=1 in 0.12 s"),), FAIL),  # read late
        (((1.9, "completed task=1 in 0.12 s"), (2.7, "sending task=2 to nobody")), PASS),
        (((1.9, "completed task=1 in 0.12 s"), (2.7, "mail sent")), PASS),
    ],
)
def test_an_email_has_a_line_that_a_plain_task_does_not_have(
    lines: tuple[tuple[float, str], ...], verdict: Verdict
) -> None:
    assert an_email(*lines).verdict is verdict


# ---------------------------------------------------------------- the board


def test_a_ping_in_an_open_transaction_is_no_work_on_the_task_whose_id_it_happens_to_answer() -> None:
    board = Board()
    for event in other_connection(Story().start(A).insert("1", 0.2), 0.3, "SELECT 1", "T").events:
        board.absorb(event)
    assert not board.works_on(A, "1", frozenset({"1", "title 1"}), quiet=0.1, now=5.0)


def test_a_transaction_that_has_met_a_task_and_is_silent_since_works_on_it() -> None:
    board = Board()
    for event in other_connection(Story().start(A).insert("1", 0.2), 0.3, POLL, "T").events:
        board.absorb(event)
    assert board.works_on(A, "1", frozenset({"1", "title 1"}), quiet=0.1, now=5.0)


# ---------------------------------------------------------------- x.long-task


def taken_from_a_live_worker() -> Story:
    """A has the task and says nothing for 1.4 s; B takes it."""
    story = Story().start(A).start("worker-B").insert("7", 1.0).claim("7", 1.2, A)
    story.note("at-work", 1.3, told="7", other="7", service=A)
    return story.update("7", 2.6, "worker-B", status="pending").claim("7", 2.7, "worker-B").complete("7", 6.0, A)


def test_a_task_that_is_taken_from_a_worker_that_shows_no_life_fails() -> None:
    assert judged("x.long-task", taken_from_a_live_worker().history()).verdict is FAIL


def test_a_machine_that_stood_still_meanwhile_is_not_the_workers_fault() -> None:
    story = taken_from_a_live_worker().add(Stalled(at=2.4, seconds=0.5))
    result = judged("x.long-task", story.history())
    assert (result.verdict, "stood still" in (result.reason or "")) == (INCONCLUSIVE, True)


def test_a_stall_before_the_last_sign_of_life_excuses_nothing() -> None:
    story = taken_from_a_live_worker().add(Stalled(at=1.1, seconds=0.5))
    assert judged("x.long-task", story.history()).verdict is FAIL
