"""What lasts: the life of a process, its open transactions, the states of a task, what the grader did to the database."""

from __future__ import annotations

from dataclasses import dataclass

from grader.history.events import ServiceExited, ServiceStarted
from grader.history.tasks import STATES, Story
from grader.history.timeline import History
from grader.report.text import line

MOST_TRANSACTIONS = 60
"""Of one service, the longest; each of its statements has a mark of its own."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts from ``start`` to ``end`` (seconds). ``look`` is its class on the page."""

    start: float
    end: float
    look: str
    text: str
    label: str = ""


def life_spans(history: History, service: str, end: float) -> tuple[Span, ...]:
    """From each start of a service to the exit that followed, or to ``end``."""
    starts = [e.at for e in history.of(ServiceStarted) if e.service == service]
    exits = [e.at for e in history.of(ServiceExited) if e.service == service]
    found = []
    for start in starts:
        over = min((at for at in exits if at >= start), default=end)
        found.append(Span(start, min(over, end), "life", f"{line(service, 40)} runs"))
    return tuple(span for span in found if span.end > span.start)


def transaction_spans(history: History, service: str, end: float) -> tuple[Span, ...]:
    """The time in which a connection of a service had a transaction open."""
    found: list[Span] = []
    began: dict[int, float] = {}
    closed = {(c.service, c.number): c.closed for c in history.connections}
    for step in history.steps_of(service):
        if step.connection not in began and step.state_after in ("T", "E"):
            began[step.connection] = step.began
        elif step.connection in began and step.state_after == "I":
            found.append(_open(began.pop(step.connection), step.ended or end))
    found += [_open(at, min(closed.get((service, number)) or end, end)) for number, at in began.items()]
    longest = sorted(found, key=lambda span: span.start - span.end)[:MOST_TRANSACTIONS]
    return tuple(sorted((span for span in longest if span.end > span.start), key=lambda span: span.start))


def _open(start: float, end: float) -> Span:
    return Span(start, end, "transaction", f"a transaction is open for {end - start:.3f} s")


def task_spans(story: Story, end: float) -> tuple[Span, ...]:
    """The states of a task as everybody else sees them, and changes that wait for their commit."""
    found: list[Span] = []
    told = [c for c in story.changes if c.at <= end]
    moves = [c for c in told if c.row.operation != "update" or c.status_moved]
    for number, change in enumerate(moves):
        after = moves[number + 1].committed_at if number + 1 < len(moves) else end
        status = change.after("status")
        if status is None:
            continue
        word = line(str(status), 20)
        by = f", by {line(change.service, 40)}" if change.service else ""
        look = word if word in STATES else "other"
        text = f"task {line(story.task, 30)} is {word} from {change.committed_at:.3f} s on{by}"
        found.append(
            Span(change.committed_at, min(max(after, change.committed_at), end), f"state {look}", text, word)
        )
        if change.committed_at - change.at > 0.02:
            waits = f"task {line(story.task, 30)}: {word}, not committed yet"
            found.append(Span(change.at, min(change.committed_at, end), "state uncommitted", waits))
    return tuple(span for span in found if span.end > span.start)


_DATABASE = (
    ("database-gone", "database-back", "outage", "the database is gone"),
    ("row-locked", "row-let-go", "lock", "the grader holds a row lock"),
    ("table-locked", "", "lock", "the grader holds a lock on the table"),
)


def database_spans(history: History, end: float) -> tuple[Span, ...]:
    """What the grader did to the database, for as long as it lasted."""
    found = []
    for begins, ends, look, text in _DATABASE:
        overs = [m.at for m in history.moments(ends)] if ends else []
        for moment in history.moments(begins):
            over = min((at for at in overs if at >= moment.at), default=None)
            if over is None:
                continue  # when it ended was not noted: its beginning has a mark
            found.append(Span(moment.at, min(over, end), look, f"{text} for {over - moment.at:.2f} s", text))
    return tuple(found)
