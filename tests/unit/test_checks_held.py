"""Checks that hold a step at one moment, judged on literal histories; and what finds that step."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from grader.checkpoints import all_checks, select
from grader.checkpoints.durable import AtChange, AtCommit, maker, shape
from grader.history.events import HttpExchange, LogLine, StepBegan, StepEnded, TransactionState
from grader.history.timeline import History
from grader.judging import Judge, Take
from grader.model import CheckResult, Verdict
from grader.wire import SYNC_COMMIT, WireStep
from tests.unit.histories import PIDS, Story

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
A, B = "worker-A", "worker-B"
UPDATE = "UPDATE tasks SET status = 'completed' WHERE id = $1"


def judged(name: str, *histories: History) -> CheckResult:
    [check] = select(all_checks(), only=[name])
    takes = {s.name: [Take(history, 1.0)] for s, history in zip(check.on, histories, strict=True)}
    return Judge((check,), takes).results()[name]


# ---------------------------------------------------------------- 3a.log-tasks


def well_told() -> History:
    """Three tasks with all the lines that are asked for."""
    story = Story().start(A).log(A, 0.1, "started, interval 0.2 s").log(A, 0.2, "nothing to do")
    for number in (1, 2, 3):
        story.insert(str(number), 0.5).claim(str(number), number, A)
        story.log(A, number + 0.01, f"claimed task={number} title 'title {number}'")
        story.complete(str(number), number + 0.5, A).log(A, number + 0.51, f"completed task={number} in 0.50 s")
    return story.history()


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
) -> CheckResult:
    cut_off, slept = cut_off or commit_cut(), slept or Story()
    return judged("3a.log-tasks", tasks or well_told(), idle(*while_idle), cut_off.history(), slept.history())


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
    assert told(commit_cut().log(A, 2.1, '{"event":"completed","id":7,"seconds":0.25}')).verdict is FAIL


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


def late(seconds: float, *, without: str = "-") -> History:
    """Like ``well_told``, but every line reaches the grader so much later; lines with ``without`` are left out."""
    events = [
        replace(event, at=event.at + seconds) if isinstance(event, LogLine) else event
        for event in well_told().events
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
    result = judged("3a.log-tasks", *histories)
    assert (result.verdict, str(result.expected)) == (FAIL, "a line for a poll that found nothing")


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


@pytest.mark.parametrize("text", ["task 7 was taken over meanwhile", "claimed task=8 in 0.5 s, 7 tasks to go"])
def test_a_worker_that_says_that_it_lost_its_task_passes(text: str) -> None:
    assert told(slept=lost_its_task().log(B, 2.6, text).complete("7", 3.0, A)).verdict is PASS


def test_a_completion_that_met_the_row_of_another_owner_is_no_fault_of_the_log() -> None:
    assert told(slept=lost_its_task().complete("7", 2.6, B).log(B, 2.7, "completed task=7 in 1 s")).verdict is PASS


# ---------------------------------------------------------------- x.fencing


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


def left_alone(task: str, at: float, sql: str | None = None) -> Story:
    return slept(task, at, sql=sql).complete(task, at + 1.5, B)


def test_a_sleeper_that_leaves_all_tasks_alone_passes() -> None:
    history = all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE))
    assert judged("x.fencing", history).verdict is PASS


def test_a_sleeper_whose_held_statement_still_changes_the_task_fails() -> None:
    second = slept("2", 5.0, sql=UPDATE).complete("2", 6.01, A)
    result = judged("x.fencing", all_of(left_alone("1", 1.0), second))
    assert (result.verdict, result.observed) == (FAIL, "it changed task 2 0.01 s after it woke")
    assert "WHERE of the UPDATE itself" in str(result.hint)
    assert any("held on its way" in line.text for line in result.evidence)


def test_a_sleeper_that_rewrites_a_task_at_work_fails() -> None:
    first = slept("1", 1.0).update("1", 2.3, A, status="completed")
    result = judged("x.fencing", all_of(first, left_alone("2", 5.0, UPDATE)))
    assert (result.verdict, result.hint) == (FAIL, select(all_checks(), only=["x.fencing"])[0].hint)


def test_a_sleeper_that_takes_the_task_up_anew_once_the_other_one_was_silent_for_long_passes() -> None:
    again = slept("2", 5.0, sql=UPDATE).update("2", 6.8, A, status="pending").claim("2", 6.9, A)
    assert judged("x.fencing", all_of(left_alone("1", 1.0), again.complete("2", 7.5, A))).verdict is PASS


def test_a_sleeper_that_takes_the_task_back_from_a_live_one_fails() -> None:
    again = slept("2", 5.0, sql=UPDATE).update("2", 6.1, A, status="pending").claim("2", 6.2, A)
    assert judged("x.fencing", all_of(left_alone("1", 1.0), again.complete("2", 7.5, A))).verdict is FAIL


def test_a_task_that_cannot_be_taken_over_passes_when_it_is_completed_once() -> None:
    alone = slept("1", 1.0, taken_over=False).complete("1", 2.5, A)
    assert judged("x.fencing", all_of(alone, Story(), Story())).verdict is PASS


def test_a_sleeper_that_was_never_held_at_its_completion_decides_nothing() -> None:
    assert judged("x.fencing", all_of(left_alone("1", 1.0), Story())).verdict is INCONCLUSIVE
    history = all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE), over=False)
    assert judged("x.fencing", history).verdict is INCONCLUSIVE


def test_a_sleeper_whose_failure_goes_to_a_task_that_another_one_has_fails_with_a_hint_of_its_own() -> None:
    third = slept("3", 9.0, fails=True).update("3", 10.02, A, status="failed")
    result = judged("x.fencing", all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE), third))
    assert (result.verdict, result.observed) == (FAIL, "it changed task 3 0.02 s after it woke")
    assert "path for work that fails" in str(result.hint)


def test_a_sleeper_whose_failure_goes_to_a_task_that_was_given_back_fails() -> None:
    third = (
        slept("3", 9.0, fails=True).update("3", 9.9, B, status="pending").update("3", 10.02, A, status="failed")
    )
    assert judged("x.fencing", all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE), third)).verdict is FAIL


def test_a_sleeper_may_claim_a_task_that_failed_and_was_given_back() -> None:
    third = slept("3", 9.0, fails=True).update("3", 10.5, B, status="pending").claim("3", 10.6, A)
    third.update("3", 11.1, A, status="failed")
    assert judged("x.fencing", all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE), third)).verdict is PASS


def test_work_that_fails_where_no_takeover_is_possible_ends_as_failed_once() -> None:
    third = slept("3", 9.0, fails=True, taken_over=False).update("3", 10.5, A, status="failed")
    result = judged("x.fencing", all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE), third))
    assert result.verdict is PASS
    assert str(result.observed).endswith("while the sleeper lived; failed after it woke")


def test_a_failing_task_that_the_sleeper_had_done_with_before_it_slept_says_nothing() -> None:
    third = slept("3", 9.0, fails=True, taken_over=False).update("3", 9.05, A, status="failed")
    history = all_of(left_alone("1", 1.0), left_alone("2", 5.0, UPDATE), third)
    assert judged("x.fencing", history).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 3a.sigterm-takes-no-more


def claims(story: Story, task: str, at: float, sent: float | None = None) -> Story:
    """A claim by UPDATE and COMMIT whose transaction began at ``sent``."""
    began = at - 0.002 if sent is None else sent
    story.step(A, began, "BEGIN", tag="BEGIN", after="T")
    story.step(A, at - 0.001, "UPDATE tasks", tag="UPDATE 1", before="T", after="T")
    return story.claim(task, at, A)


def at_work() -> History:
    story = Story().start(A).insert("1", 0.5).insert("2", 0.6)
    return claims(story, "1", 1.0).signal(A, "SIGTERM", 1.5).complete("1", 2.0, A).exit(A, 2.1).history()


def between(*, sql: str | None = "COMMIT", left: int = 5) -> Story:
    """Task 1 is claimed at 1 and completed at 2; the signal comes at 2.1, the answer at 2.2."""
    story = Story().start(A)
    for number in range(1, left + 2):
        story.insert(str(number), 0.5 + number / 100)
    claims(story, "1", 1.0).complete("1", 2.0, A).note("answer-withheld", 2.05, sql=sql)
    return story.signal(A, "SIGTERM", 2.1).note("answer-given", 2.2).note("watched", 3.0)


def takes_no_more(story: Story) -> CheckResult:
    return judged("3a.sigterm-takes-no-more", at_work(), story.history())


def test_a_worker_that_looks_after_the_answer_passes() -> None:
    assert takes_no_more(between().exit(A, 2.3)).verdict is PASS


def test_one_more_claim_after_the_answer_fails() -> None:
    result = takes_no_more(claims(between(), "2", 2.25))
    assert (result.verdict, result.observed) == (FAIL, "task 2 claimed 0.05 s after the completion was answered")


def test_a_claim_that_was_sent_before_the_signal_passes() -> None:
    assert takes_no_more(claims(between(), "2", 2.25, sent=2.09)).verdict is PASS


def test_a_worker_with_two_tasks_in_hand_may_have_one_claim_on_its_way_and_no_more() -> None:
    story = claims(between(), "2", 1.1).complete("2", 2.01, A)
    assert takes_no_more(claims(story, "3", 2.25)).verdict is PASS
    assert takes_no_more(claims(story, "4", 2.26)).verdict is FAIL


def test_a_worker_that_sends_the_next_claim_along_with_a_completion_may_have_one_on_its_way() -> None:
    story = between().step(A, 1.5, "COMMIT", took=0.01, tag="COMMIT", before="T", after="I")
    story.step(A, 1.501, "UPDATE tasks", took=0.02, tag="UPDATE 1")
    assert takes_no_more(claims(story, "2", 2.25)).verdict is PASS
    assert takes_no_more(claims(story, "3", 2.26)).verdict is FAIL


def test_a_signal_that_met_no_completion_or_no_backlog_decides_nothing() -> None:
    assert takes_no_more(between(sql=None)).verdict is INCONCLUSIVE
    assert takes_no_more(between(left=0)).verdict is INCONCLUSIVE
    assert takes_no_more(Story().start(A)).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 3b.skip-locked


def passes_over(sql: str | None, free: int, *, claimed: bool = True) -> CheckResult:
    story = Story().insert("1", 0.5).insert("2", 0.6).note("row-locked", 0.7, task="1", other="2").start(A)
    story.claim("2", 1.0, A).complete("2", 1.1, A).note("row-let-go", 1.2)
    story.claim("1", 1.3, A).complete("1", 1.4, A)
    story.note("claim-held", 2.0, claimed=claimed, sql=sql, tasks=20, free=free)
    return judged("3b.skip-locked", story.history())


def test_a_claim_that_locks_its_own_row_or_has_no_transaction_passes() -> None:
    assert passes_over("UPDATE …", 19).verdict is PASS
    assert passes_over(None, 0).verdict is PASS


def test_a_claim_that_locks_every_row_fails() -> None:
    result = passes_over("UPDATE …", 0)
    assert (result.verdict, result.observed) == (
        FAIL,
        "while a claim is under way, all 20 pending tasks are locked",
    )


def test_a_worker_that_claims_nothing_more_decides_nothing() -> None:
    assert passes_over(None, 20, claimed=False).verdict is INCONCLUSIVE


# ---------------------------------------------------------------- 2.create


def exchange(
    method: str, path: str, at: float, status: int | None, body: Any = None, request: Any = None
) -> HttpExchange:
    return HttpExchange(
        at=at,
        service="api",
        method=method,
        path=path,
        request=None if request is None else json.dumps(request),
        status=status,
        content_type="application/json",
        body=json.dumps(body),
        error=None if status else "ReadTimeout",
        ended_at=at + 0.01,
    )


def created(*, held: bool = True, answered: bool = False) -> Story:
    story = Story().start("api")
    for number in (1, 2, 3):
        row = {"id": number, "title": f"title {number}", "status": "pending", "created_at": "x", "updated_at": "x"}
        story.insert(str(number), number + 0.005)
        story.add(exchange("POST", "/tasks", number, 201, row, {"title": row["title"]}))
        story.add(exchange("GET", f"/tasks/{number}", number + 0.1, 200, row))
    return story.note("commit-held", 3.001, held=held, answered=answered)


def refused(status: int | None, *, stored: bool = False, sql: str | None = "COMMIT") -> CheckResult:
    story = created().note("commit-cut", 5.0, title="title 9", sql=sql, answered=False)
    if stored:
        story.insert("9", 5.005)
    story.add(exchange("POST", "/tasks", 4.9, status, {"id": 9}, {"title": "title 9"}))
    return judged("2.create", story.history())


@pytest.mark.parametrize("status", [500, 503, None])
def test_any_error_for_a_commit_that_was_cut_off_passes(status: int | None) -> None:
    assert refused(status).verdict is PASS


def test_201_for_a_commit_that_was_cut_off_passes_when_a_second_try_stored_the_task() -> None:
    assert refused(201, stored=True).verdict is PASS


def test_201_for_a_task_that_was_not_stored_fails() -> None:
    assert (refused(201).verdict, refused(201).observed) == (FAIL, "status 201, and no row in the table")


def test_an_answer_before_its_commit_fails() -> None:
    assert judged("2.create", created(answered=True).history()).verdict is FAIL


def test_commits_that_were_not_seen_decide_nothing() -> None:
    assert judged("2.create", created(held=False, answered=True).history()).verdict is INCONCLUSIVE
    assert refused(503, sql=None).verdict is INCONCLUSIVE


def test_a_scenario_that_ended_before_the_cut_is_judged_by_the_rest() -> None:
    assert judged("2.create", created().history()).verdict is PASS


# ---------------------------------------------------------------- which statement it is


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("UPDATE t SET a = 'x' WHERE id = 1", "UPDATE  t SET a = 'yz' -- so\nWHERE id = 27"),
        ("SELECT complete_task(7, 0.25)", "SELECT complete_task(8, 1)"),
    ],
)
def test_statements_that_differ_in_values_have_one_shape(one: str, other: str) -> None:
    assert shape(one) == shape(other)
    assert shape(one) != shape(one.replace("SELECT", "TABLE").replace("SET", "SETS"))


def test_the_statement_during_which_a_row_changed_is_the_one_that_changed_it() -> None:
    story = Story().start(A).insert("7", 0.5)
    story.step(A, 1.0, "SELECT complete_task(7)", took=0.01).complete("7", 1.005, A)
    story.step(A, 1.011, "SELECT next_task()").step(A, 0.99, "SELECT 7 FROM tasks", took=0.009)
    history = story.history()
    assert maker(history, history.story("7").completions[0]) == "SELECT complete_task(?)"


def test_of_statements_sent_together_it_is_the_first_that_was_answered_after_the_change() -> None:
    story = Story().start(A).insert("7", 0.5).complete("7", 1.005, A)
    for number, (sql, ended) in enumerate((("UPDATE a", 1.002), ("UPDATE b", 1.006), ("SELECT c", 1.009))):
        story.add(
            StepBegan(at=1.0, service=A, connection=PIDS[A], step=100 + number, sql=sql, transaction="I"),
            ended_at(ended, 100 + number),
        )
    history = story.history()
    assert maker(history, history.story("7").completions[0]) == "UPDATE b"


def ended_at(at: float, step: int) -> StepEnded:
    return StepEnded(
        at=at,
        service=A,
        connection=PIDS[A],
        step=step,
        tag="UPDATE 1",
        rows=1,
        sqlstate=None,
        message=None,
        values=(),
        parameters=(),
        transaction="I",
        committed=True,
    )


def test_a_change_past_the_wire_has_no_statement() -> None:
    history = Story().start(A).insert("7", 0.5).complete("7", 1.0, B).history()
    assert maker(history, history.story("7").changes[1]) is None


def wire(sql: str, state: TransactionState = "I", *, would_commit: bool = False, connection: int = 1) -> WireStep:
    return WireStep(A, connection, 9, 1, sql, (), state, wrote=False, would_commit=would_commit)


def test_the_change_is_found_on_any_connection() -> None:
    at = AtChange(shape(UPDATE))
    assert [at(wire(UPDATE, "T")), at(wire(UPDATE, connection=2)), at(wire("COMMIT", "T"))] == [True, True, False]


def test_in_a_transaction_the_commit_makes_it_durable() -> None:
    at = AtCommit(shape(UPDATE))
    sent = [wire("BEGIN"), wire(UPDATE, "T"), wire("COMMIT", "T", connection=2), wire("COMMIT", "T")]
    assert [at(step) for step in [*sent, wire("COMMIT", "T")]] == [False, False, False, True, False]


def test_what_is_rolled_back_is_not_made_durable() -> None:
    at = AtCommit(shape(UPDATE))
    assert [at(wire(sql, "T")) for sql in (UPDATE, "ROLLBACK", "COMMIT")] == [False, False, False]


def test_outside_a_transaction_the_query_itself_or_the_sync_behind_it_makes_it_durable() -> None:
    assert AtCommit(shape(UPDATE))(wire(UPDATE, would_commit=True))
    at = AtCommit(shape(UPDATE))
    assert [at(wire(UPDATE)), at(wire(SYNC_COMMIT, would_commit=True))] == [False, True]


def test_a_write_that_does_not_show_is_held_itself() -> None:
    assert AtCommit("SELECT complete_task(?)")(wire("SELECT complete_task(7)"))
