"""A recorded scenario, and the questions that checks ask of it. Pure: no clock, no file, no database."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TypeVar

from grader.history.events import (
    DocumentRead,
    Event,
    HttpExchange,
    LogLine,
    Moment,
    RowChanged,
    ServiceExited,
    ServiceStarted,
    SignalSent,
    Stalled,
    UsageSampled,
    WaitTimedOut,
)
from grader.history.steps import Connection, Step, connections, steps
from grader.history.tasks import UNKNOWN_SERVICE, Change, Claim, Story

E = TypeVar("E", bound=Event)

SCENARIO_OVER = "scenario-over"
"""The moment from which on the grader ends what is still running."""


class History:
    """The events of one scenario, sorted by time. All times are seconds since the start of the run.

    ``patience`` is how many times slower than a quiet machine of today the machine was; checks multiply the
    allowances they make for the machine (never the lab's own durations) by it.
    """

    def __init__(self, events: Iterable[Event], patience: float = 1.0) -> None:
        self.events: tuple[Event, ...] = tuple(sorted(events, key=lambda event: event.at))
        self.patience = patience

    def of(self, kind: type[E]) -> tuple[E, ...]:
        """All events of one class."""
        return tuple(event for event in self.events if isinstance(event, kind))

    # ------------------------------------------------------------ processes

    def started(self, service: str) -> ServiceStarted | None:
        """The first start of a service."""
        return next((e for e in self.of(ServiceStarted) if e.service == service), None)

    def exited(self, service: str) -> ServiceExited | None:
        """The exit of a service; None when it lived until the scenario's end, where the grader ends it."""
        over = self.moment(SCENARIO_OVER)
        return next(
            (e for e in self.of(ServiceExited) if e.service == service and (over is None or e.at < over.at)),
            None,
        )

    def workers(self) -> tuple[str, ...]:
        """The names of the worker-service's instances, in the order of their starts."""
        return tuple(dict.fromkeys(e.service for e in self.of(ServiceStarted) if e.role == "worker"))

    def signal(self, name: str, service: str | None = None) -> SignalSent | None:
        """The first signal of this name (to this service)."""
        return next(
            (e for e in self.of(SignalSent) if e.signal == name and service in (None, e.service)),
            None,
        )

    def log(self, service: str) -> tuple[LogLine, ...]:
        """What a service wrote."""
        return tuple(e for e in self.of(LogLine) if e.service == service)

    def usage(self, service: str) -> tuple[UsageSampled, ...]:
        """The samples of what a service used."""
        return tuple(e for e in self.of(UsageSampled) if e.service == service)

    # ------------------------------------------------------------ the wire

    @cached_property
    def connections(self) -> tuple[Connection, ...]:
        """Every connection of every service."""
        return connections(self.events)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every statement of every service, in the order in which they began."""
        return steps(self.events)

    def steps_of(self, service: str) -> tuple[Step, ...]:
        """The statements of one service."""
        return tuple(step for step in self.steps if step.service == service)

    def open_connections(self, service: str, at: float) -> tuple[Connection, ...]:
        """The connections of a service that were logged in at a moment."""
        return tuple(c for c in self.connections if c.service == service and c.is_open_at(at))

    # ------------------------------------------------------------ the tasks

    @cached_property
    def stories(self) -> dict[str, Story]:
        """The story of every task by id, in the order in which the tasks appeared."""
        by_backend = {c.backend_pid: c.service for c in self.connections if c.backend_pid is not None}
        changes: dict[str, list[Change]] = {}
        for row in self.of(RowChanged):
            service = None if row.by_grader else by_backend.get(row.backend_pid, UNKNOWN_SERVICE)
            changes.setdefault(row.task, []).append(Change(row, service))
        return {task: Story(task, tuple(found)) for task, found in changes.items()}

    def story(self, task: str) -> Story:
        """The story of one task; empty when it never appeared."""
        return self.stories.get(task, Story(task, ()))

    @cached_property
    def inserted(self) -> tuple[str, ...]:
        """The ids of the tasks that the grader inserted by SQL, in their order of age."""
        rows = [
            (story.changes[0].row.after or {}, task)
            for task, story in self.stories.items()
            if story.changes[0].row.by_grader and story.changes[0].row.operation == "insert"
        ]
        return tuple(task for _, task in sorted(rows, key=lambda pair: str(pair[0].get("created_at"))))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim of every task, in the order in which they were made."""
        return tuple(sorted((c for s in self.stories.values() for c in s.claims), key=lambda c: c.at))

    def in_hand(self, service: str, at: float) -> tuple[str, ...]:
        """The tasks that a service had claimed and not yet brought to an end at a moment."""
        found = []
        for story in self.stories.values():
            mine = [c for c in story.claims if c.at <= at]
            if not mine or mine[-1].service != service:
                continue
            later = [c for c in story.changes if c.status_moved and mine[-1].at < c.at]
            if not later or later[0].at > at:
                found.append(story.task)
        return tuple(found)

    # ------------------------------------------------------------ HTTP, documents, the scenario itself

    def exchanges(self, method: str | None = None, path: str | None = None) -> tuple[HttpExchange, ...]:
        """Requests to the api-service and their answers."""
        return tuple(
            e for e in self.of(HttpExchange) if method in (None, e.method) and path in (None, e.path.split("?")[0])
        )

    def document(self, name: str) -> DocumentRead | None:
        """A document of the submission."""
        return next((e for e in self.of(DocumentRead) if e.name == name), None)

    def moments(self, name: str) -> tuple[Moment, ...]:
        """What the scenario noted under a name."""
        return tuple(e for e in self.of(Moment) if e.name == name)

    def moment(self, name: str) -> Moment | None:
        """The first thing noted under a name; None when the scenario did not come that far."""
        return next(iter(self.moments(name)), None)

    @property
    def gave_up(self) -> WaitTimedOut | None:
        """The wait that the scenario gave up on, if any."""
        return next(iter(self.of(WaitTimedOut)), None)

    def stalled_between(self, start: float, end: float) -> float:
        """For how many seconds in all the machine gave the grader no time in an interval."""
        return sum(e.seconds for e in self.of(Stalled) if start <= e.at <= end + e.seconds)
