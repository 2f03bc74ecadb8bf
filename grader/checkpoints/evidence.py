"""Lines of proof, in the words that reports use."""

from __future__ import annotations

from collections.abc import Iterable

from grader.history.events import HttpExchange, LogLine, ServiceExited, SignalSent
from grader.history.steps import Step
from grader.history.tasks import Change, Story
from grader.history.words import change_words, short, status_words
from grader.model import Evidence

__all__ = ["asked", "ended", "life", "list_of", "moved", "ran", "said", "sent", "short", "status_words"]


def said(line: LogLine) -> Evidence:
    """A log line."""
    return Evidence(line.at, f"log: {short(line.text)}", line.service)


def sent(signal: SignalSent) -> Evidence:
    """A signal of the grader."""
    return Evidence(signal.at, f"{signal.signal} sent", signal.service)


def ended(exit_: ServiceExited) -> Evidence:
    """The end of a process."""
    return Evidence(exit_.at, f"exited, {status_words(exit_.status)}", exit_.service)


def moved(change: Change) -> Evidence:
    """A change of a task's row."""
    return Evidence(change.at, change_words(change), change.service)


def life(story: Story, limit: int = 12) -> tuple[Evidence, ...]:
    """The changes of a task that moved its status or its owner."""
    told = [
        c
        for c in story.changes
        if c.row.operation != "update"
        or c.status_moved
        or c.before("assigned_worker") != c.after("assigned_worker")
    ]
    return tuple(moved(c) for c in told[:limit])


def asked(exchange: HttpExchange) -> Evidence:
    """A request and what came back."""
    answer = exchange.error or f"{exchange.status} {short(exchange.body, 100)}"
    body = "" if exchange.request is None else f" {short(exchange.request, 80)}"
    return Evidence(
        exchange.at, f"{exchange.method} {short(exchange.path, 80)}{body} → {answer}", exchange.service
    )


def ran(step: Step) -> Evidence:
    """A statement and its result."""
    result = step.sqlstate or step.tag or "no answer"
    return Evidence(step.began, f"{short(step.sql, 110)} → {result}", step.service)


def value_words(value: object) -> str:
    """A column's value as a report says it."""
    return "NULL" if value is None else str(value)


def list_of(words: Iterable[object], limit: int = 5) -> str:
    """``1, 2, 3 and 4 more``; ``none`` for nothing."""
    items = [str(word) for word in words]
    if not items:
        return "none"
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")
