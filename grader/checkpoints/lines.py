"""What a log line speaks of, whatever the words and the format of the worker that wrote it. Pure."""

from __future__ import annotations

import re

from grader.history.timeline import History

_WITH_DIGITS = re.compile(r"[\w.:,+-]*\d[\w.:,+-]*")
"""A number, a time, or a name that holds one: of a database, a worker, a task that has a UUID."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]?|\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?")


def names_id(text: str, task: str) -> bool:
    """Whether a log line names an id, as a word of its own."""
    return re.search(rf"(?<![^\W_]){re.escape(task)}(?![^\W_])", text) is not None


def is_about(text: str, task: str) -> bool:
    """Whether a line names an id that is no part of another number, or of a time."""
    return re.search(rf"(?<![\w.])(?<!\d[,:-]){re.escape(task)}(?!\w|[.,:-]\d)", text) is not None


def form(text: str, *names: str) -> str:
    """A log line without what differs from one task, time or worker to the next: these names, and words with digits."""
    for name in filter(None, names):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "#", text)
    return _WITH_DIGITS.sub("#", text)


def has_duration(text: str, task: str, title: str) -> bool:
    """Whether a duration is in the line: a number besides the id, the title and a time of day."""
    rest = _TIME.sub(" ", text.replace(title, " "))
    rest = re.sub(rf"(?<![\w.]){re.escape(task)}(?![\w.])", " ", rest, count=1)
    return re.search(r"\d", rest) is not None


def tells_completion(text: str, task: str, title: str) -> bool:
    """Whether a line names a task by its id and calls something complete."""
    plain = text.replace(title, "").lower()
    return names_id(text, task) and any(word in plain for word in ("complet", "done", "finish"))


_DOUBTS = re.compile(
    r"\bnot\b|n't\b|fail|error|unable|lost|retr[iy]|again|abort|abandon|roll|\bwill\b|before|could|trying|(complet|finish)ing"
)
"""Words of a line that speaks of trouble, or of something to come."""


def tells_success(text: str, task: str, title: str) -> bool:
    """Whether a line calls a task completed, without a doubt."""
    plain = text.replace(title, "")
    return is_about(plain, task) and not _DOUBTS.search(plain.lower()) and tells_completion(plain, task, "")


_SHUTDOWN = ("shut", "stop", "signal", "sigterm", "drain", "terminat", "exit", "bye", "quit", "clos")


def speaks_of_shutdown(text: str) -> bool:
    """Whether a line speaks of the end of the worker, and not only of a task's."""
    plain = text.lower()
    return any(word in plain for word in _SHUTDOWN) or ("finish" in plain and "task" not in plain)


def is_start_line(history: History, service: str, text: str) -> bool:
    """Whether a line names the poll interval that the service was started with."""
    started = history.started(service)
    return started is not None and started.settings["WORKER_POLL_INTERVAL"].removesuffix("s") in text


def own_lines(history: History, other: History, service: str, until: float) -> list[str]:
    """The lines that a service wrote until a moment of one history, and whose like it did not write in the other."""
    usual = {form(line.text, *_own_name(other, service)) for line in other.log(service)}
    names = _own_name(history, service)
    return [n.text for n in history.log(service) if n.at < until and form(n.text, *names) not in usual]


def _own_name(history: History, service: str) -> list[str]:
    started = history.started(service)
    return [] if started is None else [started.settings.get("WORKER_ID", "")]
