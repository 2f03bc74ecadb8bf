"""Exercise 3a, part 4: what the worker tells of itself."""

from __future__ import annotations

import re

from grader.checkpoints.evidence import (
    life,
    said,
)
from grader.checkpoints.shutdown import sigterm_mid_task
from grader.checkpoints.worker import LAB, A, processes, starts, three_tasks
from grader.declare import check
from grader.history.tasks import Claim, Story
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need


@check(
    "3a.log-lifecycle",
    points=2,
    on=sigterm_mid_task,
    after=starts,
    hint="Log when it happens, and flush: the start with the interval, the signal, the end.",
    read=f"{LAB}#lifecycle-logs",
)
def logs_its_life(history: History) -> Judgement:
    """The log tells of the start with its interval, of the shutdown's begin and of its end, when they happen."""
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


@check(
    "3a.log-tasks",
    points=2,
    on=three_tasks,
    after=processes,
    hint="Three lines: nothing found; claimed, with id and title; completed, with id and duration, after COMMIT.",
    read=f"{LAB}#task-logs",
)
def logs_its_tasks(history: History) -> Judgement:
    """The log tells of an empty poll, of each claim with id and title, and of each completion with its duration."""
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
    return holds(f"{len(log)} lines", *[said(line) for line in log[:6]])


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
    early = [
        n for n in log if n not in claimed and n.at < done.at and _tells_completion(n.text, story.task, title)
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
