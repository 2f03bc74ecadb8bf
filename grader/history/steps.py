"""Connections and steps, put together from the wire's events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from grader.history.events import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionReady,
    Event,
    StepBegan,
    StepEnded,
    TransactionState,
)
from grader.history.sql import is_setup


@dataclass(frozen=True, slots=True)
class Connection:
    """One database connection of a service; times in seconds of the run, None for what did not happen."""

    service: str
    number: int
    opened: float
    ready: float | None = None
    backend_pid: int | None = None
    closed: float | None = None
    closed_by: str | None = None

    def is_open_at(self, at: float) -> bool:
        """Whether the login had succeeded and the connection was not closed yet."""
        return self.ready is not None and self.ready <= at and (self.closed is None or self.closed > at)


@dataclass(frozen=True, slots=True)
class Step:
    """One statement on the wire. ``ended`` is None when its answer never came."""

    service: str
    connection: int
    number: int
    sql: str
    began: float
    state_before: TransactionState
    ended: float | None = None
    tag: str = ""
    rows: int | None = None
    sqlstate: str | None = None
    message: str | None = None
    values: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    state_after: TransactionState | None = None
    committed: bool = False

    @property
    def is_setup(self) -> bool:
        """Whether it only prepared the connection, or began or ended a transaction."""
        return is_setup(self.sql)


def connections(events: Iterable[Event]) -> tuple[Connection, ...]:
    """All connections, in the order in which they were opened."""
    found: dict[tuple[str, int], Connection] = {}
    for event in events:
        match event:
            case ConnectionOpened(at=at, service=service, connection=number):
                found[service, number] = Connection(service, number, opened=at)
            case ConnectionReady(at=at, service=service, connection=number, backend_pid=pid):
                if (service, number) in found:
                    found[service, number] = replace(found[service, number], ready=at, backend_pid=pid)
            case ConnectionClosed(at=at, service=service, connection=number, by=by):
                if (service, number) in found:
                    found[service, number] = replace(found[service, number], closed=at, closed_by=by)
            case _:
                pass
    return tuple(found.values())


def steps(events: Iterable[Event]) -> tuple[Step, ...]:
    """All steps, in the order in which they began."""
    found: dict[tuple[str, int, int], Step] = {}
    for event in events:
        match event:
            case StepBegan():
                key = (event.service, event.connection, event.step)
                found[key] = Step(*key, sql=event.sql, began=event.at, state_before=event.transaction)
            case StepEnded():
                key = (event.service, event.connection, event.step)
                if key in found:
                    found[key] = replace(
                        found[key],
                        ended=event.at,
                        tag=event.tag,
                        rows=event.rows,
                        sqlstate=event.sqlstate,
                        message=event.message,
                        values=event.values,
                        parameters=event.parameters,
                        state_after=event.transaction,
                        committed=event.committed,
                    )
            case _:
                pass
    return tuple(found.values())
