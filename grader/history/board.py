"""The present state of a running scenario, kept up to date event by event, for waiting on a moment.

Judging never uses it: a check reads the finished ``History``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.history.events import (
    ConnectionClosed,
    ConnectionReady,
    Event,
    Json,
    LogLine,
    RowChanged,
    ServiceExited,
    ServiceStarted,
    StepBegan,
    StepEnded,
    TransactionState,
)
from grader.history.sql import is_setup


@dataclass(slots=True)
class Line:
    """One connection as it is now."""

    backend_pid: int
    state: TransactionState = "I"
    busy: bool = False
    quiet_since: float = 0.0
    mentioned: set[str] = field(default_factory=set)
    """Values and parameters that its open transaction has seen."""
    pings: set[int] = field(default_factory=set)
    """Steps under way whose values say nothing of tasks: the 1 that a ping answers is no id."""


@dataclass(slots=True)
class Instance:
    """One service as it is now. ``looks`` counts the statements that could have found a task."""

    status: int | None = None
    """Its exit status; None while it lives."""
    looks: int = 0
    log: list[str] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)


class Board:
    """Folds events into the present state. ``absorb`` takes them in the order of recording."""

    def __init__(self) -> None:
        self.rows: dict[str, Mapping[str, Json]] = {}
        self.holder: dict[str, str] = {}
        """Task id to the service that claimed it last."""
        self.services: defaultdict[str, Instance] = defaultdict(Instance)
        """A quick service may connect before its start is recorded."""
        self._backends: dict[int, str] = {}

    def absorb(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case ServiceStarted(service=service):
                self.services.setdefault(service, Instance())
            case ServiceExited(service=service, status=status):
                self.services[service].status = status
            case LogLine(service=service, text=text):
                self.services[service].log.append(text)
            case ConnectionReady(service=service, connection=number, backend_pid=pid, at=at):
                self.services[service].lines[number] = Line(pid, quiet_since=at)
                self._backends[pid] = service
            case ConnectionClosed(service=service, connection=number):
                self.services[service].lines.pop(number, None)
            case StepBegan():
                self._began(event)
            case StepEnded():
                self._ended(event)
            case RowChanged():
                self._row(event)
            case _:
                pass

    def _began(self, event: StepBegan) -> None:
        instance = self.services[event.service]
        line = instance.lines.get(event.connection)
        if line is not None:
            line.busy = True
        if not is_setup(event.sql):
            instance.looks += 1
        elif line is not None:
            line.pings.add(event.step)

    def _ended(self, event: StepEnded) -> None:
        line = self.services[event.service].lines.get(event.connection)
        if line is None:
            return
        line.busy, line.quiet_since, line.state = False, event.at, event.transaction
        is_ping = event.step in line.pings
        line.pings.discard(event.step)
        if event.transaction == "T":
            if not is_ping:
                line.mentioned.update(event.values, event.parameters)
        else:
            line.mentioned.clear()

    def _row(self, event: RowChanged) -> None:
        if event.after is None:
            self.rows.pop(event.task, None)
            return
        self.rows[event.task] = event.after
        service = self._backends.get(event.backend_pid)
        if event.after["status"] != "processing":
            self.holder.pop(event.task, None)
        elif service is not None and not event.by_grader:
            before = event.before or {}
            moved = before.get("status") != "processing"
            if moved or before.get("assigned_worker") != event.after.get("assigned_worker"):
                self.holder[event.task] = service

    # ------------------------------------------------------------ what can be waited for

    def status(self, task: str) -> str | None:
        """The status that everybody can see."""
        row = self.rows.get(task)
        return None if row is None else str(row["status"])

    def works_on(self, service: str, task: str, names: frozenset[str], quiet: float, now: float) -> bool:
        """Whether a service has a task in hand.

        Either everybody can see it in ``processing``, claimed by this service; or one of its transactions
        has met the task (an id or title in ``names``) and has been open without a statement for ``quiet``
        seconds: a design that holds its transaction through the work.
        """
        if self.status(task) == "processing" and self.holder.get(task) == service:
            return True
        instance = self.services.get(service)
        return instance is not None and any(
            line.state == "T"
            and not line.busy
            and now - line.quiet_since >= quiet
            and not line.mentioned.isdisjoint(names)
            for line in instance.lines.values()
        )

    def is_quiet(self, service: str, quiet: float, now: float) -> bool:
        """Whether a service is connected, has looked for work, and sent no statement for ``quiet`` seconds."""
        instance = self.services.get(service)
        if instance is None or not instance.looks:
            return False
        return all(not line.busy and now - line.quiet_since >= quiet for line in instance.lines.values())
