"""What can happen in a scenario: one frozen class an event, all on one clock.

``at`` is in seconds since the start of the run (a monotonic clock of the grader; times from the database
are converted to it). Services are named by instance: ``api``, ``worker-A``, ``worker-B`` …
``to_json`` and ``from_json`` turn an event into a plain dict and back without loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

Json = Any
"""Whatever ``json.loads`` may return."""

TransactionState = Literal["I", "T", "E"]
"""PostgreSQL's own letters: idle, in a transaction, in a failed transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at one moment."""

    kind: ClassVar[str]
    at: float

    def to_json(self) -> dict[str, Json]:
        """The event as a dict of JSON types, its class under ``kind``."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Json]) -> Self:
        return cls(**fields)


# ---------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStarted(Event):
    """A process of the submission was started. ``settings`` are its contract variables, without DATABASE_URL."""

    kind: ClassVar[str] = "service-started"
    service: str
    role: Literal["api", "worker"]
    pid: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceExited(Event):
    """The process that the command started ended. ``status`` is its exit status, or minus the signal number."""

    kind: ClassVar[str] = "service-exited"
    service: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildrenLeft(Event):
    """Processes of a service that were still alive when its leader was gone, by command line."""

    kind: ClassVar[str] = "children-left"
    service: str
    commands: tuple[str, ...]

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Json]) -> Self:
        return cls(**{**fields, "commands": tuple(fields["commands"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSent(Event):
    """The grader sent a signal (``SIGTERM`` …) to the process that the command started."""

    kind: ClassVar[str] = "signal-sent"
    service: str
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine(Event):
    """One line that a service wrote, without its line end; ``at`` is when it reached the grader."""

    kind: ClassVar[str] = "log-line"
    service: str
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCut(Event):
    """A service wrote more than the grader keeps; what came after is not in the record."""

    kind: ClassVar[str] = "log-cut"
    service: str
    kept_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit(Event):
    """A service, or the whole ``scenario``, ran into one of its limits; ``limit`` says in words which, and how much."""

    kind: ClassVar[str] = "limit-hit"
    service: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSampled(Event):
    """What a service and all its descendants had used up to now: CPU seconds, and how many processes."""

    kind: ClassVar[str] = "usage-sampled"
    service: str
    cpu_s: float
    processes: int


# ---------------------------------------------------------------- the wire


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOpened(Event):
    """A service connected to its relay. ``connection`` is unique within the scenario."""

    kind: ClassVar[str] = "connection-opened"
    service: str
    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReady(Event):
    """PostgreSQL accepted the login; ``backend_pid`` is the server process behind this connection."""

    kind: ClassVar[str] = "connection-ready"
    service: str
    connection: int
    backend_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionClosed(Event):
    """A connection ended: by a Terminate message, by the client without one, by the server, or by the grader."""

    kind: ClassVar[str] = "connection-closed"
    service: str
    connection: int
    by: Literal["terminate", "client", "server", "grader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegan(Event):
    """A statement (or a Sync that commits) was passed on to the server. ``transaction`` is the state before it."""

    kind: ClassVar[str] = "step-began"
    service: str
    connection: int
    step: int
    sql: str
    transaction: TransactionState


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded(Event):
    """The answer to a step is complete.

    ``tag`` is the command tag (``UPDATE 1``), empty on error; ``rows`` its row count, None where the command
    has none; ``values`` the text of the first rows returned (bounded); ``parameters`` the text of the bound
    parameters (bounded); ``transaction`` the state after it; ``committed`` whether this step made a
    transaction with writes durable, as far as the protocol shows.
    """

    kind: ClassVar[str] = "step-ended"
    service: str
    connection: int
    step: int
    tag: str
    rows: int | None
    sqlstate: str | None
    message: str | None
    values: tuple[str, ...]
    parameters: tuple[str, ...]
    transaction: TransactionState
    committed: bool

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Json]) -> Self:
        return cls(**{**fields, "values": tuple(fields["values"]), "parameters": tuple(fields["parameters"])})


# ---------------------------------------------------------------- the database


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChanged(Event):
    """One change of one row of ``tasks``, from the audit trigger.

    ``at`` is when the statement changed it, ``committed_at`` when the change became visible to others (both
    on the run's clock). ``task`` is the id as text; ``before`` and ``after`` are whole rows with every value
    as JSON. ``backend_pid`` is the server process that did it; ``by_grader`` that it was one of ours.
    """

    kind: ClassVar[str] = "row-changed"
    task: str
    operation: Literal["insert", "update", "delete", "truncate"]
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    backend_pid: int
    transaction: str
    committed_at: float
    by_grader: bool


# ---------------------------------------------------------------- HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpExchange(Event):
    """A request of the grader to the api-service and its answer.

    ``at`` is when it was sent, ``ended_at`` when the answer was complete or given up. ``status`` is None and
    ``error`` says why when there was no answer. Bodies are text, bounded.
    """

    kind: ClassVar[str] = "http-exchange"
    service: str
    method: str
    path: str
    request: str | None
    status: int | None
    content_type: str | None
    body: str
    error: str | None
    ended_at: float


# ---------------------------------------------------------------- the scenario itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Event):
    """Something the scenario did or saw that judging has to know of, such as ``row-locked`` with a task id."""

    kind: ClassVar[str] = "moment"
    name: str
    detail: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimedOut(Event):
    """The scenario gave up waiting for something after ``seconds``, as exact as its clock; what it had to do next was left
    undone.
    """

    kind: ClassVar[str] = "wait-timed-out"
    waited_for: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRead(Event):
    """A document of the submission; ``text`` is None when there is none (``problem`` says why), else bounded."""

    kind: ClassVar[str] = "document-read"
    name: str
    path: str
    text: str | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """The submission's table, or the system, did not take what the contract allows: ``why``. The scenario ends there."""

    kind: ClassVar[str] = "refused"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled(Event):
    """The machine gave the grader no time for ``seconds``: timings around this moment say little."""

    kind: ClassVar[str] = "stalled"
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSet(Event):
    """The machine's clock was set, by ``seconds``: what the database says of times before and after does not fit."""

    kind: ClassVar[str] = "clock-set"
    seconds: float


KINDS: Mapping[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}


def from_json(fields: Mapping[str, Json]) -> Event:
    """The event that ``to_json`` turned into this dict.

    Raises KeyError or TypeError when it is none of ours.
    """
    rest = dict(fields)
    return KINDS[rest.pop("kind")]._from_fields(rest)
