"""Exercise 3a, part 4: what the worker tells of itself."""

from __future__ import annotations

import re

from grader.checkpoints.durable import AtCommit, maker
from grader.checkpoints.evidence import (
    life,
    said,
    short,
)
from grader.checkpoints.shutdown import sigterm_mid_task
from grader.checkpoints.worker import LAB, A, processes, starts, three_tasks
from grader.declare import check, scenario
from grader.history.tasks import Claim, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab
from grader.model import Evidence


@check(
    "3a.log-lifecycle",
    points=2,
    on=sigterm_mid_task,
    after=starts,
    hint="Log when it happens, and flush: the start with the interval, the signal, the end.",
    read=f"{LAB}#lifecycle-logs",
)
def logs_its_life(history: History) -> Judgement:
    """The log tells of the start with its interval, of the shutdown's begin and of its end, when they happen.

    When a task was lost at ten past three, the log has to say which worker started, stopped and was told to stop
    then. Lines that wait in a buffer are lost with the process.
    """
    signal = need(history.signal("SIGTERM", A), "the worker did not come as far as its shutdown")
    exit_ = need(history.exited(A), "the worker never exited")
    log = history.log(A)
    interval = need(history.started(A), "").settings["WORKER_POLL_INTERVAL"]
    begun = [line for line in log if line.at < signal.at]
    if not any(interval.removesuffix("s") in line.text for line in begun):
        return broken(
            *[said(line) for line in begun[:4]],
            expected=f"a line with the poll interval ({interval}) before anything else happens",
            observed="no such line" if begun else "no line at all before the signal",
            hint=None if begun else "Is the output buffered? Use logging, or flush, or PYTHONUNBUFFERED.",
        )
    finished = next((s.completions[0].at for s in history.stories.values() if s.completions), None)
    done = need(finished, "no task was completed")
    during = [line for line in log if signal.at <= line.at < done]
    after = [line for line in log if done <= line.at <= exit_.at + 1]
    for lines, what in ((during, "the shutdown has begun"), (after, "the shutdown is complete")):
        if not any(_speaks_of_shutdown(line.text) for line in lines):
            return broken(
                *[said(line) for line in log if line.at >= signal.at][:6],
                expected=f"a line that says that {what}, when it happens",
                observed="no such line",
            )
    return holds("start, shutdown begun and shutdown complete, each when it happened", said(during[0]))


_SHUTDOWN_WORDS = (
    "shut",
    "stop",
    "signal",
    "sigterm",
    "drain",
    "terminat",
    "exit",
    "bye",
    "finish",
    "quit",
    "clos",
)


def _speaks_of_shutdown(text: str) -> bool:
    return any(word in text.lower() for word in _SHUTDOWN_WORDS)


LOG_WATCH = 0.15
"""Seconds in which a line would come that does not wait for the commit."""


@scenario(timeout=10, seconds=2)
def completion_cut_off(lab: Lab) -> None:
    """A task is completed; the commit of the next one's completion is held, and its connection closed instead."""
    work = 0.25 * lab.patience
    [rehearsal] = lab.insert_tasks(1)
    worker = lab.start_worker(poll=0.1, duration=work, ready=False)
    lab.wait_until(lab.has_status(rehearsal))
    history = lab.history()
    statement = next((maker(history, c) for c in history.story(rehearsal.id).completions), None)
    lab.give_up_unless(statement is not None, "the statement that completed a task")
    [task] = lab.insert_tasks(1)
    lab.wait_until(worker.works_on(task))
    lab.note("at-work", task=task.id)
    with worker.relay.hold(AtCommit(str(statement))) as hold:
        done = lab.has_status(task)
        held = Condition(
            "the commit", lambda board, now: hold.is_holding or done.holds(board, now), by=worker.name
        )
        lab.comes(held, timeout=work + 2)
        lab.note("commit-held", task=task.id, sql=hold.held[0].sql if hold.is_holding else None)
        lab.watch(LOG_WATCH * lab.patience)
        lab.note("commit-cut", task=task.id)
        hold.cut()
    gone = lab.has_exited(worker)
    either = Condition("an end", lambda board, now: gone.holds(board, now) or done.holds(board, now))
    lab.comes(either, timeout=2 * LOG_WATCH)
    lab.note("watched", task=task.id)


@check(
    "3a.log-tasks",
    points=2,
    on=(three_tasks, completion_cut_off),
    after=processes,
    hint="Three lines: nothing found; claimed, with id and title; completed, with id and duration, after COMMIT.",
    read=f"{LAB}#task-logs",
)
def logs_its_tasks(history: History, cut_off: History) -> Judgement:
    """The log tells of an empty poll, of each claim with id and title, and of each completion with its duration.

    The log is all that there is when something went wrong yesterday. A completion that is logged before its commit
    tells of what perhaps never was.
    """
    log = history.log(A)
    need(history.inserted or None, "no task was inserted")
    for task in history.inserted:
        story = history.story(task)
        if not story.claims or not story.completions:
            need(None, f"task {task} was not completed")
        if problem := _task_log_problem(history, story, story.claims[0]):
            return problem
    first_claim = min(c.at for c in history.claims)
    if not [line for line in log if line.at < first_claim and not _is_start_line(history, line.text)]:
        return broken(
            *[said(line) for line in log[:4]],
            expected="a line for a poll that found nothing",
            observed="none before the first task came",
        )
    if problem := _untrue_completion(cut_off):
        return problem
    return holds(
        f"{len(log)} lines; no completion logged while its commit was held, nor when it was cut off",
        *[said(line) for line in log[:6]],
    )


def _untrue_completion(history: History) -> Judgement | None:
    """A line that calls a task completed before a completion that stands."""
    held = need(history.moment("commit-held"), "no task was in hand whose commit could be held")
    cut = need(history.moment("commit-cut"), "the scenario came to no end")
    end = need(history.moment("watched"), "the scenario came to no end")
    story = history.story(held.detail["task"])
    sql = need(held.detail["sql"], "the commit of the completion was not seen to come")
    stands = min((c.at for c in story.completions), default=end.at)
    if stands < cut.at:
        need(None, "the completion was durable before its commit was held")
    at_work = need(history.moment("at-work"), "no task was in hand")
    lines = [n for n in history.log(A) if story.changes[0].at <= n.at < stands]
    claimed = next((n for n in lines if _title(story) in n.text), None)
    untrue = [n for n in lines if n.at > at_work.at and n is not claimed and _tells_success(n.text, story)]
    if not untrue:
        return None
    marks = [
        Evidence(held.at, f"held before: {short(sql, 100)}", A),
        Evidence(cut.at, "connection closed by the grader instead", A),
    ]
    return broken(
        *sorted([said(untrue[0]), *life(story), *marks], key=lambda e: e.at),
        expected="no completion is logged unless its commit succeeded",
        observed=f"logged {cut.at - untrue[0].at:.2f} s before that commit was refused"
        if untrue[0].at < cut.at
        else f"logged {untrue[0].at - cut.at:.2f} s after that commit was refused",
        hint="Log after the commit returned without an error, not in a finally block, and not before it.",
    )


_DOUBTS = re.compile(
    r"\bnot\b|n't\b|fail|error|unable|lost|retr[iy]|again|abort|abandon|roll|\bwill\b|before|could|trying|(complet|finish)ing"
)
"""Words of a line that speaks of trouble, or of something to come."""


def _tells_success(text: str, story: Story) -> bool:
    """Whether a line calls a task completed."""
    plain = text.replace(_title(story), "")
    return (
        _is_about(plain, story.task)
        and not _DOUBTS.search(plain.lower())
        and _tells_completion(plain, story.task, "")
    )


def _is_about(text: str, task: str) -> bool:
    """Whether a line names an id that is no part of another number, or of a time."""
    return re.search(rf"(?<![\w.])(?<!\d[,:-]){re.escape(task)}(?!\w|[.,:-]\d)", text) is not None


def _title(story: Story) -> str:
    return str((story.row or {}).get("title"))


def _is_start_line(history: History, text: str) -> bool:
    interval = need(history.started(A), "").settings["WORKER_POLL_INTERVAL"]
    return interval.removesuffix("s") in text


def _task_log_problem(history: History, story: Story, claim: Claim) -> Judgement | None:
    log = history.log(A)
    title = str((story.row or {}).get("title"))
    done = story.completions[0]
    claimed = [n for n in log if claim.at <= n.at < done.at and title in n.text and names_id(n.text, story.task)]
    if not claimed:
        return broken(
            *[said(line) for line in log if claim.at <= line.at < done.at][:4],
            expected=f"a line with id {story.task} and its title when it is claimed",
            observed="no such line between its claim and its completion",
        )
    others = [task for task in history.inserted if task != story.task]
    early = [
        n
        for n in log
        if n not in claimed
        and claim.at <= n.at < done.at
        and _tells_completion(n.text, story.task, title)
        and _is_about(n.text.replace(title, ""), story.task)
        and not any(_is_about(n.text, other) for other in others)  # which of the two is an attempt, or a slot?
    ]
    if early:
        return broken(
            said(early[0]),
            *life(story),
            expected="a completion is logged after its COMMIT",
            observed=f"logged {done.committed_at - early[0].at:.2f} s before it",
        )
    told = [
        n for n in log if n.at >= done.at and names_id(n.text, story.task) and _has_number(n.text, story, title)
    ]
    if not told:
        return broken(
            *[said(line) for line in log if line.at >= done.at][:4],
            expected=f"a line with id {story.task} and how long it took when it is completed",
            observed="no such line after its completion",
        )
    return None


def names_id(text: str, task: str) -> bool:
    """Whether a log line names an id, as a word of its own."""
    position = text.find(task)
    while position >= 0:
        around = text[position - 1 : position] + text[position + len(task) : position + len(task) + 1]
        if not any(c.isalnum() for c in around):
            return True
        position = text.find(task, position + 1)
    return False


def _tells_completion(text: str, task: str, title: str) -> bool:
    plain = text.replace(title, "").lower()
    return names_id(text, task) and any(word in plain for word in ("complet", "done", "finish"))


def _has_number(text: str, story: Story, title: str) -> bool:
    """Whether a duration is in the line: a number besides the id, the title and a time of day."""
    rest = text.replace(title, " ")
    rest = re.sub(r"\d{4}-\d\d-\d\d[T ]?|\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?", " ", rest)
    rest = re.sub(rf"(?<![\w.]){re.escape(story.task)}(?![\w.])", " ", rest, count=1)
    return bool(re.search(r"\d", rest))
