"""3a.log-lifecycle and 3a.log-tasks, from literal histories."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.history.events import LogLine
from grader.history.timeline import History
from grader.model import CheckResult, Verdict
from tests.unit.histories import Story
from tests.unit.judging import graded

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B = "worker-A", "worker-B"


# ---------------------------------------------------------------- 3a.log-lifecycle


def stopped(*, begun: float | None = 2.1, over: float | None = 3.2, exits: bool = True) -> Story:
    """SIGTERM at 2, the statements held until 3, the exit at 3.5."""
    story = Story().start(A).log(A, 0.1, "started, interval 0.2 s").signal(A, "SIGTERM", 2.0).note("let-go", 3.0)
    if begun is not None:
        story.log(A, begun, "shutting down")
    if over is not None:
        story.log(A, over, "shutdown complete")
    return story.exit(A, 3.5) if exits else story


def stopped_idle(*lines: str, status: int = 0) -> Story:
    """SIGTERM comes at 2 to a worker that waits, which writes these lines and exits."""
    story = Story().start(A).log(A, 0.1, "started, interval 0.2 s").log(A, 0.2, "nothing to do")
    story.signal(A, "SIGTERM", 2.0)
    for number, line in enumerate(lines, 1):
        story.log(A, 2.0 + number / 100, line)
    return story.exit(A, 2.2, status)


def usual_life() -> Story:
    """What is written in the life of a worker that nobody stops."""
    story = Story().start(A).log(A, 0.1, "started, interval 0.3 s").log(A, 0.2, "nothing to do")
    story.insert("1", 0.5).claim("1", 1.0, A).log(A, 1.01, "got 1: title 1")
    return story.complete("1", 1.5, A).log(A, 1.51, "task 1 in 0.50 s")


def life_told(story: Story, waiting: Story | None = None, *usual: Story) -> CheckResult:
    waiting = waiting or stopped_idle("shutting down", "shutdown complete")
    histories = [each.history() for each in (story, waiting, *(usual or (usual_life(), usual_life())))]
    return graded("3a.log-lifecycle", *histories)


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        (stopped(), PASS),
        (stopped(exits=False), PASS),  # that it never exits is another check's matter
        (stopped(begun=3.1), FAIL),  # told late
        (stopped(over=2.2), FAIL),  # told early
        (stopped(over=None), FAIL),
        (stopped(over=None).insert("7", 1.0).log(A, 3.1, "task 7 finished in 0.8 s"), FAIL),
        (stopped(begun=None, over=None, exits=False).exit(A, 2.1, -15), FAIL),
        (Story().start(A), INCONCLUSIVE),
    ],
)
def test_a_life_is_told_when_it_happens_whether_or_not_a_task_is_completed(story: Story, verdict: Verdict) -> None:
    assert life_told(story).verdict is verdict


def in_other_words(begun: str | None, over: str | None) -> Story:
    """``stopped``, in words of one's own, while the lines that come at any time come then as well."""
    story = stopped(begun=None, over=None, exits=False).insert("8", 1.0).insert("9", 1.0)
    story.log(A, 2.05, "got 8: title 8").log(A, 3.1, "task 8 in 1.30 s").log(A, 3.15, "nothing to do")
    if begun:
        story.log(A, 2.1, begun)
    if over:
        story.log(A, 3.2, over)
    return story.exit(A, 3.5)


@pytest.mark.parametrize(
    ("begun", "over"),
    [
        ("worker is to end after this task", "worker ended"),
        ("halting", "halted"),
        ("no more claims", "all done"),
        ('{"event":"worker_ending"}', '{"event":"worker_end","tasks":3}'),
        ("Worker wird beendet", "Worker beendet"),
        ("Worker wird beendet, Aufgabe 8 noch", "Worker beendet nach 1 Aufgabe"),
    ],
)
def test_begin_and_end_may_be_told_in_words_that_come_at_no_other_time(begun: str, over: str) -> None:
    waiting = stopped_idle(begun, over)
    assert life_told(in_other_words(begun, over), waiting).verdict is PASS
    assert life_told(in_other_words(begun, None), waiting).verdict is FAIL
    assert life_told(in_other_words(None, over), waiting).verdict is FAIL
    assert life_told(in_other_words(None, None), waiting).verdict is FAIL
    assert life_told(in_other_words(begun, over), stopped_idle(begun)).verdict is FAIL


@pytest.mark.parametrize(
    "over",
    [
        "Traceback (most recent call last):",
        '  File "worker.py", line 7, in run',
        "psycopg.OperationalError: the connection is gone",
        "panic: runtime error",
        "completed task=8 in 1.30 s",
        "title 8 is 8, and took 1.30 s",
    ],
)
def test_what_comes_of_trouble_or_tells_of_a_task_is_no_end_of_the_worker(over: str) -> None:
    assert life_told(in_other_words("halting", over), stopped_idle("halting", "halted")).verdict is FAIL


def test_other_words_say_nothing_where_the_usual_ones_are_not_known() -> None:
    assert life_told(in_other_words("halting", "halted"), None, Story(), Story()).verdict is FAIL


def test_the_lines_of_a_worker_that_was_stopped_are_no_usual_ones() -> None:
    usual = usual_life().signal(A, "SIGTERM", 9.0).log(A, 9.1, "halting").log(A, 9.2, "halted")
    assert life_told(in_other_words("halting", "halted"), stopped_idle("halting", "halted"), usual).verdict is PASS


@pytest.mark.parametrize(
    ("waiting", "verdict"),
    [
        (stopped_idle("shutting down", "shutdown complete"), PASS),
        (stopped_idle("shutdown complete"), PASS),  # it was over before it was said that it begins
        (stopped_idle("shutting down"), FAIL),
        (stopped_idle(), FAIL),
        (stopped_idle("nothing to do"), FAIL),
        (stopped_idle("shutting down", "halted at once"), PASS),
        (stopped_idle("shutting down", status=-15), PASS),  # which is told by the check of a signal while it waits
        (Story().start(A).signal(A, "SIGTERM", 2.0), PASS),  # and this as well
        (Story().start(A), INCONCLUSIVE),
    ],
)
def test_the_end_of_a_worker_that_waits_is_told_as_well(waiting: Story, verdict: Verdict) -> None:
    result = life_told(stopped(), waiting)
    assert result.verdict is verdict
    if verdict is FAIL:
        assert result.expected == "a line that says that the shutdown is complete, also after a wait between polls"


def test_one_form_of_line_for_begin_and_end_has_to_come_twice() -> None:
    states = ("state 1: stopping", "state 2: stopping")
    story = stopped(begun=None, over=None, exits=False).log(A, 2.1, states[0]).log(A, 3.1, states[1]).exit(A, 3.5)
    assert life_told(story, stopped_idle(*states)).verdict is PASS
    assert life_told(story, stopped_idle(states[0])).verdict is FAIL


@pytest.mark.parametrize("interval", ["400", '{"poll":400000000}'])
def test_the_interval_may_be_told_in_another_unit(interval: str) -> None:
    story = Story().start(A, WORKER_POLL_INTERVAL="0.4").log(A, 0.1, f"up {interval}").signal(A, "SIGTERM", 2.0)
    story.log(A, 2.1, "shutting down").note("let-go", 3.0).log(A, 3.1, "shutdown complete").exit(A, 3.5)
    assert life_told(story).verdict is PASS


# ---------------------------------------------------------------- 3a.log-tasks


COMPLETED = "completed task={} in 0.50 s"


def well_told(after: str = COMPLETED, before: str = "") -> History:
    """Three tasks with all the lines that are asked for."""
    story = Story().start(A).log(A, 0.1, "started, interval 0.2 s").log(A, 0.2, "nothing to do")
    for number in (1, 2, 3):
        story.insert(str(number), 0.5).claim(str(number), number, A)
        story.log(A, number + 0.01, f"claimed task={number} title 'title {number}'")
        if before:
            story.log(A, number + 0.49, before.format(number))
        story.complete(str(number), number + 0.5, A)
        if after:
            story.log(A, number + 0.51, after.format(number))
    return story.history()


def work_failed(*lines: str) -> Story:
    """The work of task 4 fails, and it leaves these lines; task 5 is completed before."""
    story = Story().start(A).insert("4", 0.5).insert("5", 0.6).note("failing", 0.7, task="4")
    story.claim("5", 0.8, A).complete("5", 0.9, A).log(A, 0.91, COMPLETED.format("5"))
    story.claim("4", 1.0, A).log(A, 1.01, "claimed task=4 title 'title 4'")
    for line in lines:
        story.log(A, 1.2, line)
    return story.update("4", 1.5, A, status="failed")


def commit_cut(sql: str | None = "COMMIT") -> Story:
    """Task 7 is claimed at 1, its commit held at 2, and cut at 2.2."""
    story = Story().start(A).insert("7", 0.9).claim("7", 1.0, A).log(A, 1.01, "claimed task=7 'title 7', 3 done")
    story.note("at-work", 1.005, task="7").note("commit-held", 2.0, task="7", sql=sql)
    return story.note("commit-cut", 2.2, task="7").note("watched", 2.5, task="7")


def idle(*lines: str) -> History:
    """Idle from 1 to 3, with these lines in it."""
    story = Story().start(A).note("idle-begins", 1.0).note("idle-ends", 3.0)
    for number, line in enumerate(lines):
        story.log(A, 1.1 + number / 10, line)
    return story.history()


def told(
    cut_off: Story | None = None,
    *,
    tasks: History | None = None,
    while_idle: tuple[str, ...] = ("nothing to do",),
    slept: Story | None = None,
    failed: Story | None = None,
) -> CheckResult:
    cut_off, slept, failed = cut_off or commit_cut(), slept or Story(), failed or work_failed("task 4 failed")
    more = (cut_off.history(), slept.history(), failed.history())
    return graded("3a.log-tasks", tasks or well_told(), idle(*while_idle), *more)


def test_a_log_that_waits_for_the_commit_passes() -> None:
    again = commit_cut().log(A, 2.21, "completing task 7 failed: connection lost; trying again")
    assert told(again.complete("7", 2.4, A).log(A, 2.41, "completed task=7 in 1.0 s")).verdict is PASS


def test_a_line_of_a_task_that_is_only_looked_at_tells_of_no_claim() -> None:
    story = Story().start(A)
    for number in (1, 2, 3):
        story.insert(str(number), 0.5).log(A, number - 0.1, f"found task={number} title 'title {number}'")
        story.claim(str(number), number, A).complete(str(number), number + 0.5, A)
        story.log(A, number + 0.51, f"completed task={number} in 0.50 s")
    result = told(tasks=story.history())
    assert (result.verdict, result.observed) == (FAIL, "no such line")
    assert result.expected == "a line with id 1 and its title when it is claimed"


def test_a_worker_that_dies_when_its_commit_is_cut_off_passes() -> None:
    assert told(commit_cut().log(A, 2.21, "psycopg.OperationalError: task 7").exit(A, 2.3, 1)).verdict is PASS


@pytest.mark.parametrize(
    ("at", "observed"),
    [(1.99, "logged 0.21 s before that"), (2.1, "logged 0.10 s before"), (2.21, "logged 0.01 s after")],
)
def test_a_completion_told_before_one_that_stands_fails(at: float, observed: str) -> None:
    result = told(commit_cut().log(A, at, "completed task=7 in 1.0 s").complete("7", 2.4, A))
    assert (result.verdict, observed in str(result.observed)) == (FAIL, True)
    assert any("held before: COMMIT" in line.text for line in result.evidence)


def test_a_log_as_json_is_read_as_well() -> None:
    line = '{{"event":"completed","id":{},"seconds":0.25}}'
    assert told(commit_cut().log(A, 2.1, line.format(7)), tasks=well_told(line)).verdict is FAIL


def test_a_completion_in_another_language_is_read_as_well() -> None:
    line = "Aufgabe {} nach 0.5 s erledigt"
    assert told(commit_cut().log(A, 2.3, "Abschluss von 7 misslungen"), tasks=well_told(line)).verdict is PASS
    assert told(commit_cut().log(A, 2.1, line.format(7)), tasks=well_told(line)).verdict is FAIL


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_the_end_of_the_work_may_be_told_before_the_commit(seconds: float) -> None:
    saving = "task={} work finished after 0.30 s, saving"
    tasks = late(seconds, of=well_told(before=saving))
    assert told(commit_cut().log(A, 1.9, saving.format(7)), tasks=tasks).verdict is PASS
    result = told(commit_cut().log(A, 1.9, saving.format(7)), tasks=late(seconds, of=well_told("", saving)))
    assert result.verdict is FAIL


def test_a_completion_before_its_commit_fails_although_it_is_told_once_more() -> None:
    result = told(tasks=well_told(before=COMPLETED))
    assert (result.verdict, result.expected) == (FAIL, "a completion is logged after its COMMIT")


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (("task 4 failed: no",), PASS),
        (("work on task 4 finished", "task 4 failed after 0.1 s"), PASS),
        (("done with task=4 after 0.10 s", "task 4 failed"), PASS),
        (("completed task=4 in 0.10 s",), FAIL),
        (("task 4 failed", "completed task=4 in 0.10 s"), FAIL),
        (("completed task=5 in 0.10 s", "completed task=5 in 4 s"), PASS),
    ],
)
def test_work_that_failed_must_not_be_told_as_completed(lines: tuple[str, ...], verdict: Verdict) -> None:
    result = told(failed=work_failed(*lines))
    assert result.verdict is verdict
    if verdict is FAIL:
        assert result.observed == "task 4, whose work failed, was logged as completed"


def test_failed_work_that_is_stored_as_completed_is_no_fault_of_the_log() -> None:
    story = work_failed("completed task=4 in 0.10 s").complete("4", 1.6, A)
    assert told(failed=story).verdict is PASS


def test_without_failed_work_that_is_not_judged() -> None:
    assert told(failed=Story().start(A)).verdict is INCONCLUSIVE
    assert told(failed=Story().start(A).insert("4", 0.5).note("failing", 0.7, task="4")).verdict is INCONCLUSIVE


def test_a_completion_of_another_task_is_none_of_this_one() -> None:
    story = Story().start(A).log(A, 0.1, "started, interval 0.2 s").log(A, 0.2, "nothing to do")
    for number in (1, 2, 3):  # all three at once, and numbers in the lines that are ids as well
        story.insert(str(number), 0.5).claim(str(number), 1.0, A)
        story.log(A, 1.01, f"claimed task={number} 'title {number}' attempt=1")
    for number in (1, 2, 3):
        story.complete(str(number), 1.5 + number / 10, A)
        story.log(A, 1.51 + number / 10, f"completed task={number} attempt=1 in 0.{number + 1} s")
    assert told(tasks=story.history()).verdict is PASS


@pytest.mark.parametrize(
    "text",
    [
        "could not complete task 7, trying again",
        "task 7 is not done",
        "completed task=17 in 7.0 s",
        "task=6 completed in 1.7 s at 12:07:07,7",
        "completing task=7",
        "work on task 7: 0.25 s",
    ],
)
def test_lines_that_tell_of_no_completion_of_the_task_do_no_harm(text: str) -> None:
    assert told(commit_cut().log(A, 2.1, text)).verdict is PASS


def test_a_commit_that_did_not_come_to_be_held_decides_nothing() -> None:
    assert told(commit_cut(sql=None)).verdict is INCONCLUSIVE
    assert told(commit_cut().complete("7", 1.9, A)).verdict is INCONCLUSIVE
    assert told(Story().start(A)).verdict is INCONCLUSIVE


def late(seconds: float, *, without: str = "-", of: History | None = None) -> History:
    """Like ``well_told``, but every line reaches the grader so much later; lines with ``without`` are left out."""
    events = [
        replace(event, at=event.at + seconds) if isinstance(event, LogLine) else event
        for event in (of or well_told()).events
        if not (isinstance(event, LogLine) and without in event.text)
    ]
    return History(events)


@pytest.mark.parametrize("seconds", [0.3, 0.6, 5.0])
def test_a_log_that_is_read_late_is_judged_like_one_that_is_read_at_once(seconds: float) -> None:
    assert told(tasks=late(seconds)).verdict is PASS


@pytest.mark.parametrize("seconds", [0.0, 5.0])
@pytest.mark.parametrize("without", ["claimed", "completed"])
def test_a_line_that_never_comes_is_missed_however_late_the_others_are(seconds: float, without: str) -> None:
    assert told(tasks=late(seconds, without=without)).verdict is FAIL


def starting_with_a_task(*lines: str) -> Story:
    """``commit_cut``, with these lines before its claim."""
    story = Story().start(A)
    for number, line in enumerate(lines):
        story.log(A, 0.05 + number / 100, line)
    return story.add(*commit_cut().events)


START = ("started, interval 0.1 s", "connected to lab_0f3a")


@pytest.mark.parametrize("late", [False, True])
def test_an_empty_poll_without_a_line_fails_however_late_the_lines_of_the_start_are_read(late: bool) -> None:
    story = Story().start(A).note("idle-begins", 0.1 if late else 1.0).note("idle-ends", 3.0)
    silent = story.log(A, 0.2, "started, interval 0.25 s").log(A, 0.3, "connected to lab_77b0")
    histories = (well_told(), silent.history(), starting_with_a_task(*START).history(), Story().history())
    result = graded("3a.log-tasks", *histories)
    assert (result.verdict, str(result.expected)) == (FAIL, "a line for a poll that found nothing")
    assert "at level info" in str(result.hint)


def test_a_worker_that_tells_of_the_first_of_several_empty_polls_passes() -> None:
    lines = (*START, "nothing to do")
    assert told(starting_with_a_task(*START), while_idle=lines).verdict is PASS


def test_a_worker_whose_other_slots_find_nothing_at_the_start_passes() -> None:
    lines = (*START, *["nothing to do"] * 8)
    assert told(starting_with_a_task(*START, *["nothing to do"] * 3), while_idle=lines).verdict is PASS


def lost_its_task() -> Story:
    """Task 7 is B's from 1.0 on, which sleeps; A takes it over at 2, B wakes at 2.5."""
    story = Story().start(A).start(B).insert("7", 0.9).claim("7", 1.0, B)
    return story.claim("7", 2.0, A).note("woken", 2.5, task="7", service=B, taken_over=True)


def test_a_completion_that_met_no_row_must_not_be_told() -> None:
    untrue = lost_its_task().log(B, 2.6, "completed task=7 in 0.5 s")
    assert told(slept=untrue.complete("7", 3.0, A)).verdict is FAIL


@pytest.mark.parametrize(
    "text",
    [
        "task 7 was taken over meanwhile",
        "claimed task=8 in 0.5 s, 7 tasks to go",
        "task 7 was already completed by another worker, result discarded",
        "task 7 finished after 0.5 s, and is no longer ours",
        "completed task=8 in 0.5 s",
    ],
)
def test_a_worker_that_says_that_it_lost_its_task_passes(text: str) -> None:
    assert told(slept=lost_its_task().log(B, 2.6, text).complete("7", 3.0, A)).verdict is PASS


def test_a_completion_that_met_the_row_of_another_owner_is_no_fault_of_the_log() -> None:
    assert told(slept=lost_its_task().complete("7", 2.6, B).log(B, 2.7, "completed task=7 in 1 s")).verdict is PASS
