"""Exercise 3a, part 4: what the worker tells of itself.

A line may reach the grader later than what it tells of, on a busy machine much later; never earlier. So no check here
asks that a line has come by some time, unless the scenario waited for it: the order of lines counts, and that none
comes too early.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import takewhile

from grader.checkpoints.durable import AtCommit, maker
from grader.checkpoints.evidence import ended, life, said, sent, short
from grader.checkpoints.failing import failing_work, survives_failed_work
from grader.checkpoints.fencing import sleeper
from grader.checkpoints.lines import (
    completion_forms,
    form_in,
    has_duration,
    is_about,
    is_start_line,
    names_id,
    own_name,
    speaks_of_shutdown,
    tells_completion,
    tells_success,
    title_of,
    usual_forms,
)
from grader.checkpoints.polling import idle_quarter
from grader.checkpoints.shutdown import sigterm_mid_task
from grader.checkpoints.starting import LAB, A, starts, three_tasks
from grader.checkpoints.stop_waiting import sigterm_while_waiting
from grader.checkpoints.worker import processes
from grader.declare import check, scenario
from grader.history.events import LogLine, Moment, SignalSent
from grader.history.tasks import Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Condition, Lab
from grader.model import Evidence


@check(
    "3a.log-lifecycle",
    points=2,
    on=(sigterm_mid_task, sigterm_while_waiting, three_tasks, idle_quarter),
    after=starts,
    hint="Log when it happens, and flush: the start with the interval, the signal, the end.",
    read=f"{LAB}#lifecycle-logs",
)
def logs_its_life(history: History, waiting: History, usual: History, idle: History) -> Judgement:
    """The log tells of the start with its interval, of the shutdown's begin and of its end, when they happen.

    When a task was lost at ten past three, the log has to say which worker started, stopped and was told to stop
    then. Lines that wait in a buffer are lost with the process.
    """
    signal = need(history.signal("SIGTERM", A), "the worker did not come as far as its shutdown")
    # Until then its statements were held: the line of the begin was waited for, and its work could not end.
    let_go = need(history.moment("let-go"), "the scenario came to no end")
    log = history.log(A)
    interval = need(history.started(A), "").settings["WORKER_POLL_INTERVAL"]
    early = [line for line in log if line.at < let_go.at]
    if not any(is_start_line(history, A, line.text) for line in early):
        return broken(
            *[said(line) for line in early[:4]],
            expected=f"a line with the poll interval ({interval}) before anything else happens",
            observed="no such line" if early else "no line at all until after the signal",
            hint=None if early else "Is the output buffered? Use logging, or flush, or PYTHONUNBUFFERED.",
        )
    known = usual_forms(A, usual, idle)
    told = _lines_of_the_end(history, known)
    during = [n for n in told if n.at < let_go.at]
    after = [n for n in told if n.at >= let_go.at]
    for lines, what in ((during, "the shutdown has begun"), (after, "the shutdown is complete")):
        if not lines:
            return broken(
                *_around_the_signal(history, signal, let_go),
                expected=f"a line that says that {what}, when it happens",
                observed="no such line",
            )
    if problem := _silent_end_of_a_wait(waiting, known, _forms(history, during), _forms(history, after)):
        return problem
    return holds("start, shutdown begun and shutdown complete, each when it happened", said(during[0]))


def _lines_of_the_end(history: History, known: Collection[str]) -> list[LogLine]:
    """The lines since SIGTERM that tell of the worker's end: by their words, or because they come at no other time.

    ``known``: the forms of the lines that come at any time; where there are none, the words alone count.
    """
    signal = need(history.signal("SIGTERM", A), "the worker got no signal")
    since = [line for line in history.log(A) if line.at >= signal.at]
    return [
        line
        for line in since
        if speaks_of_shutdown(line.text)
        or (
            known
            and form_in(history, line) not in known
            and not _TROUBLE.search(line.text)
            and not any(_tells_of_a_task(history, line.text, task) for task in history.inserted)
        )
    ]


_TROUBLE = re.compile(r"^\s|traceback|error|exception|panic|fail|timed? ?out|lost|retr[iy]", re.IGNORECASE)
"""What is in lines that come of what the grader did to the worker meanwhile, and not of its end."""


def _tells_of_a_task(history: History, text: str, task: str) -> bool:
    title = title_of(history.story(task))
    return (title in text and names_id(text, task)) or _is_completion(history, text, history.story(task))


def _silent_end_of_a_wait(
    history: History, known: Collection[str], begins: Collection[str], ends: Collection[str]
) -> Judgement | None:
    """That a worker which is stopped while it waits leaves without a word that its shutdown is complete.

    ``begins`` and ``ends``: the forms of the lines by which it told of the two at work.
    """
    signal = need(history.signal("SIGTERM", A), "the worker never came to wait")
    exit_ = history.exited(A)
    if exit_ is None or exit_.status != 0:
        return None  # how it ends is another check's business
    told = _lines_of_the_end(history, known)
    another = any(form_in(history, line) not in begins for line in told)
    if another or (len(told) > 1 and not set(ends) - set(begins)):
        return None
    return broken(
        sent(signal),
        *[said(line) for line in history.log(A) if line.at >= signal.at][:6],
        ended(exit_),
        expected="a line that says that the shutdown is complete, also after a wait between polls",
        observed="no such line",
        hint="A worker that waits has to leave by the same way as one that works.",
    )


def _around_the_signal(history: History, signal: SignalSent, let_go: Moment) -> list[Evidence]:
    held = Evidence(let_go.at, "until now the grader held what the worker sent to the database", A)
    lines = [said(line) for line in history.log(A) if line.at >= signal.at][:6]
    return sorted([sent(signal), *lines, held], key=lambda e: e.at)


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
    on=(three_tasks, idle_quarter, completion_cut_off, sleeper, failing_work),
    after=processes,
    explained_by=survives_failed_work,
    hint="Three lines: nothing found; claimed, with id and title; completed, with id and duration, after COMMIT.",
    read=f"{LAB}#task-logs",
)
def logs_its_tasks(
    history: History, idle: History, cut_off: History, slept: History, failed: History
) -> Judgement:
    """The log tells of an empty poll, of each claim with id and title, and of each completion with its duration.

    The log is all that there is when something went wrong yesterday. A completion that is logged before its commit
    tells of what perhaps never was.
    """
    need(history.inserted or None, "no task was inserted")
    for task in history.inserted:
        story = history.story(task)
        if not story.claims or not story.completions:
            need(None, f"task {task} was not completed")
        if problem := _task_log_problem(history, story):
            return problem
    forms = completion_forms(A, history, failed)
    problem = (
        _silent_poll(idle, cut_off)
        or _untrue_completion(cut_off, forms)
        or _untrue_after_sleep(slept, forms)
        or _untrue_after_failure(failed, forms)
    )
    if problem is not None:
        return problem
    log = history.log(A)
    return holds(
        f"{len(log)} lines; no completion logged while its commit was held, nor when it was cut off",
        *[said(line) for line in log[:6]],
    )


def _task_log_problem(history: History, story: Story) -> Judgement | None:
    """What is missing, or untrue, in the lines of a task that was claimed and completed."""
    task, title, done, name = story.task, title_of(story), story.completions[0], own_name(history, A)
    log = [n for n in history.log(A) if n.at >= story.claims[0].at]
    named = [n for n in log if title in n.text and names_id(n.text, task)]
    claimed = next((n for n in named if n.at < done.at or not _is_completion(history, n.text, story)), None)
    if claimed is None:
        return broken(
            *[said(line) for line in log][:4],
            expected=f"a line with id {task} and its title when it is claimed",
            observed="no such line",
        )
    others = [other for other in history.inserted if other != task]
    following = log[log.index(claimed) + 1 :]
    told = [
        n
        for n in following
        if n.at >= done.at and names_id(n.text, task) and has_duration(n.text, task, title, name)
    ]
    told_forms = {form_in(history, n) for n in told}
    early = [
        n
        for n in log
        if n not in named
        and n.at < done.at
        and tells_completion(n.text, task, title)
        and is_about(n.text.replace(title, ""), task)
        and not any(is_about(n.text, other) for other in others)  # which of the two is an attempt, or a slot?
        and not told_forms - {form_in(history, n)}  # where another line follows, this one tells of the work alone
    ]
    if early:
        return broken(
            said(early[0]),
            *life(story),
            expected="a completion is logged after its COMMIT",
            observed=f"logged {done.committed_at - early[0].at:.2f} s before it",
        )
    if not told:
        return broken(
            *[said(line) for line in following][:4],
            expected=f"a line with id {task} and how long it took when it is completed",
            observed="no such line after that of its claim",
        )
    return None


def _is_completion(history: History, text: str, story: Story) -> bool:
    title = title_of(story)
    return tells_success(text, story.task, title) and has_duration(text, story.task, title, own_name(history, A))


def _silent_poll(idle: History, cut_off: History) -> Judgement | None:
    """That a poll that found nothing leaves no line: neither each of them, nor the first in a row."""
    need(idle.moment("idle-begins"), "the worker never came to its first poll")
    ends = need(idle.moment("idle-ends"), "the scenario came to no end").at
    lines = [n for n in idle.log(A) if n.at <= ends]
    # Where a task waited when the worker started, there was no empty poll before its first claim (or, by other slots
    # of the same worker, a few).
    if Counter(_forms(idle, lines)) - Counter(_forms(cut_off, _before_first_claim(cut_off))):
        return None
    return broken(
        *[said(line) for line in lines[:4]],
        expected="a line for a poll that found nothing",
        observed="only lines that come at a start with a task waiting as well",
        hint="Log each empty poll, or the first of several, at level info: what is logged at debug is not to be seen.",
    )


def _before_first_claim(history: History) -> list[LogLine]:
    """The lines before the one that tells of the first claim."""
    titles = [title_of(history.story(task)) for task in history.inserted]
    return list(takewhile(lambda line: not any(title in line.text for title in titles), history.log(A)))


def _forms(history: History, lines: Sequence[LogLine]) -> list[str]:
    return [form_in(history, line) for line in lines]


def _untrue_completion(history: History, forms: Collection[str]) -> Judgement | None:
    """A line like those that tell of a completion (``forms``), before a completion that stands."""
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
    claimed = next((n for n in lines if title_of(story) in n.text), None)
    untrue = [n for n in lines if n.at > at_work.at and n is not claimed and _is_told(history, n, story, forms)]
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


def _is_told(history: History, line: LogLine, story: Story, forms: Collection[str]) -> bool:
    """Whether a line tells that a task was completed, as those lines do that nothing disturbs."""
    return is_about(line.text.replace(title_of(story), ""), story.task) and form_in(history, line) in forms


def _untrue_after_sleep(history: History, forms: Collection[str]) -> Judgement | None:
    """A line by which a worker completed a task that another one had taken over while it slept."""
    for woken in history.moments("woken"):
        story, service = history.story(woken.detail["task"]), woken.detail["service"]
        takeover = [c for c in story.changes if c.service not in (None, service) and c.at < woken.at]
        if not takeover or any(c.service == service for c in story.completions):
            continue
        lines = [n for n in history.log(service) if n.at > woken.at]
        untrue = next((n for n in lines if _is_told(history, n, story, forms)), None)
        if untrue is not None:
            return broken(
                *sorted([said(untrue), *life(story)], key=lambda e: e.at),
                expected="no completion is logged when the completion met no row",
                observed=f"{service} logged one of task {story.task}, which it had lost to another worker",
                hint="Look at the row count of the completion: 0 means that the task is not yours any more.",
            )
    return None


def _untrue_after_failure(history: History, forms: Collection[str]) -> Judgement | None:
    """A line that calls a task completed whose work failed."""
    moment = need(history.moment("failing"), "no task was inserted whose work fails")
    story = history.story(moment.detail["task"])
    claim = need(story.claims[0] if story.claims else None, "the task whose work fails was never claimed")
    if story.completions:
        return None  # what the table says as well is no fault of the log
    others = [other for other in history.inserted if other != story.task]
    untrue = [
        n
        for n in history.log(A)
        if n.at >= claim.at
        and tells_success(n.text, story.task, title_of(story))
        and _is_told(history, n, story, forms)
        and not any(is_about(n.text, other) for other in others)  # which of the two is an attempt, or a slot?
    ]
    if not untrue:
        return None
    return broken(
        *sorted([said(untrue[0]), *life(story)], key=lambda e: e.at),
        expected="a task is logged as completed only if it was",
        observed=f"task {story.task}, whose work failed, was logged as completed",
        hint="Work that failed ends on another way than work that is done: give it a line of its own.",
    )
