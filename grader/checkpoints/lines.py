"""What a log line speaks of, whatever the words and the format of the worker that wrote it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isclose

from grader.history.events import LogLine, SignalSent
from grader.history.tasks import Story
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


def has_duration(text: str, task: str, title: str, names: Iterable[str] = ()) -> bool:
    """Whether a duration is in the line: a number besides the id, the title, these names and a time of day."""
    for name in (title, *names):
        text = text.replace(name, " ")
    rest = _TIME.sub(" ", text)
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


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_AMOUNT = re.compile(
    rf"(?<![\w.])(?<!\w-)(?:pt)?({_NUMBER}(?:[^\W\d_]+\d+(?:\.\d+)?)*[^\W\d_]*)(?!\w|\.\d)", re.IGNORECASE
)
"""A number that is no part of another word, and what is written at it: ``0.4``, ``400ms``, ``1m30s``, ``PT0.4S``."""

_PART = re.compile(rf"({_NUMBER})([^\W\d_]*)", re.IGNORECASE)

_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]?")
_CLOCK = re.compile(r"(?<![\d:])(\d+):(\d\d):(\d\d(?:[.,]\d+)?)")


def is_start_line(history: History, service: str, text: str) -> bool:
    """Whether a line names the poll interval that the service was started with, in whatever unit."""
    started = history.started(service)
    if started is None:
        return False
    for name in own_name(history, service):
        text = text.replace(name, " ")
    wanted = _seconds(started.settings["WORKER_POLL_INTERVAL"])
    text = _DATE.sub(" ", text)
    clocks = [int(h) * 3600 + int(m) * 60 + float(s.replace(",", ".")) for h, m, s in _CLOCK.findall(text)]
    if any(isclose(clock, wanted) for clock in clocks):  # 0:00:00.400000
        return True
    rest = _CLOCK.sub(" ", text)
    # Between two digits a comma may stand for the point, or between two numbers.
    return any(_names_duration(re.sub(r"(?<=\d),(?=\d)", comma, rest), wanted) for comma in (".", " "))


def _names_duration(text: str, wanted: float) -> bool:
    """Whether an amount in the text is so many seconds; one without a unit may be of s, ms, µs or ns."""
    for amount in _AMOUNT.findall(text):
        number, unit = _PART.findall(amount)[0]
        if unit.lower() in _UNITS:
            values = [_seconds(amount)]
        else:
            values = [float(number) * _UNITS[each] for each in ("s", "ms", "us", "ns")]
        if any(isclose(value, wanted, rel_tol=1e-6) for value in values):
            return True
    return False


def _seconds(amount: str) -> float:
    """A duration in seconds, or as Go writes it; what it is called by a unit that is not known counts as seconds."""
    return sum(float(number) * _UNITS.get(unit.lower(), 1.0) for number, unit in _PART.findall(amount))


def own_lines(history: History, other: History, service: str, until: float) -> list[str]:
    """The lines that a service wrote until a moment of one history, and whose like it did not write in the other."""
    usual = {form_in(other, line) for line in other.log(service)}
    return [n.text for n in history.log(service) if n.at < until and form_in(history, n) not in usual]


def form_in(history: History, line: LogLine) -> str:
    """The form of a line without the name of its worker and the titles of the tasks that there are."""
    titles = (title_of(history.story(task)) for task in history.inserted)
    return form(line.text, *titles, *own_name(history, line.service))


def title_of(story: Story) -> str:
    """The title of a task, or of one that is gone."""
    return str((story.row or {}).get("title"))


def usual_forms(service: str, *histories: History) -> frozenset[str]:
    """The forms of the lines that a service writes in its life, before any signal."""
    found: set[str] = set()
    for history in histories:
        signals = [s.at for s in history.of(SignalSent) if s.service == service]
        until = min(signals, default=float("inf"))
        found.update(form_in(history, line) for line in history.log(service) if line.at < until)
    return frozenset(found)


def completion_forms(service: str, history: History, failing: History) -> frozenset[str]:
    """The forms of the lines by which a service tells of completions that nothing disturbs.

    Of the lines with id and duration that follow a commit, one tells of it: none that is written of work that fails as
    well (``failing``), if there is another one; one that calls the task completed, if there is one; the last one, for
    what was written before the commit may be read after it.
    """
    moment = failing.moment("failing")
    bad = failing.story(moment.detail["task"]) if moment else None
    on_failure = {form_in(failing, line) for line in failing.log(service) if bad and names_id(line.text, bad.task)}
    found: set[str] = set()
    for task in history.inserted:
        story = history.story(task)
        if not story.completions:
            continue
        title, done = title_of(story), story.completions[0]
        lines = [
            n
            for n in history.log(service)
            if n.at >= done.at
            and names_id(n.text, task)
            and has_duration(n.text, task, title, own_name(history, service))
        ]
        lines = [n for n in lines if form_in(history, n) not in on_failure] or lines
        lines = [n for n in lines if tells_success(n.text, task, title)] or lines
        found.update(form_in(history, line) for line in lines[-1:])
    return frozenset(found)


def own_name(history: History, service: str) -> list[str]:
    """The WORKER_ID of a service, if it has one."""
    started = history.started(service)
    return [] if started is None else [name for name in [started.settings.get("WORKER_ID", "")] if name]
