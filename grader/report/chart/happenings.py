"""Everything that a history holds, in words and in order: one line for each thing that happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from grader.history.events import (
    ChildrenLeft,
    ClockSet,
    ConnectionClosed,
    ConnectionReady,
    DocumentRead,
    Event,
    HttpExchange,
    LimitHit,
    LogCut,
    LogLine,
    Moment,
    Refused,
    ServiceExited,
    ServiceStarted,
    SignalSent,
    Stalled,
    WaitTimedOut,
)
from grader.history.sql import bare, is_setup
from grader.history.steps import Step
from grader.history.tasks import Story
from grader.history.timeline import SCENARIO_OVER, History
from grader.history.words import change_words, exit_words
from grader.report.chart.moments import moment_words
from grader.report.text import line

CLIENT, GRADER, DATABASE = "client", "grader", "database"
"""Lanes of what no service of the submission did."""

SLOW = 0.05
"""Seconds (times patience) after which an answer was waited for: far longer than any of these statements takes."""

LATE_COMMIT = 0.01
"""Seconds between a change and its commit that are worth a word."""

_LEFT = "left processes behind"

LONGEST = 480
"""Characters of one line."""


class Kind(Enum):
    """What sort of thing happened; the value is a word for readers, and a class on the page."""

    START = "start"
    EXIT = "exit"
    ALIVE = "alive"
    SIGNAL = "signal"
    KILL = "kill"
    CLAIM = "claim"
    COMPLETION = "completion"
    FAILURE = "failure"
    RECOVERY = "recovery"
    INSERT = "insert"
    CHANGE = "change"
    STATEMENT = "statement"
    WAIT = "wait"
    QUIET = "quiet"
    LOG = "log"
    REQUEST = "request"
    CONNECTION = "connection"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. Times in seconds since the start of the run; ``until`` for what took time.

    ``lane`` is a service, ``client``, ``grader`` or ``database``; ``text`` is one line, fit to be shown. ``bad`` marks
    what a reader looks for first: an error, a refusal, an end that was none of a process's own. ``quiet`` is what
    changed nothing and may be told together with its like; ``shape`` is what such lines have in common.
    """

    at: float
    lane: str
    kind: Kind
    text: str
    until: float | None = None
    task: str | None = None
    bad: bool = False
    quiet: bool = False
    shape: str = ""
    open: bool = False
    """It leaves a transaction open."""


def happenings(history: History) -> tuple[Happening, ...]:
    """Everything up to the scenario's end, in order; what the grader clears away after that is left out."""
    over = history.moment(SCENARIO_OVER)
    end = over.at if over is not None else float("inf")
    found = [*_events(history), *_steps(history), *_changes(history), *_still_there(history)]
    # What a service left behind is found when the grader clears away.
    found = [replace(h, at=min(h.at, end)) if h.text.startswith(_LEFT) else h for h in found]
    return tuple(sorted((h for h in found if h.at <= end), key=lambda h: h.at))


# ---------------------------------------------------------------- single events


def _events(history: History) -> Iterator[Happening]:
    for event in history.events:
        happening = _event(event)
        if happening is not None:
            yield happening


def _still_there(history: History) -> Iterator[Happening]:
    """A word at the end on each service that was told to end, and did not."""
    over = history.moment(SCENARIO_OVER)
    if over is None or history.gave_up is None:
        return
    told = {s.service: s for s in history.of(SignalSent) if s.at <= over.at and s.signal in ("SIGTERM", "SIGINT")}
    for service, signal in told.items():
        if not any(e.service == service and signal.at <= e.at <= over.at for e in history.of(ServiceExited)):
            text = f"still running, {over.at - signal.at:.1f} s after {signal.signal}"
            yield _say(over.at, service, Kind.ALIVE, text, bad=True)


def _event(event: Event) -> Happening | None:
    match event:
        case ServiceStarted(at=at, service=service, settings=settings):
            told = ", ".join(f"{name}={value}" for name, value in settings.items() if name != "API_HOST")
            return _say(at, service, Kind.START, f"started, {told}" if told else "started")
        case ServiceExited(at=at, service=service, status=status):
            return _say(at, service, Kind.EXIT, exit_words(status), bad=status != 0)
        case ChildrenLeft(at=at, service=service, commands=commands):
            text = f"{_LEFT}, still alive: {', '.join(commands)}"
            return _say(at, service, Kind.EXIT, text, bad=True)
        case SignalSent(at=at, service=service, signal=signal):
            kind = Kind.KILL if signal == "SIGKILL" else Kind.SIGNAL
            return _say(at, service, kind, f"{signal} sent to {service}")
        case LogLine(at=at, service=service, text=text):
            return _say(at, service, Kind.LOG, text, bad="Traceback (most recent call last)" in text)
        case LogCut(at=at, service=service, kept_bytes=kept):
            return _say(at, service, Kind.NOTE, f"wrote more log than is kept ({kept:,} bytes)", bad=True)
        case LimitHit(at=at, service=service, limit=limit):
            lane = GRADER if service == "scenario" else service
            return _say(at, lane, Kind.NOTE, f"hit a limit: {limit}", bad=True)
        case Refused(at=at, why=why):
            return _say(at, GRADER, Kind.NOTE, why, bad=True)
        case ConnectionReady(at=at, service=service, connection=number):
            return _say(at, service, Kind.CONNECTION, f"connection {number} open", quiet=True, shape="open")
        case ConnectionClosed():
            return _closed(event)
        case HttpExchange():
            return _exchange(event)
        case _:
            return _of_the_scenario(event)


def _of_the_scenario(event: Event) -> Happening | None:
    match event:
        case Moment(at=at, name=name, detail=detail):
            return _say(at, GRADER, Kind.NOTE, moment_words(name, detail))
        case WaitTimedOut(at=at, waited_for=what, seconds=seconds):
            return _say(at, GRADER, Kind.NOTE, f"gave up: waited {seconds:.1f} s for {what}", bad=True)
        case Stalled(at=at, seconds=seconds):
            return _say(at, GRADER, Kind.NOTE, f"the machine gave the grader no time for {seconds:.1f} s")
        case ClockSet(at=at, seconds=seconds):
            return _say(at, GRADER, Kind.NOTE, f"the machine's clock was set, by {seconds:+.1f} s", bad=True)
        case DocumentRead(at=at, path=path, text=text, problem=problem):
            what = f"{len(text):,} characters" if text is not None else f"cannot be read: {problem}"
            return _say(at, GRADER, Kind.NOTE, f"{path}: {what}", bad=text is None)
        case _:
            return None  # steps and changes of rows are told by those who put them together; usage is for judging


def _say(
    at: float,
    lane: str,
    kind: Kind,
    text: str,
    *,
    until: float | None = None,
    task: str | None = None,
    bad: bool = False,
    quiet: bool = False,
    shape: str = "",
    open: bool = False,
) -> Happening:
    shown = line(text, LONGEST)
    return Happening(at, line(lane, 40), kind, shown, until, task, bad, quiet, shape or shown, open)


def _closed(event: ConnectionClosed) -> Happening:
    how = {
        "terminate": "closed with a Terminate message",
        "client": "dropped by the service, without a Terminate message",
        "server": "closed by the server",
        "grader": "cut by the grader",
    }[event.by]
    text = f"connection {event.connection} {how}"
    quiet = event.by == "terminate"
    shape = "closed" if quiet else ""
    return _say(event.at, event.service, Kind.CONNECTION, text, bad=event.by == "client", quiet=quiet, shape=shape)


def _exchange(event: HttpExchange) -> Happening:
    answer = event.error or f"{event.status} {event.body}"
    body = f" {event.request}" if event.request else ""
    asks = f"{event.method} {event.path}{body}"
    bad = event.status is None or event.status >= 500
    text = f"{line(asks, 200)} → {line(answer, 240)}"
    quiet = event.method == "GET" and not bad
    return _say(event.at, CLIENT, Kind.REQUEST, text, until=event.ended_at, bad=bad, quiet=quiet)


# ---------------------------------------------------------------- statements


def _steps(history: History) -> Iterator[Happening]:
    roles = {e.service: e.role for e in history.of(ServiceStarted)}
    slow = SLOW * history.patience
    for step in history.steps:
        took = None if step.ended is None else step.ended - step.began
        waited = took is None or took > slow
        unchanged = step.sqlstate is None and not step.committed
        asks = not step.rows or is_setup(step.sql) or (roles.get(step.service) == "api" and _reads(step))
        yield _say(
            step.began,
            step.service,
            Kind.WAIT if waited else Kind.STATEMENT,
            _step_words(step, took if waited else None),
            until=step.ended if waited else None,
            bad=step.sqlstate is not None,
            quiet=not waited and unchanged and asks,
            shape=f"{line(bare(step.sql), 160)} → {step.tag}" if step.tag else line(bare(step.sql), 160),
            open=step.state_after in ("T", "E"),
        )


def _reads(step: Step) -> bool:
    return step.tag.startswith("SELECT")


def _step_words(step: Step, took: float | None) -> str:
    sql = line(bare(step.sql) or step.sql, 260)
    given = f" [{', '.join(line(p, 40) for p in step.parameters[:6])}]" if step.parameters else ""
    if step.sqlstate is not None:
        came = f"error {step.sqlstate}: {line(step.message or '', 120)}"
    elif step.ended is None:
        came = "no answer came"
    else:
        came = step.tag or "done"
        if step.values:
            came += f": {', '.join(line(v, 40) for v in step.values[:4])}"
    late = f" after {took:.2f} s" if took is not None else ""
    return f"{sql}{given} → {came}{late}"


# ---------------------------------------------------------------- changes of rows


def _changes(history: History) -> Iterator[Happening]:
    for story in history.stories.values():
        kinds = _kinds(story)
        for change in story.changes:
            kind = kinds.get(id(change), Kind.CHANGE)
            text = change_words(change)
            if change.row.operation == "insert" and (title := change.after("title")):
                text += f", “{line(str(title), 60)}”"
            late = change.committed_at - change.at
            if late > LATE_COMMIT * history.patience:
                text += f", committed {late:.2f} s later"
            lane = change.service or GRADER
            quiet = kind in (Kind.INSERT, Kind.CHANGE)
            yield _say(
                change.at,
                lane,
                kind,
                text,
                task=story.task,
                quiet=quiet,
                shape=f"{kind.value} {change.after('status')}",
            )


def _kinds(story: Story) -> dict[int, Kind]:
    """What each change of a task was, by the identity of the change."""
    found: dict[int, Kind] = {}
    for change in story.failures:
        holders = [claim.service for claim in story.claims if claim.at <= change.at]
        taken_back = change.after("status") == "pending" and holders and holders[-1] != change.service
        found[id(change)] = Kind.RECOVERY if taken_back else Kind.FAILURE
    found.update({id(c): Kind.COMPLETION for c in story.completions})
    found.update({id(claim.change): Kind.CLAIM for claim in story.claims})
    found.update({id(c): Kind.INSERT for c in story.changes if c.row.operation == "insert"})
    return found
